"""Decides which projected spans and sentences are used, from what is stored.

Scoring and deciding are apart: rows keep every span with its score, ``decide_row`` marks what is
kept and why the rest is not. Thresholds can be moved and rows decided anew without projecting: the
runner does so where only ``filters`` has changed.
Where several filters object, the first in the order of the code is the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError
from pipeline.listed import each
from pipeline.schema import as_stored, table
from pipeline.stage import Part, Worker
from stages.project.config import FilterConfig

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
Links = Sequence[Mapping[str, Any]]


def decide_rows(
    rows: Iterable[Row],
    filters: FilterConfig,
    alignments: pa.Table | None = None,
    *,
    min_link: float = 0.5,
) -> pa.Table:
    """Return a ``projected`` table of rows with ``kept`` and ``reason`` decided anew.

    Args:
        rows: Rows of a ``projected`` dataset, decided or not.
        filters: The thresholds.
        alignments: The alignments, row by row; COMP-SRC and COMP-TGT need their links.
        min_link: Links weaker than this do not count for those two.

    Raises:
        DataError: If links are needed and missing.
        ValueError: If there are more rows of one kind than of the other.
    """
    rows = each(rows, "decide_rows: the rows")
    if alignments is not None and (filters.comp_source or filters.comp_target):
        links = alignments.column("links").to_pylist()
        decided = [
            decide_row(row, filters, found, min_link=min_link)
            for row, found in zip(rows, links, strict=True)
        ]
    else:
        decided = [decide_row(row, filters, min_link=min_link) for row in rows]
    return table("projected", decided)


@dataclass(frozen=True, slots=True)
class DecideFactory:
    """Builds what decides stored rows anew; picklable.

    Attributes:
        filters: The thresholds.
        min_link: See :func:`decide_rows`.
        finish: Applied to the decided rows and the alignments, if there is something to add.
    """

    filters: FilterConfig
    min_link: float = 0.5
    finish: Callable[[pa.Table, pa.Table], pa.Table] | None = None

    def __call__(self) -> Worker:
        """Return the worker."""
        return self._decide

    def _decide(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        alignments = inputs["alignments"]
        rows = inputs["stored"].to_pylist()
        decided = decide_rows(rows, self.filters, alignments, min_link=self.min_link)
        part.advance(decided.num_rows)
        return decided if self.finish is None else self.finish(decided, alignments)


def decide_row(
    row: Row, filters: FilterConfig, links: Links | None = None, *, min_link: float = 0.5
) -> Row:
    """Return the row with ``kept`` and ``reason`` set on every span and on the sentence."""
    source = row["source_spans"]
    spans = []
    for span in row["spans"]:
        reason = _span_reason(row, span, source[span["source"]], filters)
        spans.append({**span, "kept": reason is None, "reason": reason})
    decided = {**row, "spans": spans}
    reason = _row_reason(decided, filters, links, min_link)
    decided["kept"], decided["reason"] = reason is None, reason
    return decided


def _span_reason(
    row: Row, span: Mapping[str, Any], source: Mapping[str, Any], filters: FilterConfig
) -> str | None:
    score = span["score"]
    if score is not None and as_stored(score) < as_stored(filters.min_score):
        return "low_score"
    size = source["end"] - source["start"]
    if filters.restrict_target and size == 1 and span["end"] - span["start"] > 1:
        return "restrict_target"
    if filters.max_length_ratio is not None:
        left = sum(map(len, row["source_words"][source["start"] : source["end"]]))
        right = sum(map(len, row["words"][span["start"] : span["end"]]))
        if max(left, right) > filters.max_length_ratio * max(1, min(left, right)):
            return "length_ratio"
    return None


def _row_reason(
    row: Row, filters: FilterConfig, links: Links | None, min_link: float
) -> str | None:
    if not row["words"]:
        return "untranslated"
    if filters.comp_source or filters.comp_target:
        if links is None:
            raise DataError(
                f"row {row['id']!r}: COMP-SRC and COMP-TGT need the alignment links of each row"
            )
        strong = [x for x in links if x["prob"] >= min_link]
        if filters.comp_source and _source_word_unaligned(row, strong):
            return "comp_source"
        if filters.comp_target and _has_hole(row, strong):
            return "comp_target"
    kept = [s for s in row["spans"] if s["kept"]]
    if filters.comp_instances and Counter(s["type"] for s in kept) != Counter(
        s["type"] for s in row["source_spans"]
    ):
        return "comp_instances"
    if filters.require_all and {s["source"] for s in kept} != set(range(len(row["source_spans"]))):
        return "lost_span"
    if filters.min_language_score is not None and row["words"]:
        likely = _language_probability(row["lang"], " ".join(row["words"]))
        if likely < filters.min_language_score:
            return "wrong_language"
    return None


def _source_word_unaligned(row: Row, links: Links) -> bool:
    aligned = {x["source"] for x in links}
    return any(i not in aligned for s in row["source_spans"] for i in range(s["start"], s["end"]))


def _has_hole(row: Row, links: Links) -> bool:
    for span in row["spans"]:
        if not span["kept"]:
            continue
        source = row["source_spans"][span["source"]]
        linked = {x["target"] for x in links if source["start"] <= x["source"] < source["end"]}
        if any(j not in linked for j in range(span["start"], span["end"])):
            return True
    return False


@cache
def _identifier() -> Callable[[str], list[tuple[str, float]]]:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    rank: Callable[[str], list[tuple[str, float]]] = identifier.rank
    return rank


def _language_probability(lang: str, text: str) -> float:
    """Return the probability of a language; 1 for languages that the identifier does not know."""
    ranked = {code: float(p) for code, p in _identifier()(text)}
    return ranked.get(lang, 1.0)
