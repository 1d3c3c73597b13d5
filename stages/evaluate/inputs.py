"""Which outputs of a run are there to be evaluated."""

from __future__ import annotations

from pipeline.arms import ARMS, with_teachers
from pipeline.config import RunConfig
from pipeline.stage import Ref


def evaluation_inputs(config: RunConfig) -> dict[str, Ref]:
    """Return the inputs of ``evaluate`` by name; empty if the run has nothing to evaluate.

    ``gold/<lang>`` and ``predicted/<lang>/<arm>/<seed>`` where there are arms and test data,
    ``projected/<lang>`` where the run projects, ``parallel/<lang>`` (perhaps gold) and ``train``.
    """
    inputs: dict[str, Ref] = {}
    for lang in config.languages:
        if config.arms and config.data.per_language("test", lang) is not None:
            inputs[f"gold/{lang}"] = Ref("prepare", f"test/{lang}")
            for arm in config.arms:
                for seed in config.seeds:
                    name = f"{arm}/seed-{seed}/test/{lang}"
                    inputs[f"predicted/{lang}/{arm}/{seed}"] = Ref("predict", name)
        if projects(config):
            inputs[f"projected/{lang}"] = Ref("project", lang)
            if config.data.per_language("parallel", lang) is not None:
                inputs[f"parallel/{lang}"] = Ref("prepare", f"parallel/{lang}")
    if inputs and config.data.train is not None:
        inputs["train"] = Ref("prepare", f"train/{config.source}")
    return inputs


def projects(config: RunConfig) -> bool:
    """Return whether the run projects labels on to its target languages."""
    if config.stages is not None:
        return "project" in config.stages
    if config.data.parallel is not None:
        return True
    return any("projected" in ARMS[arm].data for arm in with_teachers(config.arms))
