"""Gold against predicted spans: seqeval's scores, and per-sentence counts for resampling."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.formats.schemes import tags_from_spans
from pipeline.listed import each, listed
from pipeline.schema import Span, kept_spans, overlapping, spans_of

TP, PREDICTED, GOLD = 0, 1, 2
"""The last axis of a count array."""


@dataclass(frozen=True, slots=True)
class Graded:
    """One sentence with its gold spans and those of one prediction."""

    id: str
    words: list[str]
    gold: list[Span]
    predicted: list[Span]


def pair_up(
    gold: Iterable[Mapping[str, Any]],
    predicted: Iterable[Mapping[str, Any]],
    *,
    what: str,
    only_kept: bool = False,
) -> list[Graded]:
    """Join gold and predicted rows, which must hold the same sentences in the same order.

    Args:
        gold: Rows of a labelled dataset.
        predicted: Rows of a predictions or projected dataset.
        what: What is scored, for messages: ``predict/fused/seed-13/test/de``.
        only_kept: Leave out predicted spans that are not ``kept`` (projected datasets).

    Raises:
        DataError: If ids or word counts differ, or spans overlap or leave the sentence.
    """
    graded: list[Graded] = []
    sides = (each(gold, f"{what}: the gold rows"), each(predicted, f"{what}: the predicted rows"))
    for number, (g, p) in enumerate(itertools.zip_longest(*sides), 1):
        if g is None or p is None:
            side, other = ("gold", "predicted") if p is None else ("predicted", "gold")
            raise DataError(
                f"{what}: row {number} of the {side} data has no {other} row; both must hold the "
                "same sentences"
            )
        if g["id"] != p["id"]:
            raise DataError(
                f"{what}: row {number} is sentence {g['id']!r} in the gold data, but {p['id']!r} "
                "in the predicted data"
            )
        words = list(g["words"])
        found = kept_spans(p) if only_kept else spans_of(p)
        # A row that an earlier stage could not process has no words, and so no spans either.
        if len(p["words"]) not in (len(words), 0):
            raise DataError(
                f"{what}: sentence {g['id']!r} has {len(words)} words in the gold data, but "
                f"{len(p['words'])} in the predicted data"
            )
        for spans, side in ((spans_of(g), "gold"), (found, "predicted")):
            _check_spans(spans, len(words), f"{what}: sentence {g['id']!r}: {side}")
        graded.append(Graded(g["id"], words, spans_of(g), found))
    return graded


def _check_spans(spans: list[Span], length: int, where: str) -> None:
    for span in spans:
        if not 0 <= span.start < span.end <= length:
            raise DataError(f"{where} span [{span.start}, {span.end}) is not within {length} words")
    if clash := overlapping(spans):
        raise DataError(
            f"{where} spans [{clash[0].start}, {clash[0].end}) and [{clash[1].start}, "
            f"{clash[1].end}) overlap, which IOB2 cannot express"
        )


@dataclass(frozen=True, slots=True)
class Prf:
    """Precision, recall and F1, each in [0, 1]."""

    precision: float
    recall: float
    f1: float


def seqeval_scores(graded: Iterable[Graded]) -> dict[str | None, Prf]:
    """Return seqeval's strict IOB2 scores per type, and under ``None`` their micro average."""
    graded = listed(graded, "seqeval_scores: the sentences")
    if not any(g.gold or g.predicted for g in graded):
        return {None: Prf(0.0, 0.0, 0.0)}
    from seqeval.metrics import classification_report
    from seqeval.scheme import IOB2

    # Sentences without any span add nothing to any count; leaving them out saves time.
    filled = [g for g in graded if g.gold or g.predicted]
    report = classification_report(
        [tags_from_spans(g.gold, len(g.words)) for g in filled],
        [tags_from_spans(g.predicted, len(g.words)) for g in filled],
        mode="strict",
        scheme=IOB2,
        output_dict=True,
        zero_division=0,
    )
    types = sorted({s.type for g in filled for s in (*g.gold, *g.predicted)})
    scores: dict[str | None, Prf] = {None: _prf(report["micro avg"])}
    return scores | {t: _prf(report[t]) for t in types}


def _prf(row: Mapping[str, float]) -> Prf:
    return Prf(float(row["precision"]), float(row["recall"]), float(row["f1-score"]))


def count_spans(graded: Iterable[Graded], types: Iterable[str]) -> NDArray[np.int64]:
    """Count correct, predicted and gold spans: an array of ``(sentences, types, 3)``."""
    graded = listed(graded, "count_spans: the sentences")
    types = listed(types, "count_spans: the types")
    index = {t: i for i, t in enumerate(types)}
    counts = np.zeros((len(graded), len(types), 3), dtype=np.int64)
    for row, sentence in enumerate(graded):
        gold = {(s.start, s.end, s.type) for s in sentence.gold}
        for span in sentence.gold:
            counts[row, index[span.type], GOLD] += 1
        for span in sentence.predicted:
            counts[row, index[span.type], PREDICTED] += 1
            counts[row, index[span.type], TP] += (span.start, span.end, span.type) in gold
    return counts


def f1_of(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Return F1 from counts whose last axis is ``(tp, predicted, gold)``; 0 where undefined."""
    total = counts[..., PREDICTED] + counts[..., GOLD]
    return np.asarray(2.0 * counts[..., TP] / np.maximum(total, 1), dtype=np.float64)
