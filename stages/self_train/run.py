"""Runs the self-training of one student of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.arms import ARMS
from pipeline.artifacts import Artifact
from pipeline.models import locate
from pipeline.stage import Context
from stages.self_train.config import SelfTrainConfig
from stages.self_train.rounds import SelfTraining, best_round, copy_student, student_options
from stages.train.recipe import head_fields, read_dev, train_options
from stages.train.run import note_result, provenance


def self_train_unit(inputs: Mapping[str, Artifact], folder: Path, context: Context) -> None:
    """Train the student of ``context.task`` into ``folder``."""
    config, task = context.config, context.task
    options = config.section("self_train", SelfTrainConfig)
    train = student_options(options, train_options(config))
    arm, seed = str(task.options["arm"]), int(task.options["seed"])
    languages = list(task.options["languages"])
    data = {n: a for n, a in inputs.items() if not n.startswith(("teacher/", "dev"))}
    training = SelfTraining(
        options,
        train,
        data,
        read_dev(train, inputs),
        encoder=locate(config.models.encoder, config.config_dir).download(),
        head=head_fields(train, ARMS[arm].fused),
        seed=seed,
        context=context,
        provenance=provenance(config, arm, seed, languages, inputs),
    )
    teachers = {lang: teacher_folders(inputs, lang) for lang in languages}
    rounds = training.run(teachers)
    chosen = best_round(rounds)
    copy_student(chosen.folder, folder)
    note_result(context, chosen.result, chosen.counts)
    for reason, count in chosen.drops.items():
        context.drop(reason, count)
    context.notes["rounds"] = [
        {"round": r.number, "selection_f1": r.result.best_f1, "steps": r.result.steps}
        for r in rounds
    ]
    context.notes["chosen_round"] = chosen.number


def teacher_folders(inputs: Mapping[str, Artifact], lang: str) -> list[Path]:
    """Return the folders of the teachers of a language: joint ones, and those of its own."""
    return [
        artifact.folder
        for name, artifact in inputs.items()
        if name.startswith("teacher/") and (name.count("/") == 1 or name.endswith(f"/{lang}"))
    ]
