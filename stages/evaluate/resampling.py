"""Intervals and significance by resampling sentences.

Everything works on per-sentence counts (see :func:`stages.evaluate.grading.count_spans`), so that
one resample is one row of a matrix product and a whole comparison takes seconds.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.evaluate.grading import f1_of

_CHUNK = 8_000_000  # cells of a block of resamples: 64 MB


def _blocks(rounds: int, sentences: int) -> Iterator[tuple[int, int]]:
    step = max(1, _CHUNK // max(sentences, 1))
    for start in range(0, rounds, step):
        yield start, min(start + step, rounds)


def bootstrap_f1(counts: NDArray[np.int64], resamples: int, seed: int) -> NDArray[np.float64]:
    """Return the F1 of every column of ``counts`` in each resample; see :func:`bootstrap`."""
    return bootstrap(counts, f1_of, resamples, seed)


def bootstrap(
    counts: NDArray[Any],
    value: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    resamples: int,
    seed: int,
) -> NDArray[np.float64]:
    """Return a metric of every column of ``counts`` in each bootstrap resample of the sentences.

    All columns see the same resamples, so that the difference of two of them is paired.

    Args:
        counts: ``(sentences, columns, size)``.
        value: The metric of sums of counts, ``(..., size)`` to ``(...)``.
        resamples: How many.
        seed: Of the random numbers.

    Returns:
        ``(resamples, columns)``.
    """
    sentences, columns, size = counts.shape
    if not sentences:
        return np.zeros((resamples, columns))
    rng = np.random.default_rng(seed)
    flat = counts.reshape(sentences, columns * size).astype(np.float64)
    found = np.empty((resamples, columns))
    for start, stop in _blocks(resamples, sentences):
        drawn = rng.integers(0, sentences, size=(stop - start, sentences))
        drawn += np.arange(stop - start)[:, None] * sentences
        weights = np.bincount(drawn.ravel(), minlength=(stop - start) * sentences)
        sums = weights.reshape(stop - start, sentences).astype(np.float64) @ flat
        found[start:stop] = value(sums.reshape(stop - start, columns, size))
    return found


def seed_of(seed: int, *names: str) -> int:
    """Return the seed of one resampling of a run: every language gets random numbers of its own."""
    return (seed + zlib.crc32("\x1f".join(names).encode())) % 2**32


def deviation(values: NDArray[np.float64]) -> float | None:
    """Return the sample standard deviation; ``None`` of a single value."""
    return float(values.std(ddof=1)) if len(values) > 1 else None


def interval(samples: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """Return the percentile interval of ``samples``."""
    low, high = np.quantile(samples, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


class Doubt(NamedTuple):
    """How sure a difference is: its interval, and a two-sided p-value where seeds allow for one."""

    low: float
    high: float
    p: float | None


def doubt(by_seed: NDArray[np.float64], spread: NDArray[np.float64], confidence: float) -> Doubt:
    """Return the doubt of a mean difference: which sentences, and which trainings, there were.

    The variance of the mean over seeds is that over resamples of the sentences plus that between
    seeds; how few seeds there are goes into the degrees of freedom (Welch-Satterthwaite; the two
    sources of variance as in Bouthillier et al. 2021, Miller 2024). Of a single seed nothing is
    known but the sentences: their percentile interval, no p-value.

    Args:
        by_seed: ``(seeds,)``, the difference of each seed, on all sentences.
        spread: ``(resamples,)``, the mean difference in bootstrap resamples of the sentences.
        confidence: Coverage of the interval.
    """
    if len(by_seed) < 2:
        return Doubt(*interval(spread, confidence), None)
    from scipy.stats import t

    observed, between = float(by_seed.mean()), float(by_seed.var(ddof=1)) / len(by_seed)
    total = between + float(spread.var(ddof=1))
    if not total:  # the same predictions
        return Doubt(observed, observed, 1.0)
    freedom = total**2 * (len(by_seed) - 1) / between**2 if between else np.inf
    error = total**0.5
    reach = float(t.ppf((1 + confidence) / 2, freedom)) * error
    p = 2 * float(t.sf(abs(observed) / error, freedom))
    return Doubt(observed - reach, observed + reach, p)


def randomised_differences(
    first: NDArray[np.int64], second: NDArray[np.int64], rounds: int, seed: int
) -> NDArray[np.float64]:
    """Return the differences of mean F1 that chance gives: the null distribution of a pair.

    In each round the predictions of the two arms are exchanged on a random half of the sentences.
    A sentence is exchanged in all seeds at once: seeds are not independent evidence on the same
    sentence, and treating them as such would make everything significant.

    Args:
        first: Counts of the first arm, ``(sentences, seeds, 3)``.
        second: Counts of the second arm on the same sentences and seeds.
        rounds: How many.
        seed: Of the random numbers.

    Returns:
        ``(rounds,)``.
    """
    total_first, total_second = first.sum(axis=0), second.sum(axis=0)
    delta = (second - first).reshape(len(first), -1)
    delta = delta[np.any(delta != 0, axis=1)].astype(np.float64)
    found = np.zeros(rounds)
    if not len(delta):
        return found
    rng = np.random.default_rng(seed)
    for start, stop in _blocks(rounds, len(delta)):
        swapped = rng.integers(0, 2, size=(stop - start, len(delta)), dtype=np.int8)
        moved = (swapped.astype(np.float64) @ delta).reshape(stop - start, *total_first.shape)
        found[start:stop] = (f1_of(total_first + moved) - f1_of(total_second - moved)).mean(axis=1)
    return found


def p_value(observed: float, null: NDArray[np.float64]) -> float:
    """Return the two-sided p-value, with the observation counted as one round (Noreen 1989)."""
    # The tolerance makes rounds that repeat the observation count, whatever the rounding.
    extreme = int(np.count_nonzero(np.abs(null) >= abs(observed) - 1e-12))
    return (extreme + 1) / (len(null) + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number (Holm 1979), in the order given."""
    order: NDArray[Any] = np.argsort(np.asarray(p_values), kind="stable")
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, position in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[int(position)]))
        adjusted[int(position)] = highest
    return adjusted
