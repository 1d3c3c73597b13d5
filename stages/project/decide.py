"""Decides which projected spans and sentences are used, from what is stored.

Scoring and deciding are apart: rows keep every span with its score, ``decide_row`` marks what is
kept and why the rest is not. Thresholds can be moved and rows decided anew without projecting: the
runner does so where only ``filters`` has changed.
Where several filters object, the first in the order of the code is the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError
from pipeline.listed import each
from pipeline.schema import PROJECTED, as_stored, lists, table
from pipeline.stage import Part
from stages.project.config import FilterConfig, PairFilters

OTHER = "other_system"
"""The reason of a row that was not projected: no decision changes that."""
UNTRANSLATED = "untranslated"
"""The reason of a row without words."""
BETTER = "better_translation"
"""The reason of a row where labels project better on to another translation of the sentence."""

Row = dict[str, Any]
Links = Sequence[Mapping[str, Any]]
_UNDECIDED: Final = {"kept": None, "reason": None}


def decide_rows(
    rows: Iterable[Row],
    filters: FilterConfig,
    alignments: pa.Table | None = None,
    *,
    min_link: float = 0.5,
) -> pa.Table:
    """Return a ``projected`` table of rows, decided or not: see :func:`decide_table`."""
    rows = each(rows, "decide_rows: the rows")
    made = table("projected", [{"scores": [], **_UNDECIDED, **row} for row in rows])
    return decide_table(made, filters, alignments, min_link=min_link)


def decide_table(
    data: pa.Table,
    filters: FilterConfig,
    alignments: pa.Table | None = None,
    *,
    min_link: float = 0.5,
    back: bool = False,
) -> pa.Table:
    """Return a ``projected`` table with ``kept`` and ``reason`` decided anew.

    Args:
        data: The rows, decided or not.
        filters: The thresholds.
        alignments: The alignments, row by row; COMP-SRC and COMP-TGT, for two, need their links.
        min_link: Links weaker than this do not count for them.
        back: Whether the links lead from the side that was projected on to the labelled one.

    Raises:
        DataError: If links are needed and missing.
        ValueError: If there are more rows of one kind than of the other.
    """
    column = cache(lambda name: data.column(name).to_pylist())
    links: Sequence[Links | None] = [None] * data.num_rows
    if alignments is not None and filters.needs_links:
        links = alignments.column("links").to_pylist()
        if back:
            links = [[turned(x) for x in found or ()] for found in links]
    of_spans: list[str | None] = []
    reasons: list[str | None] = []
    settled, names = _settled_rows(data, filters.pairs), data.column_names
    for index, (reason, found) in enumerate(zip(settled, links, strict=True)):
        row = _RowOfTable(column, names, index)
        of_row = _span_reasons(row, filters)
        of_spans += of_row
        reasons.append(reason or _sentence_reason(row, of_row, filters, found, min_link))
    decided = {
        "spans": _with_reasons(data.column("spans").combine_chunks(), of_spans),
        "kept": pa.array([reason is None for reason in reasons], pa.bool_()),
        "reason": pa.array(reasons, pa.string()),
    }
    # Parquet names the values of its lists otherwise, which would be written.
    made = pa.table([decided.get(n, data.column(n)) for n in PROJECTED.names], PROJECTED)
    if filters.best_translation:
        return table("projected", best_translations(made.to_pylist()))
    return made


@dataclass(frozen=True, slots=True)
class _RowOfTable(Mapping[str, Any]):
    """A row whose values come from columns as lists, which are made when they are asked for."""

    column: Callable[[str], list[Any]]
    names: Sequence[str]
    index: int

    def __getitem__(self, name: str) -> Any:
        return self.column(name)[self.index]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def _with_reasons(spans: pa.ListArray, reasons: Sequence[str | None]) -> pa.ListArray:
    """Return spans that are kept where they have no reason not to be."""
    flat, kind = spans.flatten(), spans.type.value_type
    new = {"kept": [reason is None for reason in reasons], "reason": reasons}
    columns = [new.get(f.name, flat.field(f.name)) for f in kind]
    return lists(pc.fill_null(spans.value_lengths(), 0), kind, columns)


def best_translations(rows: Sequence[Row]) -> list[Row]:
    """Return decided rows of which one translation of each sentence is kept at most.

    That is the one with the greatest sum of scores of kept spans, the first of equals.

    Args:
        rows: Those of one sentence stand together, as ``translate`` writes them.
    """
    out: list[Row] = []
    for _, group in groupby(rows, key=lambda row: row["source_id"]):
        same = list(group)
        kept = [row for row in same if row["kept"]]
        best = max(kept, key=_sum_of_scores, default=None)
        out += [
            {**row, "kept": False, "reason": BETTER} if row["kept"] and row is not best else row
            for row in same
        ]
    return out


def _sum_of_scores(row: Row) -> float:
    kept = (s["score"] for s in row["spans"] if s["kept"])
    return sum(1.0 if score is None else as_stored(score) for score in kept)


def turned(link: Mapping[str, Any]) -> dict[str, Any]:
    """Return a link that leads the other way."""
    return {"source": link["target"], "target": link["source"], "prob": link["prob"]}


@dataclass(frozen=True, slots=True)
class DecideWorker:
    """Decides stored rows anew.

    Attributes:
        filters: The thresholds.
        min_link: See :func:`decide_table`.
        finish: Applied to the decided rows and the alignments, if there is something to add.
    """

    filters: FilterConfig
    min_link: float = 0.5
    finish: Callable[[pa.Table, pa.Table], pa.Table] | None = None

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        """Return the rows of ``inputs["stored"]`` with ``kept`` and ``reason`` set."""
        stored, alignments = inputs["stored"], inputs["alignments"]
        decided = decide_table(stored, self.filters, alignments, min_link=self.min_link)
        part.advance(decided.num_rows)
        return decided if self.finish is None else self.finish(decided, alignments)


def decide_row(
    row: Row, filters: FilterConfig, links: Links | None = None, *, min_link: float = 0.5
) -> Row:
    """Return the row with ``kept`` and ``reason`` set on every span and on the sentence."""
    row = {"scores": [], **row}
    reasons = _span_reasons(row, filters)
    reason = settled(row, filters.pairs) or _sentence_reason(row, reasons, filters, links, min_link)
    return {**row, "spans": _decided(row, reasons), "kept": reason is None, "reason": reason}


def _decided(row: Mapping[str, Any], reasons: Sequence[str | None]) -> list[Row]:
    return [
        {**span, "kept": reason is None, "reason": reason}
        for span, reason in zip(row["spans"], reasons, strict=True)
    ]


def _span_reasons(row: Mapping[str, Any], filters: FilterConfig) -> list[str | None]:
    source = row["source_spans"]
    return [span_reason(row, span, source[span["source"]], filters) for span in row["spans"]]


def span_reason(
    row: Mapping[str, Any],
    span: Mapping[str, Any],
    source: Mapping[str, Any],
    filters: FilterConfig,
) -> str | None:
    """Return why a span is not used, or ``None``."""
    for kind in filters.of_spans:
        if kind.objects(row, span, source):
            return kind.reason
    return None


def row_reason(row: Row, filters: FilterConfig) -> str | None:
    """Return why a sentence whose spans are decided is not used, or ``None``.

    Raises:
        DataError: If a filter needs links.
    """
    reasons = [span["reason"] for span in row["spans"]]
    return settled(row, filters.pairs) or _sentence_reason(row, reasons, filters, None, 0.0)


def settled(row: Mapping[str, Any], filters: PairFilters | None) -> str | None:
    """Return why a sentence is not used, whatever its spans, or ``None``."""
    if row.get("reason") == OTHER:
        return OTHER
    return pair_reason(row["scores"], filters) if row["words"] else UNTRANSLATED


def _settled_rows(data: pa.Table, filters: PairFilters | None) -> list[str | None]:
    """Return what :func:`settled` does for each row; equal scores are looked at once."""
    found: list[str | None] = [None] * data.num_rows
    scores = data.column("scores").combine_chunks()
    rows, flat = pc.list_parent_indices(scores), scores.flatten()
    # The first of several filters that object is the reason.
    for name, kind in reversed(filters.kinds.items() if filters else ()):
        mine = pc.equal(flat.field("name"), name)
        values = flat.field("value").filter(mine).dictionary_encode()
        objects = [kind.objects(value) for value in values.dictionary.to_pylist()]
        if any(objects):
            bad = pa.array(objects).take(values.indices)
            for row in rows.filter(mine).filter(bad).to_pylist():
                found[row] = kind.reason
    empty = pc.equal(pc.fill_null(pc.list_value_length(data.column("words")), 0), 0)
    for reason, where in (UNTRANSLATED, empty), (OTHER, pc.equal(data.column("reason"), OTHER)):
        for row in pc.indices_nonzero(pc.fill_null(where, False)).to_pylist():
            found[row] = reason
    return found


def _sentence_reason(
    row: Mapping[str, Any],
    reasons: Sequence[str | None],
    filters: FilterConfig,
    links: Links | None,
    min_link: float,
) -> str | None:
    """Return which filter of sentences objects, given the reasons of its spans, or ``None``."""
    if not filters.of_sentences:
        return None
    strong: Links = []
    if filters.needs_links:
        if links is None:
            asking = [k.reason for k in filters.of_sentences if k.needs_links]
            raise DataError(
                f"row {row['id']!r}: {', '.join(asking)} need the alignment links of each row"
            )
        strong = [x for x in links if x["prob"] >= min_link]
    decided = {**row, "spans": _decided(row, reasons)}
    for kind in filters.of_sentences:
        if kind.objects(decided, strong):
            return kind.reason
    return None


def pair_reason(scores: Iterable[Mapping[str, Any]], filters: PairFilters | None) -> str | None:
    """Return why a translation is not to be trained on, from its scores, or ``None``.

    Args:
        scores: As they are stored: ``name`` and ``value``; one that is not there decides nothing.
        filters: The thresholds; ``None``: any translation is used.
    """
    found = {s["name"]: as_stored(s["value"]) for s in scores}
    for name, kind in filters.kinds.items() if filters else ():
        if name in found and kind.objects(found[name]):
            reason: str = kind.reason
            return reason
    return None
