"""Tag schemes (IOB1, IOB2, BIOES, BILOU, IO): detection, and conversion to and from spans.

Tags exist only at the edges; inside, spans are half-open word ranges ``[start, end)``. What breaks
a scheme's rules but not its tag set is repaired as ``conlleval`` does (Tjong Kim Sang & De Meulder
2003): an ``I-`` with nothing before it to continue begins an entity. Every repair is reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pipeline.errors import DataError
from pipeline.formats.notation import OUTSIDE, STANDARD, Fit, Notation, TagError, brackets, fit
from pipeline.listed import each, words_of
from pipeline.schema import Span, overlapping

Scheme = Literal["iob1", "iob2", "bioes", "bilou", "io"]
RepairKind = Literal["inside_without_begin", "end_without_begin", "unclosed", "odd_outside"]

SCHEMES: Final[tuple[Scheme, ...]] = ("iob1", "iob2", "bioes", "bilou", "io")

# Prefixes of a scheme and what each stands for in terms of BIOES. BMES and BIOEW are BIOES under
# other letters.
_PREFIXES: Final[dict[Scheme, dict[str, str]]] = {
    "iob1": {"B": "B", "I": "I"},
    "iob2": {"B": "B", "I": "I"},
    "bioes": {"B": "B", "I": "I", "M": "I", "E": "E", "S": "S", "W": "S"},
    "bilou": {"B": "B", "I": "I", "L": "E", "U": "S"},
    "io": {"I": "I"},
}
_MEANINGS: Final = {
    s: p | {"O": "O"} | ({"": "I"} if s == "io" else {}) for s, p in _PREFIXES.items()
}
_ANY_PREFIX: Final = frozenset("BIESLUMW")


@dataclass(frozen=True, slots=True)
class Repair:
    """A tag that broke its scheme's rules: which word, and how."""

    index: int
    kind: RepairKind


def looks_like_tag(text: str) -> bool:
    """Whether ``text`` is ``O`` or a prefixed tag of any scheme."""
    return text == "O" or (len(text) > 2 and text[1] == "-" and text[0] in _ANY_PREFIX)


class TagDecoder:
    """Turns the tags of sentences into spans; remembers the tags it has seen.

    Args:
        scheme: The scheme of the tags.
        notation: How they are spelled.
        entity_type: What entities are called whose tags name no type.
    """

    def __init__(
        self, scheme: Scheme, notation: Notation = STANDARD, entity_type: str = "ENTITY"
    ) -> None:
        self.scheme = scheme
        self.notation = notation
        self.entity_type = entity_type
        self._outside = notation.outside
        self._known: dict[str, tuple[str, str]] = {notation.outside: ("O", "")}
        self._odd: set[str] = set()

    def __call__(self, tags: Sequence[str]) -> tuple[list[Span], list[Repair]]:
        """Return the spans of one sentence and what had to be repaired.

        Raises:
            TagError: If a tag is not in the scheme.
        """
        if tags.count(self._outside) == len(tags):
            return [], []
        if self.notation.kind == "bracketed":
            return self._from_brackets(tags)
        parsed = [self._known.get(t) or self._parse(i, t) for i, t in enumerate(tags)]
        decode = _from_closed if self.scheme in ("bioes", "bilou") else _from_open
        spans, repairs = decode(parsed, strict=self.scheme == "iob2")
        if self._odd:
            repairs += [Repair(i, "odd_outside") for i, t in enumerate(tags) if t in self._odd]
        return spans, repairs

    def _parse(self, index: int, tag: str) -> tuple[str, str]:
        found = self.notation.split(tag)
        if found is None and self.scheme == "io":  # the scheme was given, whatever the values
            plain = Notation("plain", self._outside).split(tag)
            found = plain if not looks_like_tag(tag) else None
        if found is not None and found[0] == "O":
            self._odd.add(tag)
        meaning = None
        if found is not None:
            letter, name = found
            meaning = _MEANINGS[self.scheme].get(letter)
            name = name or (self.entity_type if letter != "O" else "")
        if meaning is None:
            raise TagError(index, tag, self._why_not(tag))
        self._known[tag] = meaning, name
        return meaning, name

    def _why_not(self, tag: str) -> str:
        several = self.notation.several(tag)
        if several:
            return (
                f"holds {len(several)} tags, and a word can have one: keep one of them, or name "
                "the column of the tags you want as tag_column"
            )
        return (
            f"is not in the scheme {self.scheme} (allowed: {self._allowed()}); "
            "correct the tag, or set the scheme or the tag_column of this data source"
        )

    def _allowed(self) -> str:
        notation = self.notation
        if self.scheme == "io":
            return f"{self._outside or 'empty'}, TYPE or I-TYPE"
        letters = {"bioes": "BIES", "bilou": "BILU"}.get(self.scheme, "BI")
        tags = [notation.tag(letter, "TYPE") for letter in letters]
        return ", ".join([self._outside or "empty", *tags])

    def _from_brackets(self, tags: Sequence[str]) -> tuple[list[Span], list[Repair]]:
        try:
            return _from_open(brackets(tags), strict=False)
        except TagError as error:
            if self.notation.several(error.tag):
                raise TagError(error.index, error.tag, self._why_not(error.tag)) from None
            raise


def _from_open(
    parsed: Sequence[tuple[str, str]], *, strict: bool
) -> tuple[list[Span], list[Repair]]:
    """Decode schemes that do not mark the end of an entity."""
    spans: list[Span] = []
    repairs: list[Repair] = []
    start, current = 0, ""
    for i, (prefix, name) in enumerate(parsed):
        if prefix == "I" and name == current:
            continue
        if current:
            spans.append(Span(start, i, current))
        current = name
        start = i
        if strict and prefix == "I":
            repairs.append(Repair(i, "inside_without_begin"))
    if current:
        spans.append(Span(start, len(parsed), current))
    return spans, repairs


def _from_closed(
    parsed: Sequence[tuple[str, str]], *, strict: bool
) -> tuple[list[Span], list[Repair]]:
    """Decode schemes that mark the end of an entity."""
    spans: list[Span] = []
    repairs: list[Repair] = []
    start, current = 0, ""
    for i, (prefix, name) in enumerate(parsed):
        if current and name == current and prefix in "IE":
            if prefix == "E":
                spans.append(Span(start, i + 1, current))
                current = ""
            continue
        if current:
            spans.append(Span(start, i, current))
            repairs.append(Repair(i - 1, "unclosed"))
            current = ""
        if prefix in "SE":
            spans.append(Span(i, i + 1, name))
            if prefix == "E":
                repairs.append(Repair(i, "end_without_begin"))
        elif prefix in "BI":
            start, current = i, name
            if prefix == "I":
                repairs.append(Repair(i, "inside_without_begin"))
    if current:
        spans.append(Span(start, len(parsed), current))
        repairs.append(Repair(len(parsed) - 1, "unclosed"))
    return spans, repairs


def spans_from_tags(tags: Iterable[str], scheme: Scheme = "iob2") -> list[Span]:
    """Return the spans that ``tags`` stand for, repairing what breaks the scheme's rules.

    Raises:
        TagError: If a tag is not in the scheme.
    """
    return TagDecoder(scheme)(words_of(tags, "spans_from_tags: the tags"))[0]


def is_type(name: str) -> bool:
    """Whether tags can have an entity type: it is not empty and has no white space."""
    return bool(name) and STANDARD.split(f"B-{name}") is not None


def tags_from_spans(spans: Iterable[Span], length: int, scheme: Scheme = "iob2") -> list[str]:
    """Return one tag per word of a sentence of ``length`` words.

    IO cannot tell two adjacent entities of one type apart; all other schemes lose nothing.

    Raises:
        ValueError: If a span is empty, leaves the sentence, or overlaps another.
        DataError: If a type is empty or has white space, so that its tags could not be read again.
    """
    ordered = sorted(each(spans, "tags_from_spans: the spans"), key=lambda s: s.start)
    clash = overlapping(ordered)
    if clash:
        raise ValueError(f"spans {clash[0]} and {clash[1]} overlap")
    tags = ["O"] * length
    previous: Span | None = None
    for span in ordered:
        if not 0 <= span.start < span.end <= length:
            raise ValueError(f"span {span} does not fit a sentence of {length} words")
        if not is_type(span.type):
            raise DataError(f"{span.type!r} is no entity type: it is empty or has white space")
        touches = previous is not None and (previous.end, previous.type) == (span.start, span.type)
        prefixes = _prefixes(scheme, span.end - span.start, touches)
        for i, prefix in enumerate(prefixes, span.start):
            tags[i] = prefix + span.type
        previous = span
    return tags


def _prefixes(scheme: Scheme, length: int, touches: bool) -> list[str]:
    if scheme == "io":
        return [""] * length
    if scheme == "iob1":
        return ["B-" if touches else "I-", *["I-"] * (length - 1)]
    if scheme == "iob2":
        return ["B-", *["I-"] * (length - 1)]
    end, single = ("E-", "S-") if scheme == "bioes" else ("L-", "U-")
    return [single] if length == 1 else ["B-", *["I-"] * (length - 2), end]


class SchemeEvidence:
    """Gathers, over the sentences of a source, which scheme its tags are in.

    Only pairs of neighbouring tags are counted, so memory does not grow with the corpus.
    """

    def __init__(self) -> None:
        self._pairs: Counter[tuple[str, str]] = Counter()
        self._alone: Counter[str] = Counter()  # tags of sentences that are outside throughout

    def feed(self, tags: Sequence[str]) -> None:
        """Look at the tags of one sentence."""
        if tags and tags.count(tags[0]) == len(tags) and tags[0] in OUTSIDE:
            self._alone[tags[0]] += len(tags)
        else:
            self._pairs.update(zip(["O", *tags], tags, strict=False))

    def values(self) -> Counter[str]:
        """Return how often each tag occurs."""
        counts = Counter(self._alone)
        for (_, tag), n in self._pairs.items():
            counts[tag] += n
        return counts

    def fit(self) -> Fit | None:
        """Return how the tags are spelled; ``None`` if they are no tags.

        Where most values are tags, a few that fit nothing are left for the decoder to name.
        """
        values = self.values()
        near = fit(values, share=0.5)
        return fit(values) or (near if near and near.strength > 1 else None)

    def all_named(self, notation: Notation) -> bool:
        """Whether there are entities, and the tags of all of them name a type."""
        found = [notation.split(tag) for tag in self.values()]
        inside = [split for split in found if split is not None and split[0] != "O"]
        return bool(inside) and all(name for _, name in inside)

    def scheme(self, notation: Notation = STANDARD) -> Scheme:
        """Return the scheme: the one that the tags need and break least often.

        The letters decide first (E or S: BIOES; L or U: BILOU; no prefixes: IO). With B and I only,
        it is IOB1 if more entities begin with an I- than with a B- that IOB1 would not need.
        Without any entity it is IOB2. Tags that belong to none are left for the decoder to name.
        """
        if notation.kind == "bracketed":
            return "iob2"
        prefixes: Counter[str] = Counter()
        plain = stray = unneeded = 0
        known = {tag: notation.split(tag) for tag in self.values()}
        known["O"] = "O", ""
        for (before, tag), n in self._pairs.items():
            found = known[tag]
            if found is not None and found[0] == "O":
                continue
            if not found or not found[0]:
                plain += n
                continue
            letter, name = found
            prefixes[letter] += n
            left = known[before]
            continues = left is not None and left[0] != "O" and left[1] == name
            if not continues:
                stray += n * (letter == "I")
                unneeded += n * (letter == "B")
        if plain > prefixes.total():
            return "io"
        closing = prefixes["E"] + prefixes["S"] + prefixes["M"] + prefixes["W"]
        other = prefixes["L"] + prefixes["U"]
        # Every longer entity of these schemes has an end, so a lone E- among many B- is an error.
        if max(closing, other) * 2 > prefixes["B"]:
            return "bioes" if closing >= other else "bilou"
        return "iob1" if stray > unneeded else "iob2"
