"""The single entry for reading corpora: any format in, clean sentences out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pipeline.config import DataSource
from pipeline.errors import ConfigError, DataError
from pipeline.formats import conll
from pipeline.formats.encoding import EncodingEvidence, repair, repair_text
from pipeline.formats.format import (
    ABOUT_LABELS,
    CHOSEN,
    POSITIONED,
    TAGGED,
    Format,
    Request,
)
from pipeline.formats.kinds import FORMATS, detect_format
from pipeline.formats.layout import DOCSTART
from pipeline.formats.notation import OUTSIDE, STANDARD, Notation, TagError
from pipeline.formats.report import CharSpan, RawSentence, ReadReport
from pipeline.formats.resolving import RecordEvidence, count_splits, place
from pipeline.formats.schemes import SchemeEvidence, TagDecoder
from pipeline.formats.splits import doubtful_split, has_splits, local_files
from pipeline.formats.words import (
    SpanError,
    SubwordEvidence,
    Tokenizer,
    drop_invisible,
    whitespace_offsets,
    words_from_text,
)
from pipeline.languages import canonical
from pipeline.schema import Sentence, Span, overlapping


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


class Scratch(ReadReport):
    """Takes what is found again after a first pass, which has told all of it."""

    __slots__ = ()

    def warn(self, message: str) -> None:
        """Say nothing twice."""


@dataclass(slots=True)
class _Maker:
    """Makes the sentences of one source."""

    report: ReadReport
    lang: str
    where: str
    id_prefix: str
    limit: int | None
    repair: bool
    keep_empty: bool
    tokenizer: Tokenizer
    decoder: TagDecoder | None = None
    prefix: str | None = None
    has_ids: bool = False

    def __call__(self, raws: Iterable[RawSentence]) -> Iterator[Sentence]:
        """Yield the sentences of resolved records."""
        report = self.report
        seen: set[str] = set()
        number = -1
        for raw in raws:
            if raw.docstart:
                if number + 1 != self.limit:
                    yield Sentence(DOCSTART, self.lang, [], [], report.origin, raw.line)
                continue
            number += 1
            if number == self.limit:
                return
            words, spans = self._words_and_spans(raw)
            count = len(words)
            words, spans, lost = drop_invisible(words, spans)
            if len(words) != count:
                report.count("invisible_words", count - len(words), place(raw, report.origin))
                report.count("lost_spans", lost)
            name = raw.id if raw.id is not None else f"{self.id_prefix}-{number}"
            if self.has_ids:
                if name in seen:
                    raise DataError(
                        f"{place(raw, self.where)}: the id {name!r} is there twice; "
                        "ids must be unique within a source"
                    )
                seen.add(name)
            if not words:
                report.empty_sentences += 1
                if not self.keep_empty:
                    continue
            report.sentences += 1
            report.tokens += len(words)
            report.spans.update(s.type for s in spans)
            origin = report.origin if raw.file is None else f"{report.origin} ({raw.file.name})"
            yield Sentence(name, self.lang, words, spans, origin, raw.line)

    def _words_and_spans(self, raw: RawSentence) -> tuple[list[str], list[Span]]:
        if raw.words is None:
            return self._from_text(raw)
        words = raw.words
        if self.prefix:
            words = [w[len(self.prefix) :] for w in words]
        if self.repair:
            words = [w if w.isascii() else self._repaired(w) for w in words]
        if raw.tags is not None:
            return words, self._decode(raw)
        spans = raw.spans or []
        bad = next((s for s in spans if not 0 <= s.start < s.end <= len(words)), None)
        if bad is not None:
            raise DataError(
                f"{place(raw, self.where)}: entity [{bad.start}, {bad.end}) {bad.type} does not "
                f"fit a sentence of {len(words)} words"
            )
        if overlapping(spans):
            raise DataError(f"{place(raw, self.where)}: two entities overlap; keep one of them")
        return words, spans

    def _decode(self, raw: RawSentence) -> list[Span]:
        report, tags, decoder = self.report, raw.tags or [], self.decoder
        if decoder is None:  # no tags were seen when the scheme was detected
            return []
        lines = raw.lines or [raw.line or 0] * len(tags)
        try:
            spans, repairs = decoder(tags)
        except TagError as error:
            raise DataError(f"{place(raw, self.where, lines[error.index])}: {error}") from None
        for found in repairs:
            report.repaired_tags[found.kind] += 1
            report.example(found.kind, place(raw, report.origin, lines[found.index]))
        return spans

    def _repaired(self, word: str) -> str:
        better = repair(word)
        self.report.count("unrepaired_words" if better is None else "repaired_words")
        return word if better is None else better

    def _from_text(self, raw: RawSentence) -> tuple[list[str], list[Span]]:
        report, sentence = self.report, raw.text or ""
        spans = raw.char_spans or []
        if self.repair and not sentence.isascii():
            better = repair_text(sentence)
            report.count("repaired_words", better.repaired)
            report.count("unrepaired_words", better.unrepaired)
            sentence, at = better.text, better.positions
            # What does not fit the text is left as it is, to be refused below.
            spans = [
                CharSpan(at[s.start], at[s.end], s.type) if 0 <= s.start <= s.end < len(at) else s
                for s in spans
            ]
        try:
            words, word_spans, split = words_from_text(sentence, spans, self.tokenizer)
        except SpanError as error:
            raise DataError(f"{place(raw, self.where)}: {error}") from None
        count_splits(report, place(raw, report.origin), sentence, spans, split)
        return words, word_spans


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
    docstarts: bool = False,
    keep_documents: bool = False,
    tokenizer: Tokenizer = whitespace_offsets,
    sample: int | None = None,
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
        docstarts: With ``keep_empty``: whether to yield ``-DOCSTART-`` lines, too, as sentences
            without words whose id is :data:`DOCSTART`. ``report.total`` counts them then; numbers
            in ids and the limit do not.
        keep_documents: Whether records of several sentences are kept as one, as if the source said
            so; ``keep_empty`` implies it.
        tokenizer: Cuts text into words, where the source has text instead of words.
        sample: Look at no more than this many sentences, to see what a source is like.

    Returns:
        An iterator with the attribute ``report``.

    Raises:
        DataError: Here or while iterating, if the source cannot be read; with file and line.
    """
    opened, report = open_source(
        source, lang, path=path, origin=origin, labelled=labelled, docstarts=docstarts
    )
    scheme_evidence, encoding_evidence = SchemeEvidence(), EncodingEvidence()
    prefix_evidence, subword_evidence = conll.PrefixEvidence(), SubwordEvidence()
    may_split = "documents" in opened.options and not (keep_documents or keep_empty)
    record_evidence = RecordEvidence(source, lang, may_split=may_split)
    any_tags = any_spans = False
    own_ids = starts = 0
    raws = opened.read(report)
    for raw in islice(raws, sample):
        report.total += 1
        if raw.docstart:
            starts += 1
            continue
        report.look_at_length(raw)
        record_evidence.feed(raw)
        if raw.tags is not None:
            scheme_evidence.feed(raw.tags)
        if raw.words is not None:
            encoding_evidence.feed(raw.words)
            prefix_evidence.feed(raw.words)
            subword_evidence.feed(raw.words)
        elif raw.text is not None:
            words = raw.text.split(" ")
            encoding_evidence.feed(words)
            subword_evidence.feed(words)
        own_ids += raw.id is not None
        any_tags = any_tags or raw.tags is not None
        any_spans = any_spans or bool(raw.char_spans or raw.spans)
    records = report.total - starts
    report.sampled = sample is not None and next(raws, None) is not None
    if any_tags != any_spans and not report.sampled:
        refuse_unused(source, "tags" if any_tags else "spans", opened.where)
    scratch = Scratch(report.origin, report.format)
    resolver = record_evidence.decide(opened.where, report)
    if resolver.split:  # then records are not what is counted
        report.forget_records()
        for raw in resolver(islice(opened.read(scratch), sample), scratch):
            report.total += 1
            report.look_at_length(raw)
    report.warn_of_long_sentences()
    maker = _Maker(
        report,
        lang,
        where=opened.where,
        id_prefix=id_prefix,
        limit=source.limit,
        repair=repair_encoding and encoding_evidence.double_encoded,
        keep_empty=keep_empty,
        tokenizer=tokenizer,
        has_ids=own_ids > 0,
    )
    report.own_ids = own_ids == records > 0
    if any_tags:
        maker.decoder = choose_decoder(scheme_evidence, source, opened.where, report)
    if opened.may_have_prefix and prefix_evidence.prefix:
        maker.prefix = prefix_evidence.prefix
        report.layout = f"{report.layout}, prefix {maker.prefix!r}"
        _check_prefix(maker.prefix, lang, report)
    report.double_encoded = encoding_evidence.double_encoded
    if report.double_encoded and not repair_encoding:
        report.warn(
            f"{report.origin}: the text looks encoded in UTF-8 twice "
            f"({encoding_evidence.decodable} of {encoding_evidence.non_ascii} words with "
            "non-ASCII characters); set repair_encoding: true to repair it"
        )
    if subword_evidence.many:
        report.warn(
            f"{report.origin}: {subword_evidence.count:,} words are subwords of a tokenizer (the "
            f"first: {subword_evidence.first!r}), of which models would make subwords again; join "
            "them to words, each with the tag of its first"
        )
    if windows := encoding_evidence.windows(report.encoding):
        report.warn(
            f"{report.origin}: {encoding_evidence.controls} words have control characters, read as "
            f"{report.encoding}: quotation marks, dashes or letters, if it is {windows}; then set "
            f"encoding: {windows}"
        )
    again = resolver(islice(opened.read(scratch), sample), report)
    return SentenceStream(maker(again), report)


def other_numbers(paths: tuple[Path, Path], forms: Sequence[str], sizes: tuple[int, int]) -> str:
    """Return that two files do not have the same number of sentences.

    Args:
        paths: Both sides.
        forms: The formats that they were read as.
        sizes: Their numbers of sentences.
    """
    (left, a), (right, b) = (
        (f"{path} (read as {form})", form) for path, form in zip(paths, forms, strict=True)
    )
    more = sizes[1] > sizes[0]
    words = ""
    several = 0 < 2 * sizes[not more] <= sizes[more]
    if several and a != b and (a, b)[more] == "text":  # a word a line, taken for a sentence each?
        words = f"; if {paths[more]} has a word per line, give its name the suffix .conll"
    return (
        f"{left} has {sizes[0]} sentences but {right} has {sizes[1]}; "
        f"they must be the same sentences, line by line{words}"
    )


def choose_decoder(
    evidence: SchemeEvidence, source: DataSource, where: str, report: ReadReport
) -> TagDecoder:
    """Choose how the tags of a source are to be read, from all of them.

    Args:
        evidence: Has seen the tags.
        source: What the user states of them.
        where: What errors name.
        report: Is told what was chosen.

    Raises:
        DataError: If they are in no scheme, or in another than is stated.
    """
    values = evidence.values()
    fit = evidence.fit()
    report.scheme_detected = source.scheme == "auto"
    if fit is None and values and source.scheme == "auto":
        shown = ", ".join(f"{v!r} ({n})" for v, n in values.most_common(5))
        options = FORMATS[report.format].options
        if "label_names" in options and all(
            v.isdecimal() for v in values
        ):  # in a list that is written as a string
            raise DataError(
                f"{where}: the tags are numbers: {shown}; set label_names of this data source to "
                "the names of 0, 1 and so on"
            )
        raise DataError(
            f"{where}: the values where tags are expected are in no scheme of tags: {shown}; if "
            "they are entity types, one of them for none, set scheme: io; if the tags are "
            "elsewhere, set tag_column"
        )
    notation = fit.notation if fit else STANDARD
    if fit is None and source.scheme == "io":
        sign = max(OUTSIDE, key=lambda v: values[v])
        notation = Notation("plain", sign if values[sign] else "O")
    if fit and not fit.strength and notation.outside not in ("O", "o"):
        report.warn(
            f"{report.origin}: no entities: every tag is {notation.outside!r}, which is read as "
            "none; if the tags are in another column, set tag_column"
        )
    scheme = evidence.scheme(notation) if source.scheme == "auto" else source.scheme
    report.scheme, report.notation = scheme, str(notation) or None
    if not report.sampled and evidence.all_named(notation):
        _refuse(source, {"entity_type"}, "does nothing, as all tags name a type:", where)
    return TagDecoder(scheme, notation, source.entity_type)


def _check_prefix(prefix: str, lang: str, report: ReadReport) -> None:
    code = prefix[:-1]
    if len(code) <= 3 and code != lang:
        try:
            same = canonical(code) == canonical(lang)
        except ConfigError:
            same = False
        if not same:
            report.warn(
                f"{report.origin}: every word has the prefix {prefix!r}, but the language is "
                f"{lang!r}; check the path"
            )


class _Several:
    """Files of one source, one after the other."""

    def __init__(self, parts: Sequence[Format], where: str) -> None:
        self.parts = parts
        self.where = where
        self.options = parts[0].options
        self.may_have_prefix = all(p.may_have_prefix for p in parts)

    def read(self, report: ReadReport) -> Iterator[RawSentence]:
        """Yield the sentences, each with its file."""
        for part in self.parts:
            for raw in part.read(report):
                raw.file = part.request.path
                yield raw


def open_source(
    source: DataSource,
    lang: str,
    *,
    path: Path | None,
    origin: str | None = None,
    labelled: bool = False,
    docstarts: bool = False,
) -> tuple[Format | _Several, ReadReport]:
    """Find the files of a source and their format, to read their sentences as they are.

    Those have text where it has text, and tags where it has tags. See :func:`read_labelled`.

    Returns:
        What reads them, any number of times, and the report to be told of it; a later time, a
        :class:`Scratch` one.

    Raises:
        DataError: If the source cannot be read; with file and line.
    """
    if path is None:
        _refuse_idle(source, "hub", f"hub:{source.hub}", labelled)
        report = ReadReport(origin or "", "hub", labelled=labelled)
        opened: Format | _Several = FORMATS["hub"](Request(None, source, lang, labelled), report)
        report.origin = origin or opened.where
        return opened, report
    files = local_files(path, source.split, source.format)
    name = source.format
    if name == "auto":
        name = _common_format(path, files, source.encoding, labelled)
    kind = FORMATS[name]
    _refuse_idle(source, name, str(path), labelled, splits=files != [path] or has_splits(path))
    report = ReadReport(origin or str(path), name, labelled=labelled)
    if doubt := doubtful_split(path, files, source.split):
        report.warn(f"{report.origin}: {doubt}")
    parts = [kind(Request(f, source, lang, labelled, docstarts), report) for f in files]
    return _Several(parts, str(path)) if len(parts) > 1 else parts[0], report


def _refuse_idle(
    source: DataSource, name: str, where: str, labelled: bool, *, splits: bool = True
) -> None:
    """Refuse options that do nothing for a format, or where no labels are read.

    Args:
        source: The options.
        name: The format.
        where: What errors name.
        labelled: Whether labels are read.
        splits: Whether there is anything that ``split`` chooses from.

    Raises:
        DataError: If there is such an option.
    """
    if not labelled:
        _refuse(source, ABOUT_LABELS, "is about labels, and none are read here:", where)
    # A path may stand for a data set of the hub, and the other way round.
    either = source.hub is not None and source.path is not None
    if either and name == "hub" and source.format == "auto":  # what the path holds is not known
        return
    kinds = {name, "hub", source.format} - {"auto"} if either else {name}
    read = frozenset[str]().union(*(FORMATS[kind].options for kind in kinds))
    if not splits and not either:
        _refuse(source, {"split"}, "does nothing for a path that is one data set:", where)
    idle = f"does nothing for {name}, as which this is read: set another format, or"
    _refuse(source, CHOSEN - read, idle, where)


def refuse_unused(source: DataSource, found: str, where: str) -> None:
    """Refuse options about tags where all entities are spans, and the other way round."""
    idle = POSITIONED if found == "tags" else TAGGED
    if source.documents == "keep":  # which is what becomes of records with tags
        idle -= {"documents"}
    _refuse(source, idle, f"does nothing, as the entities of this are {found}:", where)


def _refuse(source: DataSource, keys: Iterable[str], why: str, where: str) -> None:
    for key in sorted(keys):
        if getattr(source, key) != DataSource.model_fields[key].default:
            raise DataError(f"{where}: {key} {why} remove {key}")


def _common_format(path: Path, files: Sequence[Path], encoding: str, labelled: bool) -> str:
    found = {f: detect_format(f, labelled=labelled, encoding=encoding) for f in files}
    odd = next((f for f in files if found[f] != found[files[0]]), None)
    if odd is not None:
        raise DataError(
            f"{path}: {files[0].name} is {found[files[0]]}, but {odd.name} is {found[odd]}; name "
            "files of one format, or set format"
        )
    return found[files[0]]
