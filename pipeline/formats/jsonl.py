"""JSON Lines: one object per sentence; see :mod:`pipeline.formats.columns` for the fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from pipeline.errors import DataError
from pipeline.formats.columns import TEXT, WORDS, RecordReader
from pipeline.formats.format import ENCODED, JSON_SUFFIXES, RECORDS, Format, Sample
from pipeline.formats.json_text import read_records, write_json_lines
from pipeline.formats.report import RawSentence, ReadReport
from pipeline.formats.schemes import tags_from_spans
from pipeline.listed import each
from pipeline.schema import Sentence


class JsonLines(Format):
    """JSON Lines, or an array: an object per sentence or document."""

    about: ClassVar[str] = "JSON (lines or an array): words with tags or spans, or text with spans"
    options: ClassVar[frozenset[str]] = RECORDS | ENCODED
    suffixes: ClassVar[frozenset[str]] = JSON_SUFFIXES

    @classmethod
    def sniff(cls, sample: Sample) -> bool:
        """Whether its name or its first line is that of JSON."""
        return sample.suffix in cls.suffixes or isinstance(sample.record, dict)

    def read(self, report: ReadReport) -> Iterator[RawSentence]:
        """Yield one sentence per record; blank lines are skipped.

        Raises:
            DataError: If one is not a JSON object or its fields do not fit, with file and line.
        """
        path, source = self.request.file, self.request.source
        reader = RecordReader(self.request, report)
        for number, value in read_records(path, source.encoding):
            for record in _rows(value):
                if not isinstance(record, dict):
                    raise DataError(
                        f"{path}:{number}: a JSON object was expected, not a "
                        f"{type(record).__name__}"
                    )
                yield reader(record, number)


def _rows(value: Any) -> Iterator[Any]:
    """Yield the records of a value: itself, a list of word-tag pairs, or a table by columns."""
    if isinstance(value, list) and value and all(map(_is_pair, value)):
        yield {"tokens": [word for word, _ in value], "ner_tags": [tag for _, tag in value]}
        return
    if isinstance(value, dict) and any(isinstance(value.get(k), dict) for k in (*WORDS, *TEXT)):
        # The columns of pandas: {"tokens": {"0": ["Anna"]}, "ner_tags": {"0": ["B-PER"]}}.
        rows = next(value[k] for k in (*WORDS, *TEXT) if isinstance(value.get(k), dict))
        tables = {k: v for k, v in value.items() if isinstance(v, dict)}
        for row in rows:
            yield {k: v[row] for k, v in tables.items() if row in v}
        return
    words = next((value[k] for k in WORDS if k in value), None) if isinstance(value, dict) else None
    columns = {k: v for k, v in value.items() if isinstance(v, list)} if words else {}
    if words and isinstance(words, list) and all(isinstance(w, list) for w in words):
        columns = {k: v for k, v in columns.items() if len(v) == len(words)}
        for row in zip(*columns.values(), strict=True):
            yield dict(zip(columns, row, strict=True))
        return
    yield value


def _is_pair(item: Any) -> bool:
    return isinstance(item, list) and [type(part) for part in item] == [str, str]


def write_jsonl(sentences: Iterable[Sentence], path: str | Path) -> int:
    """Write sentences as JSONL with ``id``, ``lang``, ``tokens`` and IOB2 ``ner_tags``.

    Returns:
        The number of sentences written.
    """
    return write_json_lines(
        path,
        (
            {
                "id": s.id,
                "lang": s.lang,
                "tokens": s.words,
                "ner_tags": tags_from_spans(s.spans, len(s.words)),
            }
            for s in each(sentences, "write_jsonl: the sentences")
        ),
    )
