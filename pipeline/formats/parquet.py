"""Parquet files: those of HF data sets, those that this package writes, and ``labelled`` tables."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.disk import written_whole
from pipeline.errors import DataError, first_line
from pipeline.formats.columns import (
    BESIDE,
    IDS,
    OFFSETS,
    SPANS,
    TAGS,
    TEXT,
    TYPES,
    WORDS,
    RecordReader,
)
from pipeline.formats.files import require_file
from pipeline.formats.format import RECORDS, Format, Sample
from pipeline.formats.packed import is_packed, open_bytes
from pipeline.formats.report import RawSentence, ReadReport
from pipeline.formats.schemes import tags_from_spans
from pipeline.listed import each, listed
from pipeline.schema import Sentence

_BATCH = 1000
_COLUMNS = frozenset((*WORDS, *TAGS, *TEXT, *SPANS, *IDS, OFFSETS, *BESIDE))


class Parquet(Format):
    """Parquet files."""

    about: ClassVar[str] = "Parquet: the columns of HF data sets, with their ClassLabel names"
    suffixes: ClassVar[frozenset[str]] = frozenset({".parquet"})
    options: ClassVar[frozenset[str]] = RECORDS

    @classmethod
    def sniff(cls, sample: Sample) -> bool:
        """Whether it is a Parquet file by name or content."""
        return sample.suffix in cls.suffixes or sample.head.startswith(b"PAR1")

    def read(self, report: ReadReport) -> Iterator[RawSentence]:
        """Yield one sentence per row.

        Integer tags take their names from the ``ClassLabel`` features that HF data sets keep in the
        schema, or from ``label_names``.

        Raises:
            DataError: If it is not a Parquet file or its columns do not fit.
        """
        file = self.request.file
        require_file(file)
        try:
            source = pq.ParquetFile(_unpacked(file))
        except (pa.ArrowException, OSError, ValueError) as error:  # names of no UTF-8
            raise DataError(f"{file}: not a Parquet file: {error}") from None
        with source:
            schema = source.schema_arrow
            wanted = _COLUMNS | set(self.request.fields)
            columns = [n for n in schema.names if n in wanted]
            unread = [n for n in schema.names if n not in wanted]
            names = class_labels(schema)
            reader = RecordReader(self.request, report, names=names, unread=unread)
            batches = source.iter_batches(batch_size=_BATCH, columns=columns)
            for row, record in enumerate(checked_records(batches, str(file)), 1):
                yield reader(record, row)


def _unpacked(path: Path) -> Path | io.BytesIO:
    if not is_packed(path):
        return path
    with open_bytes(path) as file:
        return io.BytesIO(file.read())


def checked_records(
    batches: Iterator[pa.RecordBatch] | Iterator[pa.Table], where: str
) -> Iterator[dict[str, Any]]:
    """Yield the records of Arrow batches, each batch validated before it is read.

    Arrow believes the offsets in a file; a wrong one would take the process with it.

    Raises:
        DataError: If a batch is damaged; with the number of the last row before it.
    """
    row = 0
    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            batch.validate(full=True)
            records = batch.to_pylist()
        except (pa.ArrowException, OSError, ValueError, IndexError) as error:
            raise DataError(f"{where}: damaged after row {row}: {first_line(error)}") from error
        row += len(records)
        yield from records


def class_labels(schema: pa.Schema) -> dict[str, list[str]]:
    """Return the names of integer labels by column, from HF's metadata in an Arrow schema."""
    raw = (schema.metadata or {}).get(b"huggingface")
    if raw is None:
        return {}
    try:
        features = json.loads(raw)["info"]["features"]
        return {k: names for k, v in features.items() if (names := _names(v))}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}  # written by another tool for another purpose: the labels have no names here


def _names(feature: Any) -> list[str] | None:
    if isinstance(feature, list):  # the older way to write a sequence
        return _names(feature[0]) if feature else None
    if not isinstance(feature, Mapping):
        return None
    if feature.get("_type") == "ClassLabel":
        return [str(name) for name in feature["names"]]
    if "feature" in feature:
        return _names(feature["feature"])
    # Of spans, the names are those of their types.
    return next((names for k in TYPES if (names := _names(feature.get(k)))), None)


def write_parquet(
    sentences: Iterable[Sentence], path: str | Path, *, types: Sequence[str] | None = None
) -> int:
    """Write sentences as a Parquet file with HF features.

    ``datasets.load_dataset("parquet", data_files=path)`` opens it with ``tokens`` as a sequence of
    strings and ``ner_tags`` as a sequence of ``ClassLabel`` (``O``, ``B-…``, ``I-…``), beside
    ``id`` and ``lang``.

    Args:
        sentences: The sentences.
        path: The file to write.
        types: The entity types in the order of their labels. Without them the sentences are held in
            memory to gather them, and sorted.

    Returns:
        The number of sentences written.

    Raises:
        DataError: If a span's type is not among ``types``.
    """
    if types is None:
        sentences = listed(sentences, "write_parquet: the sentences")
        types = sorted({span.type for s in sentences for span in s.spans})
    names = ["O", *(f"{prefix}-{t}" for t in types for prefix in "BI")]
    index = {n: i for i, n in enumerate(names)}
    features = {
        "id": _value("string"),
        "lang": _value("string"),
        "tokens": {"feature": _value("string"), "_type": "Sequence"},
        "ner_tags": {"feature": {"names": names, "_type": "ClassLabel"}, "_type": "Sequence"},
    }
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("lang", pa.string()),
            ("tokens", pa.list_(pa.string())),
            ("ner_tags", pa.list_(pa.int64())),
        ],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    count = 0
    rest = iter(each(sentences, "write_parquet: the sentences"))
    with written_whole(path) as new, pq.ParquetWriter(str(new), schema) as writer:
        for first in rest:
            rows = [_row(s, index) for s in chain([first], islice(rest, _BATCH - 1))]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count


def _value(kind: str) -> dict[str, str]:
    return {"dtype": kind, "_type": "Value"}


def _row(sentence: Sentence, index: Mapping[str, int]) -> dict[str, Any]:
    tags = tags_from_spans(sentence.spans, len(sentence.words))
    unknown = next((t for t in tags if t not in index), None)
    if unknown is not None:
        raise DataError(
            f"sentence {sentence.id!r}: type {unknown[2:]!r} is not one of the types to write "
            f"({', '.join(n[2:] for n in index if n.startswith('B-'))})"
        )
    return {
        "id": sentence.id,
        "lang": sentence.lang,
        "tokens": sentence.words,
        "ner_tags": [index[t] for t in tags],
    }
