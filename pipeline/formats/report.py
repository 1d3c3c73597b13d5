"""What a reader found, repaired and left out, and the records that foreign formats hand over."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from pipeline.schema import Span
from pipeline.terminal import printable

LONG_SENTENCE: Final = 200
"""A sentence of more words than this is hardly one; a longer record may be a document."""

RELATIONS: Final = "relations"
EVENTS: Final = "events"
"""What many formats hold beside entities; no tagger learns from it, and it is left out."""

MAX_EXAMPLES: Final = 5
"""How many places of a repair are named in a report."""

_MUCH: Final = 0.05
_SHOWN_TYPES: Final = 20
_TAGS: Final = {
    "inside_without_begin": "{n} I- with no B- before it, read as B-",
    "end_without_begin": "{n} E- with nothing to end",
    "unclosed": "{n} without an end",
    "odd_outside": "{n} with another sign for outside",
}
REPAIRS: Final = {
    "repaired_words": "{n} words decoded once more",
    "unrepaired_words": "{n} words that do not decode",
    "byte_order_marks": "{n} byte order marks within the file left out",
    "invisible_words": "{n} words without a visible character left out",
    "lost_spans": "{n} entities of such words left out",
    "split_words": "{n} words split at the border of an entity",
    "cut_spans": "{n} entities that begin or end between two letters (the first: {first})",
    "other_surfaces": "{n} entities whose own text differs in case, spaces or accents",
    "repeated_spans": "{n} entities that were there twice",
    "overlapping_spans": "{n} entities left out that overlap another",
    "discontinuous_spans": "{n} entities of several parts read as one stretch",
    "documents": "{n} documents split into sentences",
    "crossing_spans": "{n} sentences kept together by an entity across their border",
}

_log = logging.getLogger(__name__)


class Fields(NamedTuple):
    """The fields of records that ``tag_column`` and ``word_column`` name, if they do."""

    tags: str | None = None
    words: str | None = None


@dataclass(frozen=True, slots=True)
class CharSpan:
    """An entity given by positions in a text.

    Attributes:
        start: Its first character; in another unit where the file counts so, until
            :mod:`pipeline.formats.offsets` has found out.
        end: One after its last character; or that one, where the file counts so.
        type: Its type.
        surface: What the file says that it is in the text.
        line: Its line, where spans have lines of their own.
    """

    start: int
    end: int
    type: str
    surface: str | None = None
    line: int | None = None


@dataclass(slots=True)
class RawSentence:
    """One sentence as a foreign format holds it, before tags are decoded and words are cleaned.

    Either ``words`` (with ``tags``, or with ``spans`` in words, or without labels) or ``text``
    (with ``char_spans``, or without labels). With words, ``char_spans`` count in a unit that is
    still to be found out (:mod:`pipeline.formats.offsets`), if ``unit`` does not state it.

    Attributes:
        words: The words as found; some may be empty.
        tags: One tag per word, in the scheme of the file.
        spans: Entities as word ranges, where the format has them.
        text: The sentence as one string.
        char_spans: Entities as character ranges of ``text``.
        id: The sentence's own id, if it has one.
        line: 1-based line (or row) in the file.
        lines: Line of every word, where words have lines of their own.
        file: The file, where the source is several.
        unit: In what ``char_spans`` count, where the record itself says so.
        usual_end: What the end of a span is in records like this one, where nothing else tells.
        keep_longest: Of spans that overlap, whether the longest is kept and the others counted,
            rather than refused.
        may_be_document: Whether it may hold several sentences although it has words: those of a
            tool that cuts whole documents into words.
        docstart: Whether it is no sentence but says that a document begins.
    """

    words: list[str] | None = None
    tags: list[str] | None = None
    spans: list[Span] | None = None
    text: str | None = None
    char_spans: list[CharSpan] | None = None
    id: str | None = None
    line: int | None = None
    lines: Sequence[int] | None = None
    file: Path | None = None
    unit: str | None = None
    usual_end: Literal["exclusive", "inclusive", "unknown"] = "exclusive"
    keep_longest: bool = False
    may_be_document: bool = False
    docstart: bool = False


@dataclass(slots=True)
class ReadReport:
    """Facts about one source, complete once all its sentences have been read.

    Attributes:
        origin: The file or hub data set.
        format: The format that was read.
        total: Sentences in the whole source, empty ones included, whatever the limit.
        empty_end: Sentences without words at its end: blank lines, mostly.
        labelled: Whether labels were read.
        scheme: The tag scheme; ``None`` where the format has spans instead of tags.
        notation: How its tags are spelled, where that is not as usual.
        scheme_detected: Whether the scheme was detected rather than given.
        encoding: The encoding the file was decoded with.
        double_encoded: Whether the text is encoded in UTF-8 twice.
        commit: The commit of a hub data set, if it is known.
        own_ids: Whether every sentence has an id of its own.
        layout: For CoNLL: separator, columns and prefix, as one line.
        sampled: Whether only the first sentences were looked at.
        words_seen: Words of the whole source, about as many where it has text.
        long_sentences: Sentences of more than :data:`LONG_SENTENCE` words.
        long_words: Words of these sentences.
        sentences: Sentences read (within the limit, without empty ones).
        tokens: Words of these sentences.
        spans: Spans of these sentences by type, under the types' names in the file.
        repaired: What was repaired or left out, by kind: a key of :data:`REPAIRS`.
        repaired_tags: Tags outside the scheme's rules that were repaired, by kind.
        offsets: In what the positions of spans count, where that was to be found out.
        left_out: Records and annotations that are no labelled text, by kind.
        unreviewed: Records that nobody has annotated, with the labels that they came with.
        empty_sentences: Sentences without words, which were left out.
        docstarts: ``-DOCSTART-`` lines that were skipped.
        comments: Comment lines that were skipped.
        examples: The first few places of each repair.
        warnings: Sentences for the user.
    """

    origin: str
    format: str
    total: int = 0
    empty_end: int = 0
    labelled: bool = True
    scheme: str | None = None
    notation: str | None = None
    scheme_detected: bool = False
    encoding: str | None = None
    double_encoded: bool = False
    commit: str | None = None
    own_ids: bool = False
    layout: str | None = None
    sampled: bool = False
    words_seen: int = 0
    long_sentences: int = 0
    long_words: int = 0
    sentences: int = 0
    tokens: int = 0
    spans: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)
    repaired_tags: Counter[str] = field(default_factory=Counter)
    offsets: str | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    unreviewed: int = 0
    empty_sentences: int = 0
    docstarts: int = 0
    comments: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def warn(self, message: str) -> None:
        """Keep a warning, and log it."""
        self.warnings.append(message)
        _log.warning("%s", message)

    def count(self, kind: str, number: int = 1, where: str | None = None) -> None:
        """Count what was repaired or left out, and keep the place, if it is given."""
        if number:
            self.repaired[kind] += number
            if where is not None:
                self.example(kind, where)

    def example(self, kind: str, where: str) -> None:
        """Keep a place where something was repaired, up to :data:`MAX_EXAMPLES` of each kind."""
        places = self.examples.setdefault(kind, [])
        if len(places) < MAX_EXAMPLES:
            places.append(where)

    def look_at_length(self, raw: RawSentence) -> None:
        """Count a sentence that is too long to be one, or empty at the end."""
        self.empty_end = 0 if raw.words or (raw.text or "").strip() else self.empty_end + 1
        words = len(raw.words) if raw.words is not None else (raw.text or "").count(" ") + 1
        self.words_seen += words
        if words > LONG_SENTENCE:
            self.long_sentences += 1
            self.long_words += words
            self.example("long_sentences", f"{self.origin}:{raw.line} ({words:,} words)")

    def leave_out(self, kind: str, number: int = 1) -> None:
        """Count what is no labelled text and was left out."""
        if number:
            self.left_out[kind] += number

    def forget_records(self) -> None:
        """Count anew: what was counted were documents, not sentences."""
        self.total = self.empty_end = self.words_seen = self.long_sentences = self.long_words = 0
        self.examples.pop("long_sentences", None)

    def warn_of_long_sentences(self) -> None:
        """Warn by name of sentences that are too long to be one, if they hold much of the text.

        A few are in many corpora (tables, lists); :meth:`summary` tells of those.
        """
        if self.long_words > _MUCH * self.words_seen:
            places = ", ".join(self.examples["long_sentences"])
            self.warn(
                f"{self.origin}: {self.long_sentences:,} of {_count(self.total, 'sentence')} with "
                f"more than {LONG_SENTENCE} words: {places}; if these are documents, the borders "
                "of their sentences"
                + (" (blank lines) are missing" if self.layout else " are missing")
            )

    def summary(self) -> str:
        """Return in one line what was understood of the source, and what was repaired."""
        said = [f"{self.format} ({self.layout})" if self.layout else self.format]
        if self.scheme:
            given = "" if self.scheme_detected else " as set"
            said[0] += f", scheme {self.scheme}{given}" + f", {self.notation}" * bool(self.notation)
        if self.offsets:
            said[0] += f", positions in {self.offsets}"
        first = "the first " if self.sampled else ""
        sentences = f"{first}{_count(self.sentences, 'sentence')}"
        if self.total > self.sentences + self.empty_sentences:
            sentences = f"{self.sentences:,} of {first}{self.total:,} sentences"
        said.append(f"{sentences}, {_count(self.tokens, 'word')}")
        if self.long_sentences:
            place = self.examples["long_sentences"][0].removeprefix(f"{self.origin}:")
            long = f"{self.long_sentences:,} of more than {LONG_SENTENCE}"
            said[-1] += f", {long} (the first: line {place})"
        if self.labelled:
            said.append(self._types())
        if repaired := self.repairs():
            said.append("repaired: " + ", ".join(repaired))
        return printable(f"{self.origin}: {'; '.join(said)}", keep="")

    def repairs(self, *, empty_kept: bool = False) -> list[str]:
        """Return what was repaired and left out, in words.

        Args:
            empty_kept: Whether empty sentences were handed over all the same.
        """
        found = [_counted(_TAGS.get(k, f"{{n}} {k}"), n) for k, n in self.repaired_tags.items()]
        at = {k: places[0].removeprefix(f"{self.origin}:") for k, places in self.examples.items()}
        for kind, phrase in REPAIRS.items():
            if n := self.repaired[kind]:
                found.append(_counted(phrase, n).replace("{first}", f"line {at.get(kind)}"))
        if self.empty_sentences and not empty_kept:
            found.append(f"{self.empty_sentences:,} empty sentences left out")
        found += [f"{n:,} {kind} left out" for kind, n in sorted(self.left_out.items()) if n]
        return [printable(text, keep="") for text in found]

    def _types(self) -> str:
        common = sorted(self.spans.items(), key=lambda item: (-item[1], item[0]))
        types = ", ".join(f"{name} {n:,}" for name, n in common[:_SHOWN_TYPES])
        left = len(common) - _SHOWN_TYPES
        return (types or "no entities") + (f" and {left} more types" if left > 0 else "")

    def to_notes(self) -> dict[str, Any]:
        """Return the report as JSON values for a manifest, without the counters that are zero."""
        always = {"origin", "format", "total", "sentences", "tokens", "spans"}
        notes: dict[str, Any] = {}
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, Counter):
                value = dict(sorted(value.items()))
            if name not in ("labelled", "words_seen", "empty_end") and (value or name in always):
                notes[name] = value
        return notes


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" + ("s" if n != 1 else "")


def _counted(phrase: str, n: int) -> str:
    return phrase.replace("{n}", f"{n:,}")
