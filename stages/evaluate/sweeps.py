"""What a sweep has found: a curve per set, and the value that source dev chooses."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Final

from stages.evaluate.results import Results, Score, Summary, SweepPoint, SweepResult
from stages.sweeps import Sweep

DEV: Final = "dev"

DevScores = Mapping[str, Mapping[int, float]]
"""F1 on source dev by arm and seed."""


def chosen_arm(sweep: Sweep, dev: DevScores) -> str | None:
    """Return the arm with the highest mean F1 on source dev, of equals the first."""
    scored = [arm for arm in sweep.points if sweep.chosen_on_dev and dev.get(arm)]
    if not scored:
        return None
    return max(scored, key=lambda arm: statistics.mean(dev[arm].values()))


def sweep_pairs(sweeps: Sequence[Sweep], dev: DevScores) -> list[tuple[str, str]]:
    """Return what is compared of sweeps: the arm that source dev chooses, with the baseline.

    Without dev data to choose on, that is every arm. Test data chooses nothing.
    """
    found: list[tuple[str, str]] = []
    for sweep in sweeps:
        chosen = chosen_arm(sweep, dev)
        if sweep.against is not None and sweep.chosen_on_dev:
            found += [(arm, sweep.against) for arm in ([chosen] if chosen else sweep.points)]
    return found


def sweep_result(
    sweep: Sweep,
    scores: Sequence[Score],
    summary: Sequence[Summary],
    dev: DevScores,
    languages: Sequence[str],
) -> SweepResult:
    """Return the curve of a sweep, its baseline first.

    Args:
        sweep: The sweep.
        scores: Scores of all arms.
        summary: Their means.
        dev: F1 on source dev.
        languages: The target languages, which the mean is over.
    """
    arms = [*([sweep.against] if sweep.against else []), *sweep.points]
    points = []
    for arm in arms:
        values = list(sweep.points.get(arm, ()))
        if dev.get(arm):
            points.append(_dev_point(arm, values, sweep.against, dev))
        for item in summary:
            if item.arm == arm and item.type is None:
                langs = languages if item.lang is None else [item.lang]
                points.append(_point(item, values, sweep.against, scores, langs))
    return SweepResult(
        name=sweep.name,
        keys=list(sweep.keys),
        against=sweep.against,
        chosen=chosen_arm(sweep, dev),
        points=points,
    )


def _dev_point(arm: str, values: list[object], against: str | None, dev: DevScores) -> SweepPoint:
    mine = dev[arm]
    return SweepPoint(
        arm=arm,
        values=values,
        key=DEV,
        lang=None,
        seeds=len(mine),
        f1=statistics.mean(mine.values()),
        f1_std=_std(list(mine.values())),
        **_apart(mine, dev.get(against or "", {}) if arm != against else {}),
    )


def _point(
    item: Summary,
    values: list[object],
    against: str | None,
    scores: Sequence[Score],
    langs: Sequence[str],
) -> SweepPoint:
    def per_seed(arm: str | None) -> dict[int, float]:
        found: dict[int, list[float]] = {}
        for s in scores:
            if s.arm == arm and s.type is None and s.lang in langs and s.seed is not None:
                found.setdefault(s.seed, []).append(s.f1)
        return {seed: statistics.mean(f1) for seed, f1 in found.items()}

    return SweepPoint(
        arm=item.arm,
        values=values,
        key="test",
        lang=item.lang,
        seeds=len(item.seeds),
        f1=item.f1,
        f1_std=item.f1_std,
        f1_low=item.f1_low,
        f1_high=item.f1_high,
        **_apart(per_seed(item.arm), per_seed(against) if item.arm != against else {}),
    )


def _apart(mine: Mapping[int, float], theirs: Mapping[int, float]) -> dict[str, float | None]:
    """Return the difference to what a sweep is compared with, on the shared seeds."""
    apart = [f1 - theirs[seed] for seed, f1 in mine.items() if seed in theirs]
    mean = statistics.mean(apart) if apart else None
    return {"difference": mean, "difference_std": _std(apart)}


def swept_aside(results: Results) -> set[str]:
    """Return the arms of sweeps that source dev has not chosen: points of a curve, no rivals."""
    return {
        p.arm
        for sweep in results.sweeps
        for p in sweep.points
        if sweep.chosen is not None and p.arm not in (sweep.chosen, sweep.against)
    }


def _std(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None
