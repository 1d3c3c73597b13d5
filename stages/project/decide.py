"""Decides which projected spans and sentences are used, from what is stored.

Scoring and deciding are apart: rows keep every span with its score, ``decide_row`` marks what is
kept and why the rest is not. Thresholds can be moved and rows decided anew without projecting: the
runner does so where only ``filters`` has changed.
Where several filters object, the first in the order of the code is the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError
from pipeline.listed import each
from pipeline.schema import as_stored, table
from pipeline.stage import Part
from stages.project.config import FilterConfig, PairFilters

if TYPE_CHECKING:
    import pyarrow as pa

OTHER = "other_system"
"""The reason of a row that was not projected: no decision changes that."""
BETTER = "better_translation"
"""The reason of a row where labels project better on to another translation of the sentence."""

Row = dict[str, Any]
Links = Sequence[Mapping[str, Any]]


def decide_rows(
    rows: Iterable[Row],
    filters: FilterConfig,
    alignments: pa.Table | None = None,
    *,
    min_link: float = 0.5,
    back: bool = False,
) -> pa.Table:
    """Return a ``projected`` table of rows with ``kept`` and ``reason`` decided anew.

    Args:
        rows: Rows of a ``projected`` dataset, decided or not.
        filters: The thresholds.
        alignments: The alignments, row by row; COMP-SRC and COMP-TGT, for two, need their links.
        min_link: Links weaker than this do not count for them.
        back: Whether the links lead from the side that was projected on to the labelled one.

    Raises:
        DataError: If links are needed and missing.
        ValueError: If there are more rows of one kind than of the other.
    """
    rows = each(rows, "decide_rows: the rows")
    return table("projected", decided(rows, filters, alignments, min_link=min_link, back=back))


def decided(
    rows: Iterable[Row],
    filters: FilterConfig,
    alignments: pa.Table | None = None,
    *,
    min_link: float = 0.5,
    back: bool = False,
) -> list[Row]:
    """Return the rows that :func:`decide_rows` makes a table of."""
    if alignments is not None and filters.needs_links:
        links = alignments.column("links").to_pylist()
        if back:
            links = [[turned(x) for x in found] for found in links]
        out = [
            decide_row(row, filters, found, min_link=min_link)
            for row, found in zip(rows, links, strict=True)
        ]
    else:
        out = [decide_row(row, filters, min_link=min_link) for row in rows]
    return best_translations(out) if filters.best_translation else out


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
        min_link: See :func:`decide_rows`.
        finish: Applied to the decided rows and the alignments, if there is something to add.
    """

    filters: FilterConfig
    min_link: float = 0.5
    finish: Callable[[pa.Table, pa.Table], pa.Table] | None = None

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        """Return the rows of ``inputs["stored"]`` with ``kept`` and ``reason`` set."""
        alignments = inputs["alignments"]
        rows = inputs["stored"].to_pylist()
        decided = decide_rows(rows, self.filters, alignments, min_link=self.min_link)
        part.advance(decided.num_rows)
        return decided if self.finish is None else self.finish(decided, alignments)


def decide_row(
    row: Row, filters: FilterConfig, links: Links | None = None, *, min_link: float = 0.5
) -> Row:
    """Return the row with ``kept`` and ``reason`` set on every span and on the sentence."""
    row = {"scores": [], **row}
    source = row["source_spans"]
    spans = []
    for span in row["spans"]:
        reason = span_reason(row, span, source[span["source"]], filters)
        spans.append({**span, "kept": reason is None, "reason": reason})
    decided = {**row, "spans": spans}
    reason = row_reason(decided, filters, links, min_link)
    decided["kept"], decided["reason"] = reason is None, reason
    return decided


def span_reason(
    row: Row, span: Mapping[str, Any], source: Mapping[str, Any], filters: FilterConfig
) -> str | None:
    """Return why a span is not used, or ``None``."""
    for kind in filters.of_spans:
        if kind.objects(row, span, source):
            return kind.reason
    return None


def row_reason(
    row: Row, filters: FilterConfig, links: Links | None = None, min_link: float = 0.5
) -> str | None:
    """Return why a sentence whose spans are decided is not used, or ``None``.

    Raises:
        DataError: If links are needed and missing.
    """
    if row.get("reason") == OTHER:
        return OTHER
    if not row["words"]:
        return "untranslated"
    if filters.pairs is not None and (reason := pair_reason(row["scores"], filters.pairs)):
        return reason
    strong: Links = []
    if filters.needs_links:
        if links is None:
            asking = [k.reason for k in filters.of_sentences if k.needs_links]
            raise DataError(
                f"row {row['id']!r}: {', '.join(asking)} need the alignment links of each row"
            )
        strong = [x for x in links if x["prob"] >= min_link]
    for kind in filters.of_sentences:
        if kind.objects(row, strong):
            return kind.reason
    return None


def pair_reason(scores: Iterable[Mapping[str, Any]], filters: PairFilters) -> str | None:
    """Return why a translation is not to be trained on, from its scores, or ``None``.

    Args:
        scores: As they are stored: ``name`` and ``value``; one that is not there decides nothing.
        filters: The thresholds.
    """
    found = {s["name"]: as_stored(s["value"]) for s in scores}
    for name, kind in filters.kinds.items():
        if name in found and kind.objects(found[name]):
            reason: str = kind.reason
            return reason
    return None
