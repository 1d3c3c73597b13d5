"""Fitting the weights of the candidate score to sentences with gold labels on both sides.

The model is a conditional logit: per entity a softmax over its candidates and "not rendered"; the
right answer is the gold target span that belongs to it. Which one that is, where a sentence has
several, is decided by the current scores (one to one, same type first) and revised after each
round.

The weights are to serve languages that nobody fitted them on. So every corpus gets weights of its
own, ``shared + deviation``, both penalised; only the shared part is kept. What holds in one corpus
alone (German nouns are capitalised, say) ends up in its deviation. Columns are scaled by their
spread within an entity before the penalty applies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.schema import Span
from stages.project.batch import Batch
from stages.project.candidates import segment_max
from stages.project.matching import Scored, dot
from stages.project.words import FloatArray, IntArray

NULL, UNREACHABLE = -1, -2


@dataclass(slots=True)
class Example:
    """A scored batch with gold target spans, and the rows that may be fitted on.

    Attributes:
        batch: The batch (all its entities were scored).
        scored: Its candidates.
        gold: Gold target spans per row.
        rows: Number of leading rows to fit on.
        corpus: Examples of one corpus (with other links, say) share a deviation.
    """

    batch: Batch
    scored: Scored
    gold: Sequence[Sequence[Span]]
    rows: int
    corpus: str = ""


def match_gold(example: Example, score: FloatArray) -> IntArray:
    """Return the candidate that is right per entity.

    ``NULL`` where no gold span is left for it; ``UNREACHABLE`` where its gold span is not among
    the candidates.
    """
    from scipy.optimize import linear_sum_assignment

    batch, candidates = example.batch, example.scored.candidates
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
            start = candidates.start[part] - batch.target.offsets[row]
            end = candidates.end[part] - batch.target.offsets[row]
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
    examples: Sequence[Example],
    *,
    penalty: float = 8.0,
    deviation_penalty: float = 10.0,
    rounds: int = 3,
    drop: Sequence[str] = (),
) -> dict[str, float]:
    """Return the fitted shared weights by feature name, with ``bias``.

    Args:
        examples: What to fit on; only their first ``rows`` rows are used.
        penalty: L2 penalty on every shared weight but the bias.
        deviation_penalty: L2 penalty on what a corpus adds to the shared weights.
        rounds: How often gold spans are matched to entities anew.
        drop: Names or groups of features to leave out.
    """
    names, groups = examples[0].scored.names, examples[0].scored.groups
    kept = [k for k, (n, g) in enumerate(zip(names, groups, strict=True)) if not {n, g} & set(drop)]
    used = [names[k] for k in kept]
    corpora = sorted({x.corpus for x in examples})
    owner = [corpora.index(x.corpus) for x in examples]
    weights = dict.fromkeys(used, 0.0) | {"cover": 2.0, "linked": 2.0, "spell_cover": 2.0}
    for _ in range(rounds):
        data = [
            _training_data(x, kept, match_gold(x, dot(x.scored.names, x.scored.matrix, weights)))
            for x in examples
        ]
        scale = _spread(data)
        scaled = [(d[0] / scale, d[1], d[2], d[3]) for d in data]
        vector = _maximise(scaled, owner, len(corpora), penalty, deviation_penalty)
        vector[:-1] /= scale
        weights = dict(zip([*used, "bias"], vector.tolist(), strict=True))
    return weights


Data = tuple[FloatArray, IntArray, int, IntArray]


def _training_data(example: Example, kept: Sequence[int], answer: IntArray) -> Data:
    # Entities are in the order of their rows, so the first rows' candidates come first as well.
    candidates = example.scored.candidates
    inside = example.batch.entity_row[candidates.entity] < example.rows
    n = int((example.batch.entity_row < example.rows).sum())
    return example.scored.matrix[inside][:, kept], candidates.entity[inside], n, answer[:n]


def _spread(data: Sequence[Data]) -> FloatArray:
    """Return the standard deviation of each column within entities, plus a little."""
    total = np.zeros(data[0][0].shape[1])
    for matrix, entity, n, _ in data:
        count = np.maximum(np.bincount(entity, minlength=n), 1)
        for k in range(matrix.shape[1]):
            mean = np.bincount(entity, weights=matrix[:, k], minlength=n) / count
            total[k] += ((matrix[:, k] - mean[entity]) ** 2).sum()
    spread: FloatArray = np.sqrt(total / max(1, sum(len(d[0]) for d in data))) + 0.02
    return spread


def _maximise(
    data: Sequence[Data],
    owner: Sequence[int],
    n_corpora: int,
    penalty: float,
    deviation_penalty: float,
) -> FloatArray:
    from scipy.optimize import minimize

    width = data[0][0].shape[1] + 1

    def loss(flat: FloatArray) -> tuple[float, FloatArray]:
        w = flat.reshape(1 + n_corpora, width)
        total = 0.5 * penalty * float(w[0, :-1] @ w[0, :-1])
        total += 0.5 * deviation_penalty * float((w[1:] ** 2).sum())
        gradient = deviation_penalty * w
        gradient[0] = np.append(penalty * w[0, :-1], 0.0)
        for (matrix, entity, n, answer), corpus in zip(data, owner, strict=True):
            own = w[0] + w[1 + corpus]
            score = matrix @ own[:-1] + own[-1]
            top = np.maximum(0.0, segment_max(score, entity, n))
            raised = np.exp(score - top[entity])
            norm = np.bincount(entity, weights=raised, minlength=n) + np.exp(-top)
            usable = answer > UNREACHABLE
            right = answer[answer >= 0]
            total += float((np.log(norm) + top)[usable].sum() - score[right].sum())
            excess = np.where(usable[entity], raised / norm[entity], 0.0)
            excess[right] -= 1.0
            step = np.append(excess @ matrix, excess.sum())
            gradient[0] += step
            gradient[1 + corpus] += step
        return total, gradient.ravel()

    start = np.zeros((1 + n_corpora) * width)
    result = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 400})
    shared: FloatArray = result.x[:width].copy()
    return shared
