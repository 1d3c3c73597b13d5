"""From records as a format hands them over to sentences whose spans are known and do not overlap.

Over the whole source it is found out in what positions count, and whether records are documents;
then each record's spans are resolved, and documents are split into sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from pipeline.config import DataSource
from pipeline.errors import DataError
from pipeline.formats.offsets import OffsetEvidence, Reading, resolve
from pipeline.formats.report import LONG_SENTENCE, CharSpan, RawSentence, ReadReport
from pipeline.formats.sentences import split_document, split_text, split_words
from pipeline.formats.words import SpanError, cuts, locate_words, words_from_text
from pipeline.schema import Span

S = TypeVar("S", CharSpan, Span)


def place(raw: RawSentence, where: str, line: int | None = None) -> str:
    """Return file and line of a sentence; ``where`` is the file, unless the source is several."""
    file = where if raw.file is None else str(raw.file)
    return f"{file}:{raw.line if line is None else line}"


class RecordEvidence:
    """Gathers, over the records of a source, how its spans count and whether it has documents.

    Args:
        source: What the user states of it.
        lang: Language of the text.
        may_split: Whether records may be split.
    """

    def __init__(self, source: DataSource, lang: str, *, may_split: bool) -> None:
        self._source, self._lang = source, lang
        self._look = may_split and source.documents == "auto"
        self._split = may_split and source.documents == "split"
        self._offsets = OffsetEvidence(
            None if source.offsets == "auto" else source.offsets,
            None if source.span_end == "auto" else source.span_end == "inclusive",
        )
        self._types: set[str] = set()
        self._records = self._several = 0
        self._document = False

    def feed(self, raw: RawSentence) -> None:
        """Look at one record."""
        self._offsets.feed(raw)
        self._types.update(span.type for span in raw.char_spans or raw.spans or ())
        if not self._look or not _may_be_document(raw):
            return
        if raw.text is not None:
            count = len(split_text(raw.text, self._lang))
            long = len(raw.text.split()) > LONG_SENTENCE or "\n" in raw.text.strip()
        else:
            count, long = len(split_words(raw.words or (), self._lang)), True
        self._records += 1
        self._several += count > 1
        self._document = self._document or (count > 1 and long)

    def decide(self, where: str, report: ReadReport) -> Resolver:
        """Return what resolves the records.

        Raises:
            DataError: If the spans fit in several ways, or are words with tags.
        """
        self._refuse_tags(where)
        reading, note = self._offsets.decide(where)
        if self._offsets.spans:
            report.offsets = str(reading)
        elif self._offsets.stated:
            report.offsets = f"{Reading(self._offsets.stated)}, as the file says"
        if note:
            report.warn(f"{report.origin}: {note}")
        split = self._split or self._document or 0 < self._records <= 2 * self._several
        stated = self._source.offsets != "auto"
        return Resolver(where, self._lang, reading, stated, split)

    def _refuse_tags(self, where: str) -> None:
        """Refuse types with prefixes, which would be types of their own, a span per word."""
        begun, inside = (
            {name[2:] for name in self._types if name.startswith(prefix)} for prefix in ("B-", "I-")
        )
        if both := sorted(begun & inside):
            raise DataError(
                f"{where}: entities have the types B-{both[0]} and I-{both[0]}, which are tags of "
                f"words; make one span of each entity, with the type {both[0]} (the pipeline of "
                "transformers does with aggregation_strategy='simple')"
            )


@dataclass(frozen=True, slots=True)
class Resolver:
    """Resolves the spans of records, and splits documents.

    Attributes:
        where: What errors name.
        lang: Language of the text.
        reading: How the spans count.
        stated: Whether the user states that.
        split: Whether records are split into sentences.
    """

    where: str
    lang: str
    reading: Reading
    stated: bool
    split: bool

    def __call__(self, raws: Iterable[RawSentence], report: ReadReport) -> Iterator[RawSentence]:
        """Yield sentences with word spans, or with text and spans of its characters.

        Raises:
            DataError: If a span does not fit, with file and line.
        """
        for raw in raws:
            try:
                found = resolve(raw, self.reading, report, stated=self.stated)
                if found.words is not None and found.char_spans is not None:
                    found = _in_words(found, report)
            except SpanError as error:
                raise DataError(f"{place(raw, self.where, error.line)}: {error}") from None
            if raw.keep_longest:
                self._keep_longest(found, report)
            if not self.split or not _may_be_document(raw):
                yield found
                continue
            parts, crossing = split_document(found, self.lang)
            report.count("documents", int(len(parts) > 1))
            report.count("crossing_spans", crossing)
            yield from parts

    def _keep_longest(self, raw: RawSentence, report: ReadReport) -> None:
        where = place(raw, report.origin)
        if raw.char_spans is not None:
            raw.char_spans = _counted_longest(raw.char_spans, report, where)
        if raw.spans is not None:
            raw.spans = _counted_longest(raw.spans, report, where)


def _may_be_document(raw: RawSentence) -> bool:
    # Who gives the words of a record means a sentence, unless it is too long for one.
    if raw.tags is not None:
        return False
    return raw.words is None or raw.may_be_document or len(raw.words) > LONG_SENTENCE


def longest(spans: Sequence[S]) -> list[S]:
    """Return the spans without those that overlap a longer one, or one of equal length before it.

    Two spans of one place with one type are one.
    """
    kept: list[S] = []
    for span in sorted(spans, key=lambda s: (s.start - s.end, s.start)):
        if not any(span.start < k.end and k.start < span.end for k in kept):
            kept.append(span)
    return sorted(kept, key=lambda s: s.start)


def _counted_longest(spans: Sequence[S], report: ReadReport, where: str) -> list[S]:
    kept = longest(spans)
    distinct = len({(s.start, s.end, s.type) for s in spans})
    report.count("repeated_spans", len(spans) - distinct, where)
    report.count("overlapping_spans", distinct - len(kept), where)
    return kept


def count_splits(
    report: ReadReport, where: str, text: str, spans: Sequence[CharSpan], split: int
) -> None:
    """Count words split at borders of entities, and apart from these the borders between letters.

    A mark that belongs to no entity leaves its word there; a letter hardly ever does.
    """
    report.count("split_words", split, where)
    report.count("cut_spans", sum(cuts(text, s.start) or cuts(text, s.end) for s in spans), where)


def _in_words(raw: RawSentence, report: ReadReport) -> RawSentence:
    """Turn the character spans of a sentence that has words, too, into spans of its words."""
    text, words = raw.text or "", raw.words or []
    located = locate_words(text, words)
    if located is None:
        raise SpanError(
            "the words of the record are not those of its text, in which the spans count; remove "
            "the words or correct them"
        )
    spans = list(raw.char_spans or ())
    if raw.keep_longest:
        spans = _counted_longest(spans, report, place(raw, report.origin))
    cut, found, split = words_from_text(text, spans, lambda _: located)
    count_splits(report, place(raw, report.origin), text, spans, split)
    return replace(raw, words=cut, spans=found, text=None, char_spans=None)
