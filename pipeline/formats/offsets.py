"""In which unit the spans of a file count, found by holding all of them against its text.

Tools count words or characters, and characters in four ways: code points (Python), UTF-16 units
(JavaScript, Java), bytes of UTF-8 (Rust, Go) or grapheme clusters (Swift; an option of doccano);
and ends are mostly exclusive, sometimes inclusive. Nothing in a file says which. Its content mostly
does: a span that brings its own surface string has to be that string in the text, a border of a
span is a border of a word. A file is read as what all of its spans fit.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Final, Literal

from pipeline.errors import DataError
from pipeline.formats.encoding import without_halves
from pipeline.formats.report import CharSpan, RawSentence, ReadReport
from pipeline.formats.words import SpanError, cuts, is_mark, locate_words
from pipeline.schema import Span

Unit = Literal["characters", "words", "utf-16", "utf-8", "graphemes"]
UNITS: Final[tuple[Unit, ...]] = ("characters", "words", "utf-16", "utf-8", "graphemes")
_NAMES: Final = {
    "characters": "characters",
    "words": "words",
    "utf-16": "UTF-16 units",
    "utf-8": "bytes of UTF-8",
    "graphemes": "grapheme clusters",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A way to count: the unit, and whether a span's end is its last unit or the one after."""

    unit: Unit
    inclusive: bool = False

    def __str__(self) -> str:
        return f"{_NAMES[self.unit]}, end {'inclusive' if self.inclusive else 'exclusive'}"


_MANY: Final = 10
_READINGS: Final = tuple(Reading(unit, end) for end in (False, True) for unit in UNITS)


@dataclass(slots=True)
class _Tally:
    """How well one reading fits what was seen.

    Attributes:
        misfits: Spans that are not in the text, or are another string there.
        loose: Of them, those that are the same string but for case, white space and composition.
        uneven: Spans whose borders are none of words.
        first: Number of the first span that does not fit.
        mark: A hash of where all spans lie: equal for readings that say the same.
        moved: Spans that lie elsewhere than in the first reading.
        gained: Of them, those on which the first reading is wrong and this one is right.
        lost: Of them, those on which the first is right and this one begins or ends with a mark.
    """

    misfits: int = 0
    loose: int = 0
    uneven: int = 0
    mark: int = 0
    moved: int = 0
    gained: int = 0
    lost: int = 0

    @property
    def perfect(self) -> bool:
        return not self.misfits and not self.uneven


class OffsetEvidence:
    """Gathers, over the sentences of a source, in which unit their spans count.

    Only counts are kept, so memory does not grow with the corpus.

    Args:
        unit: The unit, if it is stated.
        inclusive: Whether ends are inclusive, if it is stated.
    """

    def __init__(self, unit: Unit | None = None, inclusive: bool | None = None) -> None:
        self._readings = [
            r for r in _READINGS if unit in (None, r.unit) and inclusive in (None, r.inclusive)
        ]
        self.spans = self.surfaces = 0
        self.stated: Unit | None = None
        self._with_words = self._with_text = 0
        self._usual_ends: Counter[str] = Counter()
        self._tallies = {reading: _Tally() for reading in self._readings}

    def feed(self, raw: RawSentence) -> None:
        """Look at one sentence; one without spans of unknown unit tells nothing."""
        if raw.unit is not None:
            self.stated = raw.unit  # type: ignore[assignment]
        if not raw.char_spans or raw.unit is not None:
            return
        place = _Place(raw)
        self._with_words += len(raw.char_spans) * (raw.words is not None)
        self._with_text += len(raw.char_spans) * (raw.text is not None)
        self._usual_ends[raw.usual_end] += len(raw.char_spans)
        order = self._order(raw.text is not None, raw.usual_end == "inclusive")
        for span in raw.char_spans:
            self.spans += 1
            self.surfaces += span.surface is not None
            first: tuple[tuple[int, int] | None, bool] | None = None
            for reading in order:
                found = place.range(span, reading)
                tally = self._tallies[reading]
                same, loosely = _is_surface(place.text, found, span.surface)
                fits = found is not None and same
                even = fits and (span.surface is not None or place.even(found, reading))
                tally.misfits += not fits
                tally.loose += not fits and loosely
                tally.uneven += fits and not even
                tally.mark = hash((tally.mark, found))
                if first is None:
                    first = found, even
                elif found != first[0]:
                    tally.moved += 1
                    tally.gained += even and not first[1]
                    tally.lost += first[1] and not (even and place.ends_in_letters(found))

    def _order(self, has_text: bool, inclusive: bool) -> list[Reading]:
        # Where there are words only, they are what is counted unless that does not fit.
        return sorted(
            self._readings,
            key=lambda r: (r.inclusive != inclusive, (r.unit == "words") == has_text),
        )

    def decide(self, where: str) -> tuple[Reading, str | None]:
        """Return the reading that the spans fit, and a sentence for the user where one is due.

        Where none fits, it is the one that fits most: its first misfit is an error later on.

        Args:
            where: What errors name.

        Raises:
            DataError: If they fit in several ways, none of them the usual one.
        """
        inclusive = 0 < self._usual_ends["inclusive"] == self.spans
        order = [r for r in self._order(self._with_text > 0, inclusive) if self._possible(r)]
        if not order or not self.spans:
            return (order or self._readings)[0], None
        first, tallies = order[0], self._tallies
        if tallies[first].perfect:
            return first, self._ambiguous(first, order)
        for fits in (self._perfect, self._fitting, self._loose):
            found = {tallies[r].mark: r for r in reversed(order) if fits(r)}
            if tallies[first].mark in found:
                return first, self._cut_words(first)
            if len(found) > 1 and self.surfaces < self.spans:
                ways = ", or as ".join(map(str, found.values()))
                raise DataError(
                    f"{where}: the spans do not all fit as {first}, but they do as {ways}; set "
                    "offsets and span_end of this data source to what it is"
                )
            if found:
                reading = min(found.values(), key=order.index)
                note = f"positions are read as {reading}: so every span fits"
                return reading, None if self.surfaces else note
        if not self.surfaces and not (self._with_words and self._with_text):
            return first, None
        return min(order, key=lambda r: tallies[r].misfits), None

    def _possible(self, reading: Reading) -> bool:
        return reading.unit != "words" or self._with_words == self.spans

    def _likely(self, reading: Reading) -> bool:
        # Without surfaces, a few odd spans among many do not change how all are read.
        tally = self._tallies[reading]
        return self.surfaces > 0 or (
            tally.gained > 2 * tally.lost and 3 * tally.gained >= max(1, tally.moved)
        )

    def _perfect(self, reading: Reading) -> bool:
        return self._tallies[reading].perfect and self._likely(reading)

    def _fitting(self, reading: Reading) -> bool:
        tally = self._tallies[reading]
        return not tally.misfits and (tally.moved == 0 or self._likely(reading))

    def _loose(self, reading: Reading) -> bool:
        tally = self._tallies[reading]
        return self.surfaces > 0 and tally.misfits == tally.loose

    def _cut_words(self, first: Reading) -> str | None:
        uneven = self._tallies[first].uneven
        if 5 * uneven <= self.spans or self._with_words:
            return None
        return (
            f"{uneven} of {self.spans} spans begin or end inside a word or in white space, read as "
            f"{first}; if they count otherwise, set offsets and span_end"
        )

    def _ambiguous(self, first: Reading, order: Sequence[Reading]) -> str | None:
        """Say so where all spans fit in another unit, too, and lie elsewhere then."""
        tallies = self._tallies
        others = [
            r
            for r in order
            if r.inclusive == first.inclusive
            and tallies[r].perfect
            and tallies[r].mark != tallies[first].mark
        ]
        if self.surfaces:
            return None
        if not self._with_text:  # words without a text are counted in words, as ever
            return self._ambiguous_end(first)
        if not others:
            return None
        return (
            f"positions are read as {_NAMES[first.unit]}, though every span would fit as "
            f"{_NAMES[others[0].unit]}, too; set offsets: {others[0].unit} if that is what they are"
        )

    def _ambiguous_end(self, first: Reading) -> str | None:
        """Say so where so few spans are given that their ends may be their last words."""
        last = replace(first, inclusive=True)
        fits = last in self._tallies and self._tallies[last].perfect
        # Of ten entities, one at least is a single word, or stands at the end of a sentence.
        if not (self._usual_ends["unknown"] and fits) or first.inclusive or self.spans >= _MANY:
            return None
        return (
            f"positions are read as {first}, though every span would fit with its end inclusive, "
            "too; set span_end: inclusive if that is what they are"
        )


@dataclass(slots=True)
class _Place:
    """The text of a sentence, and where units of every kind lie in it."""

    raw: RawSentence
    text: str = ""
    words: list[tuple[int, int]] | None = None
    _edges: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        raw = self.raw
        self.text = raw.text if raw.text is not None else " ".join(raw.words or ())
        if raw.words is not None:
            self.words = locate_words(self.text, raw.words)

    def edges(self, unit: Unit) -> list[int]:
        """Return, for each border between code points, its position in ``unit``.

        Borders inside a grapheme cluster have that of its beginning.
        """
        if unit not in self._edges:
            self._edges[unit] = unit_edges(self.text, unit)
        return self._edges[unit]

    def range(self, span: CharSpan, reading: Reading) -> tuple[int, int] | None:
        """Return the characters of a span, or ``None`` if it is not in the text."""
        start, end = span.start, span.end + reading.inclusive
        if reading.unit == "words":
            count = len(self.raw.words or ())
            if not 0 <= start < end <= count:
                return None
            if self.words is None:  # the words are not those of the text, but can be counted
                return -start - 1, -end - 1
            return self.words[start][0], self.words[end - 1][1]
        if self.raw.words is not None and self.words is None:
            return None
        if reading.unit == "characters":
            return (start, end) if 0 <= start < end <= len(self.text) else None
        edges = self.edges(reading.unit)
        first, last = bisect_left(edges, start), bisect_left(edges, end)
        if not 0 <= start < end <= edges[-1] or edges[first] != start or edges[last] != end:
            return None
        return first, last

    def ends_in_letters(self, found: tuple[int, int] | None) -> bool:
        """Whether the first and the last character are no punctuation."""
        inside = "" if found is None or found[0] < 0 else self.text[found[0] : found[1]]
        return bool(inside) and all(c.isalnum() or is_mark(c) for c in (inside[0], inside[-1]))

    def even(self, found: tuple[int, int] | None, reading: Reading) -> bool:
        """Whether both borders are borders of words."""
        if found is None:
            return False
        if reading.unit == "words":
            return True
        start, end = found
        if self.words is not None:
            return any(a == start for a, _ in self.words) and any(b == end for _, b in self.words)
        inside = self.text[start:end]
        return inside == inside.strip() and not (cuts(self.text, start) or cuts(self.text, end))


def unit_edges(text: str, unit: Unit) -> list[int]:
    """Return for each border between code points where it is in ``unit``."""
    if unit == "utf-16":
        return [0, *accumulate(2 if c > "\uffff" else 1 for c in text)]
    if unit == "utf-8":
        return [0, *accumulate(len(c.encode("utf-8", "surrogatepass")) for c in text)]
    if unit != "graphemes":
        return list(range(len(text) + 1))
    if text.isascii() and "\r\n" not in text:
        return list(range(len(text) + 1))
    from icu4py.breakers import CharacterBreaker

    edges = [0]
    for number, cluster in enumerate(CharacterBreaker(without_halves(text), "root"), 1):
        edges += [number - 1] * (len(str(cluster)) - 1) + [number]
    return edges


def _is_surface(text: str, found: tuple[int, int] | None, surface: str | None) -> tuple[bool, bool]:
    """Whether a range is the surface string of its span: exactly, and loosely."""
    if surface is None:
        return True, True
    if found is None or found[0] < 0:
        return False, False
    said = text[found[0] : found[1]]
    return said == surface, _plain(said) == _plain(surface)


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split()).casefold()


def resolve(
    raw: RawSentence, reading: Reading, report: ReadReport, *, stated: bool = False
) -> RawSentence:
    """Return a sentence whose spans are in words, or in code points of its text alone.

    A unit that the sentence itself states counts more than ``reading``.

    Args:
        raw: The sentence.
        reading: How its spans count.
        report: Is told of spans whose surface string is only loosely that of the text.
        stated: Whether the user states the reading: then another surface string is only counted.

    Raises:
        SpanError: If a span is another string than it says, or counts words of a text alone.
    """
    if not raw.char_spans:
        if raw.words is not None and raw.char_spans is not None:
            return replace(raw, text=None, char_spans=None, spans=[])
        return raw
    if raw.unit is not None:
        reading = Reading(raw.unit)  # type: ignore[arg-type]
    sentence = f"sentence {raw.id!r}: " if raw.id else ""
    if reading.unit == "words" and raw.words is None:
        raise SpanError(
            f"{sentence}positions of spans are to be read as words, but this is a text without a "
            "list of its words; give them (tokens), or correct offsets",
            raw.char_spans[0].line,
        )
    place = _Place(raw)
    for span in raw.char_spans:
        found = place.range(span, reading)
        same, loosely = _is_surface(place.text, found, span.surface)
        if found is None or found[0] < 0 or same:
            continue
        report.count("other_surfaces")
        said = place.text[found[0] : found[1]]
        if not loosely and not stated:
            raise SpanError(
                f"{sentence}span [{span.start}, {span.end}) {span.type} is {said!r} in the text, "
                f"but its own text is {span.surface!r} (positions read as {reading}, which more "
                "spans fit than any other way); correct it, or set offsets to the unit",
                span.line,
            )
    if reading.unit == "words":
        spans = [Span(s.start, s.end + reading.inclusive, s.type) for s in raw.char_spans]
        spans.sort(key=lambda s: s.start)
        return replace(raw, text=None, char_spans=None, spans=spans)
    moved = [_in_characters(place, span, reading) for span in raw.char_spans]
    return replace(raw, text=place.text, char_spans=moved)


def _in_characters(place: _Place, span: CharSpan, reading: Reading) -> CharSpan:
    found = place.range(span, reading)
    if found is None or found[0] < 0:
        start, end = span.start, span.end + reading.inclusive
        if reading.unit != "characters" and 0 <= start < end:
            # A border in the middle of a character takes it in; what is outside stays outside.
            edges = place.edges(reading.unit)
            beyond = max(0, end - edges[-1])
            start, end = bisect_right(edges, start) - 1, bisect_left(edges, end - beyond) + beyond
        found = start, end
    return CharSpan(found[0], found[1], span.type)
