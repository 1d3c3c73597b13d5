"""Which outputs of a run are there to be evaluated."""

from __future__ import annotations

from pipeline.config import RunConfig
from pipeline.inputs import Inputs
from pipeline.stage import Ref
from stages.arms import predicted_on
from stages.experiment import experiment
from stages.predict import test_sets
from stages.several_sources import dev_sources, projected_unit, train_refs


def evaluation_inputs(config: RunConfig) -> Inputs[Ref]:
    """Return the inputs of ``evaluate`` by name; empty if the run has nothing to evaluate.

    ``gold/<key>/<lang>`` and ``predicted/<key>/<lang>/<arm>/<seed>`` where there are arms and test
    data (the key is ``test``, ``source_test``, or ``dev`` for the arms of sweeps),
    ``projected/<lang>`` where the run projects,
    ``parallel/<lang>`` (perhaps gold), ``train`` and that of further source languages.
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
        for lang in dev_sources(config):
            inputs[f"gold/dev/{lang}"] = Ref("prepare", f"dev/{lang}")
            for arm in known.chosen_on_dev:
                for seed in known.seeds_of(arm):
                    name = f"{arm}/seed-{seed}/dev/{lang}"
                    inputs[f"predicted/dev/{lang}/{arm}/{seed}"] = Ref("predict", name)
    for lang in config.languages if projects(config) else ():
        inputs[f"projected/{lang}"] = Ref("project", projected_unit(config, lang))
        if config.data.gold_parallel(lang):
            inputs[f"parallel/{lang}"] = Ref("prepare", f"parallel/{lang}")
    if inputs and config.data.train is not None:
        inputs |= train_refs(config)
    return Inputs(inputs)


def projects(config: RunConfig) -> bool:
    """Return whether the run projects labels on to its target languages."""
    if config.stages is not None:
        return "project" in config.stages
    if config.data.parallel is not None:
        return True
    known = experiment(config)
    return any("projected" in known.recipes[arm].data for arm in known.with_teachers())
