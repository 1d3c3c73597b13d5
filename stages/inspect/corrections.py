"""Out to an annotation tool and back: export for correction, import with the changes counted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from pipeline.config import DataSource
from pipeline.errors import DataError, one_of
from pipeline.formats import (
    ReadReport,
    detect_format,
    write_conll,
    write_jsonl,
    write_parquet,
)
from pipeline.formats.brat import write_brat
from pipeline.formats.doccano import write_doccano
from pipeline.formats.label_studio import (
    CANCELLED,
    REGIONS,
    UNLABELLED,
    write_label_studio,
)
from pipeline.formats.notation import TagError
from pipeline.formats.offsets import Reading, resolve
from pipeline.formats.reading import Scratch, choose_decoder, open_source, refuse_unused
from pipeline.formats.report import RELATIONS, CharSpan, RawSentence
from pipeline.formats.resolving import RecordEvidence, Resolver, longest
from pipeline.formats.schemes import SchemeEvidence, TagDecoder
from pipeline.formats.spacy_docbin import write_docbin
from pipeline.formats.words import SpanError, composed, joined
from pipeline.schema import Sentence, Span
from stages.inspect.run_dataset import write_dataset
from stages.inspect.view import View

Item = tuple[Sentence, str | None]

_WITH_SOURCE: Final[Mapping[str, Callable[[Iterable[Item], Path], int]]] = {
    "label-studio": write_label_studio,
    "doccano": write_doccano,
    "brat": write_brat,
}
_PLAIN: Final[Mapping[str, Callable[[Iterable[Sentence], Path], int]]] = {
    "conll": write_conll,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
    "hf": write_dataset,
    "spacy": write_docbin,
}
FORMATS: Final = (*_WITH_SOURCE, *_PLAIN)
"""What can be written."""
READABLE: Final = FORMATS[:5]
"""What can be read back."""
FOLDERS: Final = ("brat", "hf")
"""What is a folder."""


def as_items(views: Iterable[View], run: str) -> Iterator[Item]:
    """Yield sentences with their kept spans, each with its source sentence."""
    for view in views:
        spans = sorted(view.kept_spans(), key=lambda s: s.start)
        source = " ".join(view.source_words) or None
        yield Sentence(view.id, view.lang, view.words, spans, f"xlner run {run}"), source


def export(items: Iterable[Item], format_: str, path: Path) -> int:
    """Write sentences for another tool.

    Args:
        items: Sentences with their source sentences.
        format_: One of :data:`FORMATS`.
        path: A file; a folder for ``brat`` and ``hf``.

    Returns:
        The number of sentences written.

    Raises:
        ConfigError: If the format is unknown.
    """
    one_of("--export", format_, FORMATS)
    path.parent.mkdir(parents=True, exist_ok=True)
    if format_ in _WITH_SOURCE:
        return _WITH_SOURCE[format_](items, path)
    return _PLAIN[format_]((sentence for sentence, _ in items), path)


@dataclass(slots=True)
class Changes:
    """What an import changed, in sentences and entities.

    Attributes:
        sentences: Read.
        changed: Of them, with other entities than before.
        added: Entities that are new.
        removed: Entities that are gone.
        retyped: Entities with another type on the same words.
        moved: Entities of the same type with other boundaries.
        snapped: Entities whose borders fell within a word and were moved to its edges.
        overlapping: Entities left out because they share words with a longer one.
        not_reviewed: Sentences that nobody had looked at (Label Studio).
        skipped: Sentences that the annotator had cancelled, or that were not reviewed and hold no
            labels from before either; left out (Label Studio).
        missing: Sentences of the run that the file does not have; those skipped aside.
        other_regions: Regions that are no entities (choices, relations); left out.
        other_text: Regions whose own text is another than at their positions, which count.
        examples: The first few changes, in words.
    """

    sentences: int = 0
    changed: int = 0
    added: int = 0
    removed: int = 0
    retyped: int = 0
    moved: int = 0
    snapped: int = 0
    overlapping: int = 0
    not_reviewed: int = 0
    skipped: int = 0
    missing: int = 0
    other_regions: int = 0
    other_text: int = 0
    examples: list[str] = field(default_factory=list)


def read_corrected(path: Path, how: DataSource, changes: Changes) -> Iterator[RawSentence]:
    """Yield the sentences of a corrected file, each with its id and words.

    Raises:
        ConfigError: If the format is not one that can be read.
        DataError: If the file does not fit it.
    """
    name = how.format if how.format != "auto" else detect_format(path, encoding=how.encoding)
    one_of(f"--import {path}: format", name, READABLE)
    # As they are, since read_labelled leaves out words that have nothing to see.
    source = how.model_copy(update={"format": name})
    opened, report = open_source(source, "und", path=path, labelled=True)
    tags, records = SchemeEvidence(), RecordEvidence(source, "und", may_split=False)
    stated = {source.offsets, source.span_end} != {"auto"}
    any_tags = any_spans = False
    for raw in opened.read(report):
        any_tags = any_tags or raw.tags is not None
        any_spans = any_spans or bool(raw.char_spans or raw.spans)
        if raw.tags is not None:
            tags.feed(raw.tags)
        elif stated or (raw.words and name == "jsonl"):
            records.feed(raw)
    if any_tags != any_spans:
        refuse_unused(source, "tags" if any_tags else "spans", str(path))
    resolver = records.decide(str(path), report)
    decode = choose_decoder(tags, source, str(path), report)
    changes.not_reviewed = report.unreviewed
    changes.overlapping += report.repaired["overlapping_spans"]
    changes.other_regions = report.left_out[REGIONS] + report.left_out[RELATIONS]
    changes.skipped = report.left_out[CANCELLED] + report.left_out[UNLABELLED]
    for raw in opened.read(Scratch(str(path), name)):
        if raw.tags is not None:
            raw.spans = _decoded(raw, decode, path)
        if raw.char_spans is None:
            yield raw
        elif stated or raw.unit or (raw.words and name == "jsonl"):
            yield _placed(raw, resolver, path, changes)
        else:
            yield _in_code_points(raw, changes)


def _decoded(raw: RawSentence, decode: TagDecoder, path: Path) -> list[Span]:
    try:
        return decode(raw.tags or ())[0]
    except TagError as error:
        line = raw.lines[error.index] if raw.lines else raw.line
        raise DataError(f"{path}:{line}: {error}") from None


def _placed(raw: RawSentence, resolver: Resolver, path: Path, changes: Changes) -> RawSentence:
    """Return a sentence with words, or a unit of its own, with spans in words or code points."""
    report = ReadReport("", "")
    try:
        found = resolve(raw, resolver.reading, report, stated=resolver.stated)
    except SpanError as error:
        raise DataError(f"{path}:{error.line or raw.line}: {error}") from None
    changes.other_text += report.repaired["other_surfaces"]
    return found


def _in_code_points(raw: RawSentence, changes: Changes) -> RawSentence:
    """Return a sentence whose spans count in code points.

    Label Studio counted in UTF-16 units once: a region whose own text is at such a position is of
    that time. What has another text everywhere is where it says.
    """
    spans: list[CharSpan] = []
    for span in raw.char_spans or ():
        one = replace(raw, words=None, char_spans=[span])
        for reading, stated in _TRIED:
            report = ReadReport("", "")
            with contextlib.suppress(SpanError):
                spans += resolve(one, reading, report, stated=stated).char_spans or ()
                changes.other_text += report.repaired["other_surfaces"]
                break
    return replace(raw, char_spans=spans)


_EXAMPLES: Final = 20
_TRIED: Final = (
    (Reading("characters"), False),
    (Reading("utf-16"), False),
    (Reading("characters"), True),
)


def import_corrected(
    path: Path,
    known: dict[str, Sentence],
    changes: Changes,
    how: DataSource | None = None,
) -> Iterator[Sentence]:
    """Yield corrected sentences with the ids, words and languages of the run.

    Args:
        path: The corrected file.
        known: The run's sentences by id.
        changes: Is told what changed.
        how: How it is read; its format is one of :data:`READABLE`, detected if not given.

    Raises:
        DataError: If a sentence has no id, comes twice, or has other words than in the run.
    """
    seen: set[str] = set()
    for number, raw in enumerate(read_corrected(path, how or DataSource(), changes), 1):
        where = f"{path}: sentence {number}" + (f" ({raw.id})" if raw.id else "")
        if raw.id is None:
            raise DataError(f"{where} has no id; keep the fields that the export wrote")
        if raw.id in seen:
            raise DataError(f"{where} is there twice; merge the annotations first")
        seen.add(raw.id)
        before = known.get(raw.id)
        if before is None:
            raise DataError(f"{where}: this run has no sentence {raw.id!r}; is it the right run?")
        words = before.words
        if raw.words is not None and not _alike(raw.words, words):
            raise DataError(f"{where}: its words are not those of the run; import labels only")
        if raw.text is not None and raw.text != " ".join(words):
            words = raw.text.split(" ")  # positions count its characters
            if not _alike(words, before.words):
                raise DataError(f"{where}: its text is not that of the run; import labels only")
        spans = (
            list(raw.spans)
            if raw.spans is not None
            else word_spans(words, raw.char_spans or [], where, changes)
        )
        distinct = list(dict.fromkeys(spans))
        spans = longest(distinct)
        changes.overlapping += len(distinct) - len(spans)
        compare(before, spans, changes)
        yield Sentence(before.id, before.lang, before.words, spans, str(path), None)
    changes.missing = max(0, len(known) - len(seen) - changes.skipped)


def _alike(words: Sequence[str], others: Sequence[str]) -> bool:
    """Whether words are the same, accents composed or not: some tools change that."""
    return [*map(composed, words)] == [*map(composed, others)]


def word_spans(
    words: list[str], spans: Iterable[CharSpan], where: str, changes: Changes
) -> list[Span]:
    """Return character spans of ``" ".join(words)`` as word spans.

    A border within a word moves to the word's edge, so that the word is inside; that is counted.

    Raises:
        DataError: If a span leaves the text or covers no word.
    """
    whole, ranges = joined(words)
    length = ranges[-1][1] if ranges else 0
    found = []
    for span in spans:
        inside = [i for i, (a, b) in enumerate(ranges) if a < span.end and span.start < b]
        if not 0 <= span.start < span.end <= length or not inside:
            raise DataError(
                f"{where}: entity [{span.start}, {span.end}) {span.type} does not fit a text of "
                f"{length} characters, or covers no word"
            )
        first, last = inside[0], inside[-1]
        # Spaces at the ends are no words, and leaving them out moves nothing.
        text = whole[span.start : span.end]
        start = span.start + len(text) - len(text.lstrip(" "))
        end = span.end - (len(text) - len(text.rstrip(" ")))
        changes.snapped += (start, end) != (ranges[first][0], ranges[last][1])
        found.append(Span(first, last + 1, span.type))
    return found


def compare(before: Sentence, after: list[Span], changes: Changes) -> None:
    """Count how the entities of one sentence changed."""
    changes.sentences += 1
    old = {(s.start, s.end, s.type) for s in before.spans}
    new = {(s.start, s.end, s.type) for s in after}
    if old == new:
        return
    changes.changed += 1
    gone, come = sorted(old - new), sorted(new - old)
    for span in list(gone):
        match = next((n for n in come if n[:2] == span[:2]), None)
        kind = "retyped"
        if match is None:
            kind = "moved"
            match = next(
                (n for n in come if n[2] == span[2] and n[0] < span[1] and span[0] < n[1]), None
            )
        if match is not None:
            gone.remove(span)
            come.remove(match)
            setattr(changes, kind, getattr(changes, kind) + 1)
            _example(changes, before, f"{_named(before, span)} → {_named(before, match)}")
    changes.removed += len(gone)
    changes.added += len(come)
    for span in gone:
        _example(changes, before, f"− {_named(before, span)}")
    for span in come:
        _example(changes, before, f"+ {_named(before, span)}")


def _named(sentence: Sentence, span: tuple[int, int, str]) -> str:
    return f"[{' '.join(sentence.words[span[0] : span[1]])}]{span[2]}"


def _example(changes: Changes, sentence: Sentence, text: str) -> None:
    if len(changes.examples) < _EXAMPLES:
        changes.examples.append(f"{sentence.id}: {text}")
