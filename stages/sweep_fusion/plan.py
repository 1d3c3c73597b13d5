"""The trainings of a sweep as tasks. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from pipeline.config import RunConfig
from pipeline.errors import ModelError
from pipeline.models import locate
from pipeline.stage import Problem, Ref, Task
from stages.sweep_fusion.config import WITHOUT_LAYER, SweepFusionConfig
from stages.train.layers import depth_of, resolve_fusion_layer
from stages.train.recipe import check_encoder, check_trackers, train_options

_NOT_HERE: Final = (
    "fusion",
    "fusion_layer",
    "per_language",
    "projected_weight",
    "projected_repeat",
    "weight_by_score",
)
"""Options of the section ``train`` that the sweep sets itself or that projected data alone has."""


def training_tasks(config: RunConfig, options: SweepFusionConfig) -> list[Task]:
    """Return one task per fusion, layer and seed: ``dlfa_aif/layer-3/seed-13``, ``none/seed-13``.

    Seeds are the outermost loop, so that a sweep that is stopped has whole curves.
    """
    inputs = trial_inputs(config)
    layers = swept_layers(config, options)
    return [
        _task(config, inputs, fusion, layer, seed)
        for seed in config.seeds
        for fusion in options.fusions
        for layer in ([None] if fusion in WITHOUT_LAYER else layers)
    ]


def _task(
    config: RunConfig, inputs: dict[str, Ref], fusion: str, layer: int | None, seed: int
) -> Task:
    unit = f"{fusion}/seed-{seed}" if layer is None else f"{fusion}/layer-{layer}/seed-{seed}"
    training = {
        key: value
        for key, value in train_options(config).identity().items()
        if key not in _NOT_HERE and (fusion == "dlfa_aif" or not key.startswith("aif_"))
    }
    facts: dict[str, Any] = {
        "fusion": fusion,
        "layer": layer,
        "seed": seed,
        "train": training,
        "keep_model": config.section("sweep_fusion", SweepFusionConfig).keep_models,
    }
    return Task("sweep_fusion", unit, "files", inputs, options=facts, uses=("labels",))


def summary_task(config: RunConfig, options: SweepFusionConfig, trainings: Sequence[Task]) -> Task:
    """Return the task that reads all trainings."""
    return Task(
        "sweep_fusion",
        "all",
        "files",
        {task.unit: task.ref for task in trainings},
        options={"rounds": options.rounds},
        uses=("seed", "source"),
    )


def trial_inputs(config: RunConfig) -> dict[str, Ref]:
    """Return what a training reads: ``train``, what it selects on, and what is scored.

    What is scored is ``scored/dev/<source>`` and, as far as they are named,
    ``scored/source_test/<source>``, ``scored/target_dev/<lang>`` and ``scored/test/<lang>``.
    """
    source, data = config.source, config.data
    select = train_options(config).select
    inputs = {"train": Ref("prepare", f"train/{source}")}
    if select == "source_dev":
        inputs["dev"] = Ref("prepare", f"dev/{source}")
    if select == "target_dev":
        inputs |= {f"dev/{x}": Ref("prepare", f"target_dev/{x}") for x in config.languages}
    names = [f"dev/{source}"]
    if data.source_test is not None:
        names.append(f"source_test/{source}")
    for key in ("target_dev", "test"):
        names += [f"{key}/{x}" for x in config.languages if data.per_language(key, x) is not None]
    return inputs | {f"scored/{name}": Ref("prepare", name) for name in names}


def swept_layers(config: RunConfig, options: SweepFusionConfig) -> list[int]:
    """Return the fusion layers, counted from 0 (the embeddings); empty where that is unknown."""
    depth = _depth(config)
    if depth is None:
        return [layer for layer in options.layers or () if layer >= 0]
    if options.layers is None:
        return list(range(depth))
    found: list[int] = []
    for layer in options.layers:
        try:
            index = resolve_fusion_layer(layer, depth)
        except ValueError:  # told by check_sweep
            continue
        if index not in found:
            found.append(index)
    return found


def _depth(config: RunConfig) -> int | None:
    try:
        declared = locate(config.models.encoder, config.config_dir).config
        return None if declared is None else depth_of(declared)
    except (ModelError, ValueError):  # told by check_encoder
        return None


def check_sweep(config: RunConfig, options: SweepFusionConfig) -> Iterator[Problem]:
    """Yield what is wrong with data, encoder and layers; reads config.json only."""
    if not any(name.startswith("scored/test/") for name in trial_inputs(config)):
        yield Problem("data.test", "a sweep needs test data in at least one target language")
    yield from check_trackers(config)
    problems = list(check_encoder(config, fused=False))
    yield from problems
    layered = [f for f in options.fusions if f not in WITHOUT_LAYER]
    if problems or not layered:
        return
    depth = _depth(config)
    if depth is None:
        if options.layers is None or min(options.layers) < 0:
            yield Problem(
                "sweep_fusion.layers",
                f"{config.models.encoder} is not on this machine yet, so how many layers it has is "
                "not known; name the layers, counted from 0: [0, 1, 2, …]",
            )
        return
    for layer in options.layers or ():
        try:
            resolve_fusion_layer(layer, depth)
        except ValueError as error:
            yield Problem("sweep_fusion.layers", f"{error} ({config.models.encoder})")
