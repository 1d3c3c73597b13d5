"""Votes of several sources whose labels were projected on to the same target sentences.

Every source proposes spans with a score, the probability that it is right; the score of a proposal
is the mean over the sources, 0 for those that do not make it. Where proposals overlap the better
one stays. docs/projection.md has what it gives where there is gold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.errors import DataError
from pipeline.schema import table
from pipeline.stage import Part
from stages.project.assign import drop_overlaps
from stages.project.config import FilterConfig
from stages.project.decide import OTHER, best_translations, row_reason, span_reason

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class VoteWorker:
    """Joins the projected rows of several sources, sentence by sentence.

    Attributes:
        filters: What decides; filters that need links do not apply, as each source has its own.
    """

    filters: FilterConfig

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        """Return one row per sentence, that of the first source with the spans of the vote.

        Raises:
            DataError: If the sources were not projected on to the same sentences.
        """
        filters = self.filters.without_links()
        sources = [data.to_pylist() for data in inputs.values()]
        rows = [
            vote(together, filters, f"part {part.index}") for together in zip(*sources, strict=True)
        ]
        if filters.best_translation:
            rows = best_translations(rows)
        part.advance(len(rows))
        return table("projected", rows)


def vote(rows: Sequence[Row], filters: FilterConfig, where: str = "votes") -> Row:
    """Return the row of one sentence, made of its rows for each source.

    Args:
        rows: The ``projected`` rows, those of the first source first.
        filters: What decides, links apart.
        where: For messages.

    Raises:
        DataError: If they are not of the same sentence.
    """
    # A sentence that is empty in one source has no words there.
    base, first = next(((n, r) for n, r in enumerate(rows) if r["words"]), (0, rows[0]))
    for other in rows:
        if other["id"] != first["id"] or (other["words"] and other["words"] != first["words"]):
            raise DataError(
                f"{where}: the {other['source_lang']} sentence {other['id']!r} was projected on to "
                f"other words than the {first['source_lang']} one, {first['id']!r}; sources vote "
                "where data.parallel has one translation for all of them, line by line"
            )
    proposals: dict[tuple[int, int, str], list[tuple[int, Row]]] = {}
    for number, row in enumerate(rows):
        for span in row["spans"]:
            key = (span["start"], span["end"], span["type"])
            proposals.setdefault(key, []).append((number, span))
    scores = [sum(_score(s) for _, s in made) / len(rows) for made in proposals.values()]
    keys = list(proposals)
    starts, ends = (np.array([key[i] for key in keys], np.int64) for i in (0, 1))
    chosen = drop_overlaps(starts, ends, np.array(scores)) if keys else []
    spans = [_decided(rows, base, proposals[keys[k]], scores[k], filters) for k in sorted(chosen)]
    spans.sort(key=lambda span: (span["start"], span["end"]))
    found = {span["source"] for span in spans}
    lost = [item for item in first["lost"] if item["source"] not in found]
    row = {**first, "spans": spans, "lost": lost}
    reason = OTHER if first["reason"] == OTHER else row_reason(row, filters)
    return {**row, "kept": reason is None, "reason": reason}


def _score(span: Mapping[str, Any]) -> float:
    return 1.0 if span["score"] is None else float(span["score"])


def _decided(
    rows: Sequence[Row],
    base: int,
    made: Sequence[tuple[int, Row]],
    score: float,
    filters: FilterConfig,
) -> Row:
    """Return a proposal with its voted score, judged beside the source that was surest of it."""
    number, span = max(made, key=lambda item: (_score(item[1]), -item[0]))
    row = rows[number]
    voted = {**span, "score": score}
    index = span["source"]
    reason = None
    if index is not None:
        reason = span_reason(row, voted, row["source_spans"][index], filters)
    # The row is that of one source: only its entities can be pointed to.
    own = next((s["source"] for n, s in made if n == base), None)
    return {**voted, "source": own, "kept": reason is None, "reason": reason}
