"""The single entry for reading corpora: any format in, clean sentences out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

from pipeline.config import DataSource
from pipeline.errors import DataError
from pipeline.formats import conll, hub, jsonl, parquet, text
from pipeline.formats.encoding import EncodingEvidence, repair, repair_text
from pipeline.formats.files import read_lines, require_file
from pipeline.formats.report import CharSpan, RawSentence, ReadReport
from pipeline.formats.schemes import SchemeEvidence, TagDecoder, TagError
from pipeline.formats.words import (
    SpanBorderError,
    Tokenizer,
    drop_invisible,
    whitespace_offsets,
    words_from_text,
)
from pipeline.schema import Sentence, Span, overlapping

Format = Literal["conll", "jsonl", "parquet", "hub", "text"]

_JSON_SUFFIXES = frozenset({".jsonl", ".ndjson", ".json"})
_CONLL_SUFFIXES = frozenset({".conll", ".conll02", ".conll03", ".conllu", ".iob", ".iob2", ".bio"})


def detect_format(path: Path, *, labelled: bool = True, encoding: str = "utf-8") -> Format:
    """Tell the format of a local file or folder by its name and its first line.

    A text file without labels to read is ``conll`` if nearly all of its rows end in a tag.

    Raises:
        DataError: If it is missing, or a folder of nothing that can be read.
    """
    if path.is_dir():
        if hub.is_saved_dataset(path):
            return "hub"
        if any(path.glob("*.parquet")):
            return "parquet"
    require_file(path)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return "parquet"
    with path.open("rb") as file:
        if file.read(4) == b"PAR1":
            return "parquet"
    if suffix in _JSON_SUFFIXES or _first_line_is_json(path, encoding):
        return "jsonl"
    if labelled or suffix in _CONLL_SUFFIXES:
        return "conll"
    return "conll" if _looks_like_conll(path, encoding) else "text"


def _first_line_is_json(path: Path, encoding: str) -> bool:
    line = next((li for _, li in islice(read_lines(path, encoding), 20) if li.strip()), "")
    if not line.startswith("{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _looks_like_conll(path: Path, encoding: str) -> bool:
    from pipeline.formats.schemes import looks_like_tag

    rows = [li for _, li in islice(read_lines(path, encoding), 2000) if li.strip() and li[0] != "#"]
    parts = [r.split("\t") if "\t" in r else r.split(" ") for r in rows]
    tagged = sum(any(looks_like_tag(p) for p in columns[1:]) for columns in parts)
    return bool(rows) and tagged >= 0.9 * len(rows)


class SentenceStream(Iterator[Sentence]):
    """The sentences of a source, one by one, and what was found out about it.

    Attributes:
        report: What the source is like; its counts are complete when the stream is exhausted.
    """

    def __init__(self, sentences: Iterator[Sentence], report: ReadReport) -> None:
        self._sentences = sentences
        self.report = report

    def __next__(self) -> Sentence:
        """Return the next sentence."""
        return next(self._sentences)


@dataclass(frozen=True, slots=True)
class _Source:
    """A source whose format is known.

    Attributes:
        report: The report, with what is known before reading.
        where: What to name in errors: the whole path, where the report has a shorter origin.
        start: Starts reading from the beginning, and tells the report what only the format knows.
        may_have_prefix: Whether words may have a ``lang:`` prefix.
    """

    report: ReadReport
    where: str
    start: Callable[[ReadReport | None], Iterator[RawSentence]]
    may_have_prefix: bool = False


@dataclass(slots=True)
class _Settings:
    """How the sentences of one source are to be made."""

    lang: str
    where: str
    id_prefix: str
    limit: int | None
    repair: bool
    keep_empty: bool
    labelled: bool
    tokenizer: Tokenizer
    decoder: TagDecoder | None = None
    prefix: str | None = None
    has_ids: bool = False


def read_labelled(
    source: DataSource,
    lang: str,
    *,
    path: Path | None = None,
    origin: str | None = None,
    id_prefix: str = "s",
    labelled: bool = True,
    repair_encoding: bool = False,
    keep_empty: bool = False,
    tokenizer: Tokenizer = whitespace_offsets,
) -> SentenceStream:
    """Read a corpus in any of the formats, streaming.

    The source is read twice: a first pass over the whole of it finds the tag scheme, a common
    ``lang:`` prefix and the encoding, so that nothing depends on what comes first or on ``limit``;
    it happens before this function returns. A word without any visible character is left out, and
    so is a sentence without words (unless ``keep_empty``); both are counted.

    Args:
        source: Format, columns, scheme, limit and the like; for the hub also the data set.
        lang: Language of the words.
        path: The local file or folder; ``None`` for the data set that ``source.hub`` names.
        origin: What ``Sentence.origin`` says; default: the path or hub id.
        id_prefix: Sentences without an id of their own are called ``<id_prefix>-<n>``, where n
            counts all sentences of the source from 0, empty ones included.
        labelled: Whether to read labels. Without, labels are not even looked at.
        repair_encoding: Whether to decode text that is encoded in UTF-8 twice.
        keep_empty: Whether to yield sentences without words, too.
        tokenizer: Cuts text into words, where the source has text instead of words.

    Returns:
        An iterator with the attribute ``report``.

    Raises:
        DataError: Here or while iterating, if the source cannot be read; with file and line.
    """
    opened = _open(source, path, origin, labelled)
    report = opened.report
    scheme_evidence, encoding_evidence = SchemeEvidence(), EncodingEvidence()
    prefix_evidence = conll.PrefixEvidence()
    any_tags = False
    own_ids = 0
    for raw in opened.start(report):
        report.total += 1
        if raw.tags is not None:
            scheme_evidence.feed(raw.tags)
        if raw.words is not None:
            encoding_evidence.feed(raw.words)
            prefix_evidence.feed(raw.words)
        elif raw.text is not None:
            encoding_evidence.feed(raw.text.split(" "))
        own_ids += raw.id is not None
        any_tags = any_tags or raw.tags is not None
    settings = _Settings(
        lang=lang,
        where=opened.where,
        id_prefix=id_prefix,
        limit=source.limit,
        repair=repair_encoding and encoding_evidence.double_encoded,
        keep_empty=keep_empty,
        labelled=labelled,
        tokenizer=tokenizer,
        has_ids=own_ids > 0,
    )
    report.own_ids = own_ids == report.total > 0
    if any_tags:
        report.scheme_detected = source.scheme == "auto"
        scheme = scheme_evidence.scheme() if source.scheme == "auto" else source.scheme
        report.scheme = scheme
        settings.decoder = TagDecoder(scheme)
    if opened.may_have_prefix and prefix_evidence.prefix:
        settings.prefix = prefix_evidence.prefix
        report.layout = f"{report.layout}, prefix {settings.prefix!r}"
        _check_prefix(settings.prefix, lang, report)
    report.double_encoded = encoding_evidence.double_encoded
    if report.double_encoded and not repair_encoding:
        report.warn(
            f"{report.origin}: the text looks encoded in UTF-8 twice "
            f"({encoding_evidence.decodable} of {encoding_evidence.non_ascii} words with "
            "non-ASCII characters); set repair_encoding: true to repair it"
        )
    return SentenceStream(_sentences(opened.start(None), settings, report), report)


def _check_prefix(prefix: str, lang: str, report: ReadReport) -> None:
    code = prefix[:-1]
    if len(code) <= 3 and code != lang:
        from pipeline.errors import ConfigError
        from pipeline.languages import canonical

        try:
            same = canonical(code) == canonical(lang)
        except ConfigError:
            same = False
        if not same:
            report.warn(
                f"{report.origin}: every word has the prefix {prefix!r}, but the language is "
                f"{lang!r}; check the path"
            )


def _open(source: DataSource, path: Path | None, origin: str | None, labelled: bool) -> _Source:
    """Find the format of a source, and prepare to read it."""
    names = source.label_names
    if path is None:
        return _open_hub(source, origin, labelled)
    kind: Format
    if source.format == "auto":
        kind = detect_format(path, labelled=labelled, encoding=source.encoding)
    else:
        kind = source.format
    where = str(path)
    report = ReadReport(origin or where, kind)
    if kind == "hub":
        data = hub.open_saved(path, source.split)
        read_saved = partial(hub.read_raw, data, where, label_names=names, labelled=labelled)
        return _Source(report, where, lambda _: read_saved())
    if kind == "parquet":
        read_parquet = partial(parquet.read_raw, path, label_names=names, labelled=labelled)
        return _Source(report, where, lambda _: read_parquet())
    report.encoding = source.encoding
    if kind == "text":
        if labelled:
            raise DataError(f"{path}: plain text has no labels; set format to one that has them")
        return _Source(report, where, lambda _: text.read_raw(path, encoding=source.encoding))
    if kind == "jsonl":
        read_jsonl = partial(
            jsonl.read_raw, path, encoding=source.encoding, label_names=names, labelled=labelled
        )
        return _Source(report, where, lambda _: read_jsonl())
    layout = conll.detect_layout(
        path,
        encoding=source.encoding,
        columns=source.columns,
        word_column=source.word_column,
        tag_column=source.tag_column,
        labelled=labelled,
    )
    report.layout = str(layout)
    read_conll = partial(conll.read_raw, path, layout, encoding=source.encoding)
    return _Source(report, where, lambda r: read_conll(report=r), not layout.explicit)


def _open_hub(source: DataSource, origin: str | None, labelled: bool) -> _Source:
    if not source.hub:
        raise DataError("a data source needs a path or a hub data set; it has neither")
    split = source.split or "train"
    config = f"[{source.hub_config}]" if source.hub_config else ""
    where = f"hub:{source.hub}{config}/{split}"
    data = hub.open_hub(source.hub, config=source.hub_config, split=split, revision=source.revision)
    names = source.label_names
    read = partial(hub.read_raw, data, where, label_names=names, labelled=labelled)
    report = ReadReport(origin or where, "hub", commit=hub.commit_of(data))
    return _Source(report, where, lambda _: read())


def _sentences(
    raws: Iterable[RawSentence], settings: _Settings, report: ReadReport
) -> Iterator[Sentence]:
    seen: set[str] = set()
    for number, raw in enumerate(islice(raws, settings.limit)):
        words, spans = _words_and_spans(raw, settings, report)
        count = len(words)
        words, spans, lost = drop_invisible(words, spans)
        if len(words) != count:
            report.invisible_words += count - len(words)
            report.lost_spans += lost
            report.example("invisible_words", f"{report.origin}:{raw.line}")
        name = raw.id if raw.id is not None else f"{settings.id_prefix}-{number}"
        if settings.has_ids:
            if name in seen:
                raise DataError(
                    f"{settings.where}:{raw.line}: the id {name!r} is there twice; "
                    "ids must be unique within a source"
                )
            seen.add(name)
        if not words:
            report.empty_sentences += 1
            if not settings.keep_empty:
                continue
        report.sentences += 1
        report.tokens += len(words)
        report.spans.update(s.type for s in spans)
        yield Sentence(name, settings.lang, words, spans, report.origin, raw.line)


def _words_and_spans(
    raw: RawSentence, settings: _Settings, report: ReadReport
) -> tuple[list[str], list[Span]]:
    if raw.words is None:
        return _from_text(raw, settings, report)
    words = raw.words
    if settings.prefix:
        words = [w[len(settings.prefix) :] for w in words]
    if settings.repair:
        words = [w if w.isascii() else _repaired(w, report) for w in words]
    if raw.tags is not None:
        return words, _decode(raw, settings, report)
    spans = raw.spans or []
    bad = next((s for s in spans if not 0 <= s.start < s.end <= len(words)), None)
    if bad is not None:
        raise DataError(
            f"{settings.where}:{raw.line}: entity [{bad.start}, {bad.end}) {bad.type} does not fit "
            f"a sentence of {len(words)} words"
        )
    if overlapping(spans):
        raise DataError(f"{settings.where}:{raw.line}: two entities overlap; keep one of them")
    return words, spans


def _decode(raw: RawSentence, settings: _Settings, report: ReadReport) -> list[Span]:
    tags, decoder = raw.tags or [], settings.decoder
    if decoder is None:  # no tags were seen when the scheme was detected
        return []
    lines = raw.lines or [raw.line or 0] * len(tags)
    try:
        spans, repairs = decoder(tags)
    except TagError as error:
        raise DataError(f"{settings.where}:{lines[error.index]}: {error}") from None
    for found in repairs:
        report.repaired_tags[found.kind] += 1
        report.example(found.kind, f"{report.origin}:{lines[found.index]}")
    return spans


def _repaired(word: str, report: ReadReport) -> str:
    better = repair(word)
    if better is None:
        report.unrepaired_words += 1
        return word
    report.repaired_words += 1
    return better


def _from_text(
    raw: RawSentence, settings: _Settings, report: ReadReport
) -> tuple[list[str], list[Span]]:
    sentence = raw.text or ""
    spans = raw.char_spans or []
    if settings.repair and not sentence.isascii():
        better = repair_text(sentence)
        report.repaired_words += better.repaired
        report.unrepaired_words += better.unrepaired
        sentence, at = better.text, better.positions
        # What does not fit the text is left as it is, to be refused below.
        spans = [
            CharSpan(at[s.start], at[s.end], s.type) if 0 <= s.start <= s.end < len(at) else s
            for s in spans
        ]
    try:
        words, word_spans, split = words_from_text(sentence, spans, settings.tokenizer)
    except SpanBorderError as error:
        raise DataError(f"{settings.where}:{raw.line}: {error}") from None
    if split:
        report.split_words += split
        report.example("split_words", f"{report.origin}:{raw.line}")
    return words, word_spans
