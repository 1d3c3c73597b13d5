"""Runs the self-training of one student of a run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from pipeline.artifacts import Artifact
from pipeline.config import RunConfig
from pipeline.inputs import Inputs
from pipeline.models import locate
from pipeline.stage import Context
from stages.experiment import labels_by_crop
from stages.project.config import ProjectConfig
from stages.self_train.config import SelfTrainConfig
from stages.self_train.crop import BackTranslate, Crop
from stages.self_train.rounds import SelfTraining, best_round
from stages.train.run import note_result
from stages.translate.base import BaseTranslator
from stages.translate.checks import translator_kind


def self_train_unit(inputs: Inputs[Artifact], folder: Path, context: Context) -> None:
    """Train the student of ``context.task`` into ``folder``."""
    config, task = context.config, context.task
    options = config.section("self_train", SelfTrainConfig)
    languages = list(task.options["languages"])
    by_crop = labels_by_crop(config, str(task.options["arm"]))
    crop = {lang: _crop(config, options, inputs, lang) for lang in languages if by_crop}
    teachers = {lang: teacher_folders(inputs, lang) for lang in languages}
    rounds = SelfTraining(inputs, context, crop).run(teachers)
    chosen = best_round(rounds)
    shutil.copytree(chosen.folder, folder, dirs_exist_ok=True)
    note_result(context, chosen.result, chosen.counts)
    for reason, count in chosen.drops.items():
        context.drop(reason, count)
    context.notes["rounds"] = [
        {"round": r.number, "selection_f1": r.result.best_f1, "steps": r.result.steps}
        for r in rounds
    ]
    context.notes["chosen_round"] = chosen.number


def _crop(config: RunConfig, options: SelfTrainConfig, inputs: Inputs[Artifact], lang: str) -> Crop:
    back = _back_translator(config, lang) if options.crop_projection == "markers" else None
    return Crop(
        inputs.one("translations", lang),
        inputs.one("alignments", lang),
        config.section("project", ProjectConfig),
        config.config_dir,
        back,
    )


def _back_translator(config: RunConfig, lang: str) -> BackTranslate:
    """Return a function that translates marked source text to a language, the best hypothesis."""
    name = config.models.translator_for(config.source, lang, config.source)
    assert name is not None, "checked before the run"
    kind = translator_kind(config).to_one()
    loaded: list[BaseTranslator] = []

    def translate(texts: Sequence[str]) -> list[str | None]:
        if not loaded:
            found = locate(name, config.config_dir)
            folder = found.download()
            loaded.append(kind.load(folder, config.source, lang, name=found.name))
        return [h[0].text if h[0].reason is None else None for h in loaded[0].translate(texts)]

    return translate


def teacher_folders(inputs: Inputs[Artifact], lang: str) -> list[Path]:
    """Return the folders of the teachers of a language: joint ones, and those of its own."""
    teachers = inputs.all("teacher").items()
    return [found.folder for (_, *of), found in teachers if of in ([], [lang])]
