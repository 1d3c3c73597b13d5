"""Scores that mean what they say: one temperature per tagger (Guo et al. 2017).

A tagger that gives its entities 0.9 should be right about nine of ten of them. Dividing its logits
by a temperature changes every score and the most probable label of no word. It is fitted so that
the scores of the entities found in held-out sentences are as likely as can be, given which of them
are right; words outside of entities, which are most words and nearly all right, have no say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.listed import each
from pipeline.schema import Span
from stages.tagger.labels import LabelSet

BINS: Final = 10
FEWEST: Final = 20
"""Entities found in held-out sentences; with fewer, nothing is fitted."""
_RANGE: Final = (0.25, 8.0)


def tempered(probs: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Return distributions as a softmax with this temperature would give them.

    Args:
        probs: (words, labels), of a softmax without one.
        temperature: Above 1 is less sure.
    """
    if temperature == 1.0:
        return probs
    scaled = np.log(np.maximum(probs.astype(np.float64), 1e-30)) / temperature
    scaled = np.exp(scaled - scaled.max(1, keepdims=True))
    result: NDArray[np.float32] = (scaled / scaled.sum(1, keepdims=True)).astype(np.float32)
    return result


def scored_entities(
    found: Iterable[Iterable[Span]], gold: Iterable[Iterable[Span]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the scores of found entities, and whether each is right (boundaries and type)."""
    scores: list[float] = []
    right: list[bool] = []
    pairs = zip(each(found, "the found spans"), each(gold, "the gold spans"), strict=True)
    for ours, theirs in pairs:
        known = {(s.start, s.end, s.type) for s in theirs}
        for span in ours:
            if span.score is not None:
                scores.append(span.score)
                right.append((span.start, span.end, span.type) in known)
    return np.array(scores, np.float64), np.array(right, np.bool_)


def fit_temperature(
    probs: NDArray[np.float32],
    starts: NDArray[np.int64],
    gold: Sequence[Sequence[Span]],
    labels: LabelSet,
) -> float:
    """Return the temperature under which the scores of the found entities are most likely.

    Args:
        probs: (words of all sentences, labels), without a temperature.
        starts: (sentences + 1), where each sentence starts in ``probs``.
        gold: The entities of each sentence.
        labels: The labels.

    Returns:
        Between 1/4 and 8; 1 where fewer than :data:`FEWEST` entities are found.
    """
    from scipy.optimize import minimize_scalar

    found = labels.decode(probs, starts)
    if sum(map(len, found)) < FEWEST:
        return 1.0

    def unlikeliness(log_temperature: float) -> float:
        cooled = tempered(probs, float(np.exp(log_temperature)))
        scores, right = scored_entities(labels.decode(cooled, starts), gold)
        sure = np.clip(np.where(right, scores, 1.0 - scores), 1e-6, 1.0)
        return -float(np.log(sure).mean())

    low, high = np.log(_RANGE)
    best = minimize_scalar(
        unlikeliness, bounds=(low, high), method="bounded", options={"xatol": 1e-3}
    )
    return round(float(np.exp(best.x)), 4)


@dataclass(frozen=True, slots=True)
class Bin:
    """Entities whose scores are alike.

    Attributes:
        count: How many.
        score: Their mean score.
        right: The share of them that is right.
    """

    count: int
    score: float
    right: float


def reliability(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> list[Bin]:
    """Return ten bins of equal width over the scores; an empty one has zeros."""
    numbers = np.minimum((scores * BINS).astype(int), BINS - 1)
    found = []
    for number in range(BINS):
        here = numbers == number
        count = int(here.sum())
        mean = (float(scores[here].mean()), float(right[here].mean())) if count else (0.0, 0.0)
        found.append(Bin(count, *mean))
    return found


def calibration_error(bins: Iterable[Bin]) -> float:
    """Return the expected calibration error (ECE): the mean gap of score and share, by count."""
    listed = list(bins)
    total = sum(b.count for b in listed)
    return sum(b.count * abs(b.score - b.right) for b in listed) / total if total else 0.0
