"""What projected data is worth, counted in gold sentences of the target language.

Two sweeps over ``train.gold_sentences``, one whose arms have projected data and one whose arms do
not, are two curves. Where the second comes up to what the first has without any gold sentence, so
many sentences are what the projected data is worth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from stages.evaluate.results import FewShot, FewShotPoint, Summary
from stages.sweeps import GOLD, Sweep


def few_shot_sweeps(sweeps: Sequence[Sweep]) -> tuple[Sweep, Sweep] | None:
    """Return the sweep without projected data and the one with it, if there are both."""
    found: dict[bool, Sweep] = {}
    for sweep in (s for s in sweeps if s.keys == (GOLD,)):
        arms = sweep.arms.values()
        found.setdefault(any("projected" in arm.data for arm in arms), sweep)
    return (found[False], found[True]) if len(found) == 2 else None


def few_shot_pairs(sweeps: Sequence[Sweep]) -> list[tuple[str, str]]:
    """Return each arm with projected data and the one with as many gold sentences without."""
    both = few_shot_sweeps(sweeps)
    if both is None:
        return []
    plain = {values: name for name, values in both[0].points.items()}
    return [(name, plain[v]) for name, v in both[1].points.items() if v in plain]


def few_shot_results(sweeps: Sequence[Sweep], summary: Sequence[Summary]) -> list[FewShot]:
    """Return the two curves of every language and what the projected data is worth there."""
    both = few_shot_sweeps(sweeps)
    if both is None:
        return []
    scored = {(s.arm, s.lang): s for s in summary if s.type is None}
    langs = dict.fromkeys(s.lang for s in summary if s.type is None)
    found = []
    for lang in langs:
        plain, projected = (
            sorted(
                (
                    _point(values[0], scored[name, lang])
                    for name, values in sweep.points.items()
                    if (name, lang) in scored
                ),
                key=lambda p: p.sentences,
            )
            for sweep in both
        )
        if plain and projected:
            worth, told = worth_of(plain, projected)
            found.append(
                FewShot(lang=lang, plain=plain, projected=projected, worth=worth, told=told)
            )
    return found


def _point(sentences: int, s: Summary) -> FewShotPoint:
    return FewShotPoint(sentences=sentences, f1=s.f1, f1_low=s.f1_low, f1_high=s.f1_high)


def worth_of(
    plain: Sequence[FewShotPoint], projected: Sequence[FewShotPoint]
) -> tuple[float | None, str]:
    """Return how many gold sentences projected data is worth, and that in words.

    Between two points of the curve it is read off on a scale of log(1 + sentences).

    Args:
        plain: The curve without projected data, by number of sentences.
        projected: The curve with it; its first point is read.
    """
    first = projected[0]
    if first.sentences:
        return None, "not known: the sweep with projected data lacks 0 gold sentences"
    if plain[0].f1 >= first.f1:
        if plain[0].sentences == 0:
            return 0.0, "nothing: it is no better without gold sentences"
        return None, f"at most {plain[0].sentences} gold sentences"
    for left, right in pairwise(plain):
        if left.f1 < first.f1 <= right.f1:
            share = (first.f1 - left.f1) / (right.f1 - left.f1)
            a, b = math.log1p(left.sentences), math.log1p(right.sentences)
            worth = math.expm1(a + share * (b - a))
            return worth, f"about {round(worth)} gold sentences"
    return None, f"more than {plain[-1].sentences} gold sentences"
