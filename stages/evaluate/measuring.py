"""Further metrics of every arm, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.evaluate.compare import SOURCE_KEY
from stages.evaluate.grading import Graded
from stages.evaluate.metrics.base import Metric
from stages.evaluate.resampling import bootstrap, deviation, interval, seed_of
from stages.evaluate.results import Measured, unique

ArmOnSet = tuple[str, str, str]
"""Key of the data, language, arm."""


class Measurer:
    """Collects the counts of metrics and sums them up.

    Args:
        metrics: By name.
        resamples: Bootstrap resamples of the sentences.
        confidence: Coverage of the intervals.
        seed: Of all resampling; every language gets random numbers of its own.
    """

    def __init__(
        self, metrics: Mapping[str, Metric[Any]], resamples: int, confidence: float, seed: int
    ) -> None:
        self._metrics = metrics
        self._resamples = resamples
        self._confidence = confidence
        self._seed = seed
        self._counts: dict[str, dict[ArmOnSet, dict[int | None, NDArray[np.float64]]]] = {
            name: {} for name in metrics
        }

    def add(
        self, lang: str, key: str, arm: str, seed: int | None, graded: Sequence[Graded]
    ) -> None:
        """Count one arm and seed on the gold sentences ``key`` of a language."""
        for name, metric in self._metrics.items():
            rows = [metric.count(g.gold, g.predicted) for g in graded]
            counts = np.asarray(rows, np.float64).reshape(len(graded), metric.size)
            self._counts[name].setdefault((key, lang, arm), {})[seed] = counts

    def summarise(self) -> Iterator[Measured]:
        """Yield every metric per arm and language, and its mean over the target languages."""
        for name, found in self._counts.items():
            metric = self._metrics[name]
            for arm in unique(arm for _, _, arm in found):
                mine = {key: seeds for key, seeds in found.items() if key[2] == arm}
                targets = []
                for (key, lang, _), seeds in mine.items():
                    values, samples = self._measured(metric, lang, list(seeds.values()))
                    yield self._record(name, arm, lang, list(seeds), values, samples)
                    if key != SOURCE_KEY:
                        targets.append((list(seeds), values, samples))
                if len(targets) > 1:
                    values = np.mean([t[1] for t in targets], axis=0)
                    samples = np.mean([t[2] for t in targets], axis=0)
                    yield self._record(name, arm, None, targets[0][0], values, samples)

    def _measured(
        self, metric: Metric[Any], lang: str, counts: Sequence[NDArray[np.float64]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        stacked = np.stack(counts, axis=1)  # (sentences, seeds, size)
        seed = seed_of(self._seed, "boot", lang)
        samples = bootstrap(stacked, metric.value, self._resamples, seed).mean(axis=1)
        return metric.value(stacked.sum(axis=0)), samples

    def _record(
        self,
        name: str,
        arm: str,
        lang: str | None,
        seeds: list[int | None],
        values: NDArray[np.float64],
        samples: NDArray[np.float64],
    ) -> Measured:
        low, high = interval(samples, self._confidence)
        return Measured(
            metric=name,
            arm=arm,
            lang=lang,
            seeds=seeds,
            value=float(values.mean()),
            std=deviation(values),
            low=low,
            high=high,
        )
