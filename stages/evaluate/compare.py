"""Puts scores, intervals and comparisons together, one language after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.evaluate.config import EvaluateConfig
from stages.evaluate.grading import (
    GOLD,
    PREDICTED,
    TP,
    Graded,
    Prf,
    count_spans,
    f1_of,
    seqeval_scores,
)
from stages.evaluate.resampling import (
    bootstrap_f1,
    deviation,
    doubt,
    holm,
    interval,
    p_value,
    randomised_differences,
    seed_of,
)
from stages.evaluate.results import Comparison, Score, Summary, unique

SOURCE_KEY: Final = "source_test"

ArmSeed = tuple[str, int | None]
"""An arm and one of its seeds (``None`` for what has no seed)."""


@dataclass(slots=True)
class _TestSet:
    """What is known about one language's gold sentences and the predictions for them."""

    lang: str
    key: str
    keys: list[ArmSeed]
    counts: dict[ArmSeed, NDArray[np.int64]]  # (sentences, types, 3)
    resampled: dict[tuple[str, int], NDArray[np.float64]] = field(default_factory=dict)


class _Tested(NamedTuple):
    """Two arms on the same sentences: difference by seed, by chance, and in resamples."""

    by_seed: dict[int | None, float]
    null: NDArray[np.float64]  # (rounds,)
    spread: NDArray[np.float64]  # (resamples,)


def _mean(tested: Sequence[_Tested]) -> _Tested:
    """Over languages; a seed's taggers of all languages are one training, or started alike."""
    shared = [n for n in tested[0].by_seed if all(n in one.by_seed for one in tested)]
    return _Tested(
        {n: float(np.mean([one.by_seed[n] for one in tested])) for n in shared},
        np.mean([one.null for one in tested], axis=0),
        np.mean([one.spread for one in tested], axis=0),
    )


class Comparer:
    """Collects the graded predictions of a run and compares the arms.

    Args:
        types: The entity types, in the order of the tables.
        options: How to resample.
        seed: Of all resampling; every language gets random numbers of its own.
    """

    def __init__(self, types: Sequence[str], options: EvaluateConfig, seed: int) -> None:
        self._types = list(types)
        self._options = options
        self._seed = seed
        self._sets: dict[tuple[str, str], _TestSet] = {}
        self.scores: list[Score] = []

    def add(
        self, lang: str, key: str, arm: str, seed: int | None, graded: Sequence[Graded]
    ) -> None:
        """Score one arm and seed on the gold sentences ``key`` of a language; keep the counts.

        A type of which the gold sentences hold no entity gets no score of its own: there is nothing
        to find. What is predicted of it counts as wrong in the score of all types together.
        """
        counts = count_spans(graded, self._types)
        known = self._sets.setdefault((key, lang), _TestSet(lang, key, [], {}))
        known.keys.append((arm, seed))
        known.counts[arm, seed] = counts
        exact = seqeval_scores(graded)
        total = counts.sum(axis=0)
        for type_, sums in [(None, total.sum(axis=0)), *zip(self._types, total, strict=True)]:
            if type_ is not None and not sums[GOLD]:
                continue
            prf = exact.get(type_, Prf(0.0, 0.0, 0.0))
            self.scores.append(
                Score(
                    arm=arm,
                    lang=lang,
                    seed=seed,
                    type=type_,
                    **asdict(prf),
                    tp=int(sums[TP]),
                    predicted=int(sums[PREDICTED]),
                    gold=int(sums[GOLD]),
                )
            )

    def summarise(self) -> list[Summary]:
        """Return means over seeds with intervals, per language and over the languages."""
        for known in self._sets.values():
            self._resample(known)
        arms = unique(arm for known in self._sets.values() for arm, _ in known.keys)
        found: list[Summary] = []
        for arm in arms:
            sets = [known for known in self._sets.values() if _seeds(known, arm)]
            for known in sets:
                found += [self._summary(arm, [known], t) for t in self._scored(known)]
            # The mean is over the target languages; the source language would flatter it.
            targets = [known for known in sets if known.key != SOURCE_KEY]
            for type_ in (None, *self._types):
                having = [known for known in targets if type_ in self._scored(known)]
                if len(having) > 1:
                    found.append(self._summary(arm, having, type_))
        return found

    def _scored(self, known: _TestSet) -> list[str | None]:
        """Return the types that the gold sentences hold, and ``None`` for all together."""
        gold = next(iter(known.counts.values()))[..., GOLD].sum(axis=0)
        return [None, *(t for t, n in zip(self._types, gold.tolist(), strict=True) if n)]

    def _resample(self, known: _TestSet) -> None:
        # Column 0 is the micro average, the others the types; seeds side by side, so that all
        # arms of a language see the same resamples.
        blocks = [
            np.concatenate([c.sum(axis=1, keepdims=True), c], axis=1)
            for c in (known.counts[k] for k in known.keys)
        ]
        f1 = bootstrap_f1(
            np.concatenate(blocks, axis=1),
            self._options.resamples,
            seed_of(self._seed, "boot", known.lang),
        )
        f1 = f1.reshape(len(f1), len(known.keys), len(self._types) + 1)
        for arm in unique(arm for arm, _ in known.keys):
            mine = [i for i, key in enumerate(known.keys) if key[0] == arm]
            for column in range(len(self._types) + 1):
                known.resampled[arm, column] = f1[:, mine, column].mean(axis=1)

    def _summary(self, arm: str, sets: list[_TestSet], type_: str | None) -> Summary:
        langs = [known.lang for known in sets]
        column = 0 if type_ is None else self._types.index(type_) + 1
        mine = [s for s in self.scores if s.arm == arm and s.type == type_ and s.lang in langs]
        seeds = _seeds(sets[0], arm)

        def per_seed(name: str) -> NDArray[np.float64]:
            return np.array(
                [np.mean([getattr(s, name) for s in mine if s.seed == n]) for n in seeds]
            )

        samples = np.mean([known.resampled[arm, column] for known in sets], axis=0)
        low, high = interval(samples, self._options.confidence)
        values = {name: per_seed(name) for name in ("precision", "recall", "f1")}
        gold = {(s.lang, s.gold) for s in mine}
        return Summary(
            arm=arm,
            lang=langs[0] if len(langs) == 1 else None,
            type=type_,
            seeds=seeds,
            precision=float(values["precision"].mean()),
            precision_std=deviation(values["precision"]),
            recall=float(values["recall"].mean()),
            recall_std=deviation(values["recall"]),
            f1=float(values["f1"].mean()),
            f1_std=deviation(values["f1"]),
            f1_low=low,
            f1_high=high,
            gold=sum(n for _, n in gold),
        )

    def compare(self, pairs: Iterable[tuple[str, str]]) -> list[Comparison]:
        """Compare pairs of arms per language and over the languages; call after summarise.

        A pair is compared on the languages and seeds that both arms have. All comparisons of the
        run are one family for Holm's correction.
        """
        raw: list[Comparison] = []
        for first, second in pairs:
            found = {
                known.lang: self._test(known, first, second, seeds)
                for known in self._sets.values()
                if known.key != SOURCE_KEY and (seeds := _shared_seeds(known, first, second))
            }
            for lang, tested in found.items():
                raw.append(self._comparison(first, second, lang, tested))
            if len(found) > 1:
                raw.append(self._comparison(first, second, None, _mean(list(found.values()))))
        adjusted = holm([c.p for c in raw])
        return [self._judged(c, p) for c, p in zip(raw, adjusted, strict=True)]

    def _test(self, known: _TestSet, first: str, second: str, seeds: list[int | None]) -> _Tested:
        one, two = (
            np.stack([known.counts[arm, n].sum(axis=1) for n in seeds], axis=1)
            for arm in (first, second)
        )
        null = randomised_differences(
            one, two, self._options.rounds, seed_of(self._seed, "swap", known.lang, first, second)
        )
        both = bootstrap_f1(
            np.concatenate([one, two], axis=1),
            self._options.resamples,
            seed_of(self._seed, "boot", known.lang),
        )
        return _Tested(
            dict(zip(seeds, f1_of(one.sum(axis=0)) - f1_of(two.sum(axis=0)), strict=True)),
            null,
            (both[:, : len(seeds)] - both[:, len(seeds) :]).mean(axis=1),
        )

    def _comparison(self, first: str, second: str, lang: str | None, tested: _Tested) -> Comparison:
        by_seed = np.array(list(tested.by_seed.values()))
        observed = float(by_seed.mean())
        low, high, over_seeds = doubt(by_seed, tested.spread, self._options.confidence)
        p = max(p_value(observed, tested.null), over_seeds or 0.0)
        return Comparison(
            first=first,
            second=second,
            lang=lang,
            seeds=list(tested.by_seed),
            difference=observed,
            difference_std=deviation(by_seed),
            low=low,
            high=high,
            p=p,
            p_adjusted=p,
            verdict="same",
        )

    def _judged(self, found: Comparison, p_adjusted: float) -> Comparison:
        significant = p_adjusted < self._options.alpha
        better = "better" if found.difference > 0 else "worse"
        return found.model_copy(
            update={"p_adjusted": p_adjusted, "verdict": better if significant else "same"}
        )


def _seeds(known: _TestSet, arm: str) -> list[int | None]:
    return [seed for name, seed in known.keys if name == arm]


def _shared_seeds(known: _TestSet, first: str, second: str) -> list[int | None]:
    others = set(_seeds(known, second))
    return [seed for seed in _seeds(known, first) if seed in others]
