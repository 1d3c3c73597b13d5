"""Runs the training of one tagger of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.artifacts import Artifact
from pipeline.config import RunConfig
from pipeline.inputs import Inputs
from pipeline.models import locate
from pipeline.stage import Context, Task
from stages.experiment import experiment
from stages.tagger.labels import LabelSet, entity_types
from stages.train.recipe import (
    encoder_of,
    head_fields,
    read_dev,
    read_examples,
    train_options,
)
from stages.train.trainer import TrainingResult
from stages.train.training import train_tagger


def train_unit(inputs: Inputs[Artifact], folder: Path, context: Context) -> None:
    """Train the tagger of ``context.task`` into ``folder``; note the result in the manifest."""
    config, task = context.config, context.task
    options = train_options(config)
    seed = int(task.options["seed"])
    counts = Counter[str]()
    result = train_tagger(
        options,
        read_examples(options, inputs, seed, counts, config.labels.ignore),
        read_dev(options, inputs),
        folder,
        context.work_dir,
        encoder=encoder_of(config, inputs),
        labels=LabelSet.of_types(entity_types(config, inputs)).names,
        seed=seed,
        head=head_fields(options, experiment(config).recipes[task.options["arm"]].fused),
        provenance=provenance(config, task, inputs),
        progress=context.progress,
        title=f"train {task.unit}",
    )
    note_result(context, result, counts)


def note_result(context: Context, result: TrainingResult, counts: Mapping[str, int]) -> None:
    """Put counters and facts of a training into the manifest."""
    for name, count in (*counts.items(), *result.counts.items()):
        context.count(name, count)
    context.notes |= {
        "steps": result.steps,
        "planned_steps": result.planned_steps,
        "best_step": result.best_step,
        "dev_f1": result.best_f1,
        "learning_rate": result.learning_rate,
        "layer_decay": result.layer_decay,
        "temperature": result.temperature,
        "precision": result.precision,
        "device": result.device,
    }


def provenance(config: RunConfig, task: Task, inputs: Inputs[Artifact]) -> dict[str, Any]:
    """Return the facts for the model card of the tagger that a task trains."""
    arm, seed = str(task.options["arm"]), int(task.options["seed"])
    options = train_options(config)
    notes = []
    if options.select == "target_dev":
        notes.append(
            "The weights were chosen on labelled target-language sentences: this is not zero-shot."
        )
    if "encoder" in inputs:
        notes.append("The encoder was trained further by masked-LM before (stage adapt).")
    encoder = config.models.encoder
    local = locate(encoder, config.config_dir).path
    return {
        "name": f"{config.name}: {arm}, seed {seed}",
        "arm": arm,
        "about": experiment(config).recipes[arm].about,
        "encoder": local.name if local is not None and "/" in encoder else encoder,
        "source": ", ".join(options.sources or config.sources),
        "languages": [*(options.sources or config.sources), *task.options["languages"]],
        "data": {name: f"{a.num_rows} rows" for name, a in inputs.items() if a.manifest.parts},
        "training": {
            "seed": seed,
            "batch size": options.batch_size * options.gradient_accumulation,
            "updates" if options.max_steps else "epochs": options.max_steps or options.epochs,
        },
        "notes": notes,
    }
