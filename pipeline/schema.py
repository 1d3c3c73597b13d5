"""Record types: one per kind of data, as dataclasses and as Arrow schemas.

One row is one sentence. ``id`` is stable from the source corpus to the final report: a translation
of sentence ``x`` has id ``x`` (its n-best hypotheses of rank 1, 2, … are ``x#1``, ``x#2``), and so
have its alignment and its projection. ``lang`` is always the language of ``words``.

Spans are half-open word ranges ``[start, end)``. A row that could not be processed is kept with
empty ``words``/``links`` and a ``reason`` that the stage declares, so that nothing is
lost between stages and every drop is counted in the manifest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from ctypes import c_float
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Span:
    """An entity: words ``[start, end)`` of a sentence, its type, and a score in [0, 1] if any."""

    start: int
    end: int
    type: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """An alignment link between source word ``source`` and target word ``target`` (both from 0)."""

    source: int
    target: int
    prob: float


@dataclass(slots=True)
class Sentence:
    """A labelled (or, with no spans, unlabelled) sentence: a row of the ``labelled`` dataset.

    Attributes:
        id: Stable, unique within its dataset.
        lang: ISO 639-1 code where there is one, else ISO 639-3.
        words: The words; never empty strings.
        spans: Entities, sorted by start, not overlapping.
        origin: The file (or maker) that the sentence came from.
        line: 1-based line of its first word in that file, if known.
    """

    id: str
    lang: str
    words: list[str]
    spans: list[Span] = field(default_factory=list)
    origin: str | None = None
    line: int | None = None

    def to_row(self) -> dict[str, Any]:
        """Return the row that :data:`LABELLED` describes."""
        return {
            "id": self.id,
            "lang": self.lang,
            "words": self.words,
            "spans": [span_row(s) for s in self.spans],
            "origin": self.origin,
            "line": self.line,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Sentence:
        """Build a sentence from a row with at least ``id``, ``lang``, ``words`` and ``spans``."""
        return cls(
            id=row["id"],
            lang=row["lang"],
            words=list(row["words"]),
            spans=[Span(s["start"], s["end"], s["type"], s.get("score")) for s in row["spans"]],
            origin=row.get("origin"),
            line=row.get("line"),
        )


def span_row(span: Span) -> dict[str, Any]:
    """Return ``span`` as the struct that :data:`SPAN` describes."""
    return {"start": span.start, "end": span.end, "type": span.type, "score": span.score}


def spans_of(row: Mapping[str, Any], column: str = "spans") -> list[Span]:
    """Return the spans in ``row[column]``."""
    return [Span(s["start"], s["end"], s["type"], s.get("score")) for s in row[column]]


def kept_spans(row: Mapping[str, Any]) -> list[Span]:
    """Return the spans of a ``projected`` row that were not dropped."""
    return spans_of({"spans": [s for s in row["spans"] if s["kept"]]})


SPAN: Final = pa.struct(
    [("start", pa.int32()), ("end", pa.int32()), ("type", pa.string()), ("score", pa.float32())]
)
LINK: Final = pa.struct([("source", pa.int32()), ("target", pa.int32()), ("prob", pa.float32())])
SCORE: Final = pa.struct([("name", pa.string()), ("value", pa.float32())])
WORDS: Final = pa.list_(pa.string())

PROJECTED_SPAN: Final = pa.struct(
    [
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("type", pa.string()),
        ("score", pa.float32()),  # confidence in [0, 1]
        ("method", pa.string()),  # the projector that made it
        ("source", pa.int32()),  # index into source_spans
        ("kept", pa.bool_()),
        ("reason", pa.string()),  # why it was dropped; null when kept
    ]
)
LOST_SPAN: Final = pa.struct([("source", pa.int32()), ("reason", pa.string())])

LABELLED: Final = pa.schema(
    [
        ("id", pa.string()),
        ("lang", pa.string()),
        ("words", WORDS),
        ("spans", pa.list_(SPAN)),
        ("origin", pa.string()),
        ("line", pa.int32()),
    ]
)
TRANSLATIONS: Final = pa.schema(
    [
        ("id", pa.string()),
        ("lang", pa.string()),
        ("source_id", pa.string()),
        ("source_lang", pa.string()),
        ("source_words", WORDS),
        ("source_spans", pa.list_(SPAN)),
        ("text", pa.string()),  # the hypothesis as the model wrote it (markers removed)
        ("words", WORDS),  # the hypothesis, pre-tokenised
        ("score", pa.float32()),  # mean log-probability per target subword; null when given
        ("rank", pa.int16()),  # 0 is the best hypothesis
        ("marked", pa.string()),  # the hypothesis with markers, where they were used
        ("reason", pa.string()),
    ]
)
ALIGNMENTS: Final = pa.schema(
    [
        ("id", pa.string()),
        ("lang", pa.string()),
        ("source_lang", pa.string()),
        ("links", pa.list_(LINK)),  # sorted by (source, target)
        ("aligner", pa.string()),
        ("reason", pa.string()),
    ]
)
PROJECTED: Final = pa.schema(
    [
        ("id", pa.string()),
        ("lang", pa.string()),
        ("source_id", pa.string()),
        ("source_lang", pa.string()),
        ("source_words", WORDS),
        ("source_spans", pa.list_(SPAN)),
        ("words", WORDS),
        ("spans", pa.list_(PROJECTED_SPAN)),  # kept and dropped ones
        ("lost", pa.list_(LOST_SPAN)),  # source spans for which there is no target span at all
        ("scores", pa.list_(SCORE)),  # of the pair, see stages.project.pairs
        ("kept", pa.bool_()),  # whether the sentence is used for training
        ("reason", pa.string()),
    ]
)
SYNTHETIC: Final = pa.schema(
    [
        ("id", pa.string()),
        ("lang", pa.string()),
        ("words", WORDS),
        ("spans", pa.list_(SPAN)),  # what the maker knows of the entities; may be empty
        ("maker", pa.string()),
        ("source_id", pa.string()),
        ("scores", pa.list_(SCORE)),
        ("kept", pa.bool_()),
        ("reason", pa.string()),
    ]
)
PREDICTIONS: Final = pa.schema(
    [
        ("id", pa.string()),
        ("lang", pa.string()),
        ("words", WORDS),
        ("spans", pa.list_(SPAN)),
        # words x labels; the label names are in the schema metadata, see labels_of()
        ("probs", pa.list_(pa.list_(pa.float32()))),
    ]
)

SCHEMAS: Final[Mapping[str, pa.Schema]] = {
    "labelled": LABELLED,
    "translations": TRANSLATIONS,
    "alignments": ALIGNMENTS,
    "projected": PROJECTED,
    "synthetic": SYNTHETIC,
    "predictions": PREDICTIONS,
}


@lru_cache(1024)  # thresholds and round values are asked for again and again
def as_stored(score: float) -> float:
    """Return a score as its column holds it: in single precision.

    Scores and thresholds are compared so, that deciding anew on what is stored gives the same.
    """
    return c_float(score).value


def labels_of(schema: pa.Schema) -> list[str]:
    """Return the label names of a predictions table, in the order of the ``probs`` columns.

    Raises:
        KeyError: If the schema carries none.
    """
    return (schema.metadata or {})[b"xlner.labels"].decode().split("\t")


def with_labels(schema: pa.Schema, labels: Sequence[str]) -> pa.Schema:
    """Return ``schema`` with the label names attached (see :func:`labels_of`)."""
    return schema.with_metadata({"xlner.labels": "\t".join(labels)})


def table(
    kind: str,
    rows: Iterable[Mapping[str, Any]],
    labels: Sequence[str] = (),
) -> pa.Table:
    """Build a table of one of the :data:`SCHEMAS`, with every column in place.

    Args:
        kind: Which.
        rows: Its rows.
        labels: See :func:`with_labels`.

    Raises:
        pyarrow.ArrowInvalid: If a value does not fit its column.
        KeyError: If a row lacks a column or holds one that the schema does not know.
    """
    schema = SCHEMAS[kind]
    if labels:
        schema = with_labels(schema, labels)
    names = schema.names
    listed = list(rows)
    for row in listed:
        if row.keys() != set(names):
            odd = sorted(row.keys() ^ set(names))
            raise KeyError(f"row {row.get('id')!r} of a {kind} table: columns {odd} do not match")
    columns = [pa.array([r[f.name] for r in listed], f.type) for f in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def lists(lengths: Any, kind: pa.StructType, columns: Sequence[Any]) -> pa.ListArray:
    """Build a column of lists of structs.

    Args:
        lengths: How many items each row has.
        kind: What they are.
        columns: The values of each field, those of all rows end to end.
    """
    import numpy as np

    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    made = [pa.array(values, f.type) for values, f in zip(columns, kind, strict=True)]
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(made, fields=[*kind]))


def count_drops(data: pa.Table) -> dict[str, dict[str, int]]:
    """Count the reasons in a table: ``{"rows": {reason: n}, "spans": {…}, "lost": {…}}``.

    Only what is not null is counted; keys without a count are left out.
    """
    counts: dict[str, Counter[str]] = {}
    if "reason" in data.column_names:
        counts["rows"] = Counter(r for r in data.column("reason").to_pylist() if r)
    for column, key in (("spans", "spans"), ("lost", "lost")):
        if column not in data.column_names:
            continue
        items = data.column(column).combine_chunks().flatten()
        if isinstance(items, pa.StructArray) and items.type.get_field_index("reason") >= 0:
            counts[key] = Counter(r for r in items.field("reason").to_pylist() if r)
    return {k: dict(sorted(c.items())) for k, c in counts.items() if c}


def overlapping(spans: Iterable[Span]) -> tuple[Span, Span] | None:
    """Return the first two spans that share a word, or ``None``."""
    ordered = sorted(spans, key=lambda s: (s.start, s.end))
    for first, second in pairwise(ordered):
        if second.start < first.end:
            return first, second
    return None
