"""Which outputs of a run are there to be evaluated."""

from __future__ import annotations

from pipeline.config import RunConfig
from pipeline.inputs import Inputs
from pipeline.stage import Ref
from stages.arms import predicted_on
from stages.experiment import experiment


def evaluation_inputs(config: RunConfig) -> Inputs[Ref]:
    """Return the inputs of ``evaluate`` by name; empty if the run has nothing to evaluate.

    ``gold/<key>/<lang>`` and ``predicted/<key>/<lang>/<arm>/<seed>`` where there are arms and test
    data (the key is ``test``, ``source_test``, or ``dev`` for the arms of sweeps),
    ``projected/<lang>`` where the run projects,
    ``parallel/<lang>`` (perhaps gold) and ``train``.
    """
    inputs: dict[str, Ref] = {}
    known = experiment(config)
    for key, lang in test_sets(config):
        inputs[f"gold/{key}/{lang}"] = Ref("prepare", f"{key}/{lang}")
        for arm in known.compared:
            for seed in known.seeds_of(arm) if predicted_on(known.recipes[arm], key) else ():
                name = known.predicted_unit(arm, seed, f"{key}/{lang}")
                inputs[f"predicted/{key}/{lang}/{arm}/{seed}"] = Ref("predict", name)
    if known.chosen_on_dev:
        inputs[f"gold/dev/{config.source}"] = Ref("prepare", f"dev/{config.source}")
        for arm in known.chosen_on_dev:
            for seed in known.seeds_of(arm):
                name = f"{arm}/seed-{seed}/dev/{config.source}"
                inputs[f"predicted/dev/{config.source}/{arm}/{seed}"] = Ref("predict", name)
    for lang in config.languages if projects(config) else ():
        inputs[f"projected/{lang}"] = Ref("project", lang)
        if config.data.gold_parallel(lang):
            inputs[f"parallel/{lang}"] = Ref("prepare", f"parallel/{lang}")
    if inputs and config.data.train is not None:
        inputs["train"] = Ref("prepare", f"train/{config.source}")
    return Inputs(inputs)


def test_sets(config: RunConfig) -> list[tuple[str, str]]:
    """Return what the arms are scored on: ``(data key, language)``, the source language last."""
    if not experiment(config).compared:
        return []
    found = [("test", x) for x in config.languages if config.data.per_language("test", x)]
    # The stage predict labels the source test set only if its section asks for it.
    if config.data.source_test and getattr(getattr(config, "predict", None), "source_test", False):
        found.append(("source_test", config.source))
    return found


def projects(config: RunConfig) -> bool:
    """Return whether the run projects labels on to its target languages."""
    if config.stages is not None:
        return "project" in config.stages
    if config.data.parallel is not None:
        return True
    known = experiment(config)
    return any("projected" in known.recipes[arm].data for arm in known.with_teachers())
