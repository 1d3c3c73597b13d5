"""Fitting the weights of the candidate score to sentences with gold labels on both sides.

The model is a conditional logit: per entity a softmax over its candidates and "not rendered"; the
right answer is the gold target span that belongs to it. Which one that is, where a sentence has
several, is decided by the current scores (one to one, same type first) and revised after each
round.

The weights are to serve languages that nobody fitted them on, so all corpora share one vector, and
options are chosen by how well a language does that was left out (``docs/projection.md``). Columns
are scaled by their spread within an entity before the penalty applies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.schema import Span
from stages.project.batch import Batch
from stages.project.candidates import segment_max
from stages.project.features import Column
from stages.project.matching import Scored, Total
from stages.project.words import FloatArray, IntArray

NULL, UNREACHABLE = -1, -2
RIVALS: Final = 12


@dataclass(slots=True)
class GoldBatch:
    """A scored batch with gold target spans, and the rows that may be fitted on.

    Attributes:
        batch: The batch (all its entities were scored).
        scored: Its candidates.
        gold: Gold target spans per row.
        rows: Number of leading rows to fit on.
        columns: Name, group and values of each feature of the candidates, where they are kept.
    """

    batch: Batch
    scored: Scored
    gold: Sequence[Sequence[Span]]
    rows: int
    columns: list[Column] = field(default_factory=list)


def dot(columns: Sequence[Column], weights: dict[str, float]) -> FloatArray:
    """Return the weighted sum of the columns (at least one) plus the weight ``bias``.

    Columns without a weight count nothing; a weight without a column is left out too, so that the
    ablation can remove either.
    """
    total = Total(len(columns[0][2]), [(weights, None)])
    for column in columns:
        total.add(column)
    return total.scores()


def match_gold(example: GoldBatch, score: FloatArray) -> IntArray:
    """Return the candidate that is right per entity.

    ``NULL`` where no gold span is left for it; ``UNREACHABLE`` where its gold span is not among
    the candidates.
    """
    from scipy.optimize import linear_sum_assignment

    batch, candidates = example.batch, example.scored.candidates
    rows = batch.entity_row[candidates.entity]
    starts, ends = batch.tokens(rows, candidates.start, candidates.end)
    answer = np.full(batch.n_entities, NULL, np.int64)
    first = np.searchsorted(candidates.entity, np.arange(batch.n_entities + 1))
    by_row: dict[int, list[int]] = defaultdict(list)
    for e, row in enumerate(batch.entity_row.tolist()):
        by_row[row].append(e)
    for row, entities in by_row.items():
        gold = example.gold[row]
        if not gold:
            continue
        value = np.zeros((len(entities), len(gold)))
        index = np.full(value.shape, UNREACHABLE)
        for a, e in enumerate(entities):
            part = slice(first[e], first[e + 1])
            start, end = starts[part], ends[part]
            for b, span in enumerate(gold):
                same_type = 20.0 * (batch.entity_type[e] == span.type)
                hit = np.flatnonzero((start == span.start) & (end == span.end))
                if len(hit):
                    index[a, b] = first[e] + hit[0]
                    value[a, b] = score[index[a, b]] + 1.0 + same_type
                else:
                    near = (start < span.end) & (span.start < end)
                    nearest = score[part][near].max() if near.any() else -30.0
                    value[a, b] = nearest - 3.0 + same_type
        for a, b in zip(*linear_sum_assignment(-value), strict=True):
            if value[a, b] > -12.0:
                answer[entities[a]] = index[a, b]
    return answer


def fit_weights(
    examples: Sequence[GoldBatch],
    *,
    penalty: float = 3.0,
    rounds: int = 2,
    drop: Sequence[str] = (),
) -> dict[str, float]:
    """Return the fitted weights by feature name, with ``bias``.

    Args:
        examples: What to fit on; only their first ``rows`` rows are used.
        penalty: L2 penalty on every weight but the bias.
        rounds: How often gold spans are matched to entities. From the second round on, only the
            :data:`RIVALS` best candidates of an entity (by the round before) stand against its
            right one.
        drop: Names or groups of features to leave out.
    """
    columns = examples[0].columns
    kept = [k for k, (name, group, _) in enumerate(columns) if not {name, group} & set(drop)]
    used = [columns[k][0] for k in kept]
    weights = dict.fromkeys(used, 0.0) | {"cover": 2.0, "linked": 2.0, "spell_cover": 2.0}
    for number in range(rounds):
        data = _stacked(examples, kept, weights, RIVALS if number else None)
        vector = _maximise(data, penalty, 120 if number else 40)
        weights = dict(zip([*used, "bias"], vector.tolist(), strict=True))
    return weights


@dataclass(slots=True)
class _Data:
    """Candidates of all examples, end to end.

    Attributes:
        matrix: Their features.
        entity: Their entity, ascending.
        answer: The right candidate per entity, ``NULL`` or ``UNREACHABLE``.
    """

    matrix: npt.NDArray[np.float32]
    entity: IntArray
    answer: IntArray


def _stacked(
    examples: Sequence[GoldBatch],
    kept: Sequence[int],
    weights: dict[str, float],
    rivals: int | None,
) -> _Data:
    parts: list[_Data] = []
    n_entities = n_candidates = 0
    for example in examples:
        scored = example.scored
        score = dot(example.columns, weights)
        # Entities are in the order of their rows, so the first rows' candidates come first as well.
        n = int((example.batch.entity_row < example.rows).sum())
        entity = scored.candidates.entity
        entity = entity[: int(np.searchsorted(entity, n))]
        answer = match_gold(example, score)[:n]
        keep = np.ones(len(entity), np.bool_)
        if rivals is not None:
            order = np.lexsort((-score[: len(entity)], entity))
            place = np.empty(len(order), np.int64)
            place[order] = np.arange(len(order)) - np.searchsorted(entity, entity[order])
            keep = place < rivals
            keep[answer[answer >= 0]] = True
        new = np.cumsum(keep) - 1 + n_candidates
        right = answer >= 0
        answer[right] = new[answer[right]]
        matrix = np.column_stack([values for _, _, values in example.columns])
        matrix = matrix[: len(entity)][keep][:, kept].astype(np.float32)
        parts.append(_Data(matrix, entity[keep] + n_entities, answer))
        n_entities += n
        n_candidates += len(matrix)
    return _Data(
        np.concatenate([p.matrix for p in parts]),
        np.concatenate([p.entity for p in parts]),
        np.concatenate([p.answer for p in parts]),
    )


def _spread(matrix: npt.NDArray[np.float32], entity: IntArray) -> FloatArray:
    """Return the standard deviation of each column within entities, plus a little."""
    count = np.maximum(np.bincount(entity), 1)
    out = np.zeros(matrix.shape[1])
    for k, column in enumerate(matrix.T):
        mean = np.bincount(entity, weights=column) / count
        out[k] = np.sqrt(((column - mean[entity]) ** 2).mean())
    return out + 0.02


def _maximise(data: _Data, penalty: float, iterations: int) -> FloatArray:
    from scipy.optimize import minimize

    entity, answer, n = data.entity, data.answer, len(data.answer)
    scale = _spread(data.matrix, entity)
    matrix = data.matrix / scale.astype(np.float32)
    usable = answer > UNREACHABLE
    right = answer[answer >= 0]

    def loss(vector: FloatArray) -> tuple[float, FloatArray]:
        w = vector[:-1]
        score = (matrix @ w.astype(np.float32)).astype(np.float64) + vector[-1]
        top = np.maximum(0.0, segment_max(score, entity, n))
        raised = np.exp(score - top[entity])
        norm = np.bincount(entity, weights=raised, minlength=n) + np.exp(-top)
        total = 0.5 * penalty * float(w @ w)
        total += float((np.log(norm) + top)[usable].sum() - score[right].sum())
        excess = np.where(usable[entity], raised / norm[entity], 0.0)
        excess[right] -= 1.0
        slope = (matrix.T @ excess.astype(np.float32)).astype(np.float64) + penalty * w
        return total, np.append(slope, excess.sum())

    start = np.zeros(matrix.shape[1] + 1)
    options = {"maxiter": iterations}
    result = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    vector: FloatArray = result.x.copy()
    vector[:-1] /= scale
    return vector
