"""From a plan to aligners: those that learn from the corpus do it first, then all are built."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from stages.align.kinds.base import PairsToLearn
from stages.align.planning import Plan
from stages.align.remembered import StateMemory
from stages.word_alignment.aligner import ASSERTED, Aligner
from stages.word_alignment.pair_source import sample

NOTHING: Final = Path("nothing-was-learnt")
"""For ``collected`` where no aligner learns: it is not looked at."""


def build(plan: Plan, collected: Path = NOTHING) -> Aligner:
    """Build an aligner, loading its models.

    Args:
        plan: What to build.
        collected: Folder with what :func:`learn` wrote.
    """
    weights = _trusted(plan, collected)
    asked = [k for k, weight in enumerate(weights) if weight > 0]
    # A mean is one of probabilities: what a member holds for unlikely is less than nothing.
    alone = len(asked) == 1
    floor = plan.setting.kept if plan.combine == "mean" else ASSERTED
    members = [_load(plan, k, collected, plan.setting.floor if alone else floor) for k in asked]
    if len(members) == 1:
        return members[0]
    from stages.align.kinds.ensemble import Ensemble

    return Ensemble(members, plan.combine, [weights[k] for k in asked], plan.setting.floor)


def _weights(plan: Plan, collected: Path) -> list[float]:
    """Return the weights of the members, before their agreement is asked for."""
    words = 0
    statistical = plan.statistical()
    if statistical is not None and any(m.weight_little is not None for m in plan.members):
        from stages.word_alignment.statistical.aligner import learnt_words

        words = learnt_words(plan.place(statistical, collected))
    return [member.weight_at(words) for member in plan.members]


def _trusted(plan: Plan, collected: Path) -> list[float]:
    """Return the weights of the members, multiplied by how far they are trusted."""
    weights = _weights(plan, collected)
    if _judged(plan, weights):
        from stages.align.agreement import trusts

        for place, trust in trusts(collected).items():
            weights[place] *= trust
    return weights


def _judged(plan: Plan, weights: list[float]) -> list[int]:
    """Return the members that have a weight and are weighed by agreement."""
    members = zip(plan.members, weights, strict=True)
    return [k for k, (m, weight) in enumerate(members) if m.by_agreement and weight > 0]


def _load(plan: Plan, index: int, collected: Path, floor: float = ASSERTED) -> Aligner:
    setting = replace(plan.setting, floor=floor)
    folder, place = plan.folders[index], plan.place(index, collected)
    return plan.members[index].made.load(setting, folder, place)


def learn(plan: Plan, pairs: PairsToLearn, folder: Path) -> None:
    """Let the aligners that need it learn from the whole corpus.

    Args:
        plan: The aligners.
        pairs: The corpus.
        folder: Where to write what :func:`build` reads as ``collected``.
    """
    # Means, trust and hints are learnt from samples that are much the same, and aligned afterwards.
    plan = replace(plan, setting=replace(plan.setting, memory=StateMemory()))
    statistical = plan.statistical()
    for index in range(len(plan.members)):
        if index != statistical:
            _learn(plan, index, pairs, folder)
    _learn_statistical(plan, pairs, folder)
    if any(m.made.fine_tunes for m in plan.members):
        _fine_tune(plan, pairs, folder)
    if any(m.made.fine_tunes and m.by_agreement for m in plan.members):
        # Who guides them, and is judged by them, knows more now.
        _learn_statistical(plan, pairs, folder)


def _fine_tune(plan: Plan, pairs: PairsToLearn, folder: Path) -> None:
    """Let encoders learn what all members together link; not those that nobody will ask."""
    from stages.align.fine_tuning import CELLS

    chosen = sample(pairs.own, pairs.extra, CELLS).pairs
    if not chosen:
        return
    linked = list(zip(chosen, build(plan, folder).align(chosen), strict=True))
    for index, weight in enumerate(_trusted(plan, folder)):
        member = plan.members[index]
        if member.made.fine_tunes and weight > 0 and plan.is_first(index):
            place = plan.place(index, folder)
            member.made.fine_tune(linked, pairs, plan.setting, plan.folders[index], place)


def _learn_statistical(plan: Plan, pairs: PairsToLearn, folder: Path) -> None:
    """Let statistics learn, guided by encoders, and judge these."""
    statistical = plan.statistical()
    if statistical is None:
        return
    guides = [k for k, m in enumerate(plan.members) if m.guides]
    if guides:
        from stages.align.agreement import hints, judge, trusts, unguided

        encoders = {k: _load(plan, k, folder) for k, m in enumerate(plan.members) if m.by_agreement}
        judge(pairs.own, unguided(pairs.own, pairs.extra), encoders, folder)
        found = hints(pairs.own, {k: encoders[k] for k in guides}, trusts(folder))
        _learn(plan, statistical, replace(pairs, hints=found), folder)
        return
    _learn(plan, statistical, pairs, folder)
    judged = _judged(plan, _weights(plan, folder))
    if judged:
        from stages.align.agreement import judge

        encoders = {k: _load(plan, k, folder) for k in judged}
        judge(pairs.own, _load(plan, statistical, folder), encoders, folder)


def _learn(plan: Plan, index: int, pairs: PairsToLearn, folder: Path) -> None:
    """Let one aligner learn, if it does, and no equal one has."""
    member = plan.members[index]
    if member.made.learns and plan.is_first(index):
        member.made.learn(pairs, plan.setting, plan.folders[index], plan.place(index, folder))
