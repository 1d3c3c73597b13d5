"""Stage ``self_train``: students of projected labels and of what teachers make of other text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from pipeline.artifacts import Artifact
from pipeline.config import RunConfig
from pipeline.inputs import Inputs
from pipeline.stage import Context, Output, Problem, Ref, RunStage, Task
from stages.experiment import experiment, labels_by_crop
from stages.project.config import ProjectConfig, method_of
from stages.self_train.config import SelfTrainConfig
from stages.train.recipe import (
    TaggerUnit,
    check_training,
    passes,
    tagger_for,
    tagger_units,
    train_options,
    training_inputs,
)
from stages.translate.checks import translator_problem


class SelfTrainStage(RunStage[SelfTrainConfig]):
    """Trains one student per arm and seed on gold, projected and pseudo-labelled sentences."""

    name = "self_train"
    goal = True
    version = "6"
    about = "let taggers label synthetic and unlabelled text, and train students on it"
    reasons: ClassVar[Mapping[str, str]] = {
        "low_confidence": "the teacher is not sure enough",
        "disagreement": "the teacher and the projected label disagree",
    }
    counts_for = ("translate", "align", "project")  # labels by CROP's recipe
    batch_option = "train.batch_size"

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        """One task per student."""
        return [self._task(config, unit) for unit in tagger_units(config, "self_train")]

    def _task(self, config: RunConfig, unit: TaggerUnit) -> Task:
        inputs = training_inputs(config, unit)
        crop = labels_by_crop(config, unit.arm)
        for lang in unit.languages:
            text = f"unlabelled/{lang}" if crop else lang
            text = experiment(config).unit_of(unit.arm, "synthesize", text)
            inputs[f"synthetic/{lang}"] = Ref("synthesize", text)
            if crop:
                for stage in ("translate", "align"):
                    name = {"translate": "translations", "align": "alignments"}[stage]
                    inputs[f"{name}/{lang}"] = Ref(stage, f"to_source/unlabelled/{lang}")
            for teacher in unit.recipe.teachers:
                # By way of a translation it is source text that a teacher labels.
                outside = crop and experiment(config).recipes[teacher].kind == "external"
                found = tagger_for(config, teacher, unit.seed, config.source if outside else lang)
                # A teacher for all languages is one input, a teacher for each is one for each.
                joint = found.unit == f"{teacher}/seed-{unit.seed}"
                inputs[f"teacher/{teacher}" + ("" if joint else f"/{lang}")] = found.ref
        options = {"arm": unit.arm, "seed": unit.seed, "languages": list(unit.languages)}
        own = self.options(experiment(config).for_arm(unit.arm))
        if crop and own.crop_projection == "markers":
            options["translators"] = {
                lang: config.models.translator_for(config.source, lang, config.source) or ""
                for lang in unit.languages
            }
        return Task(
            self.name,
            unit.unit,
            "model",
            inputs,
            options=options,
            uses=("labels",),
            sections=("train", "project", "translate") if crop else ("train",),
            settings=unit.recipe.settings,
        )

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Find missing data, unknown types, an encoder of the wrong kind."""
        yield from check_training(config, tagger_units(config, "self_train"))
        for arm in dict.fromkeys(str(t.options["arm"]) for t in tasks):
            yield from self._check_arm(experiment(config).for_arm(arm), arm)

    def _check_arm(self, config: RunConfig, arm: str) -> Iterator[Problem]:
        known = experiment(config)
        first = known.recipes[known.recipes[arm].teachers[0]]
        if self.options(config).initialise == "teacher" and first.kind == "external":
            yield Problem(
                "self_train.initialise",
                f"the first teacher of {arm} is a tagger from elsewhere, which no student can "
                "start from; name one of ours first, or set it to encoder",
            )
        given = self.options(config).confidence
        types = config.labels.types
        if isinstance(given, Mapping) and types is not None:
            for name in given:
                if name not in types:
                    yield Problem(
                        "self_train.confidence",
                        f"unknown entity type {name!r}; allowed: {', '.join(types)}",
                    )
        if labels_by_crop(config, arm):
            yield from self._check_crop(config)

    def _check_crop(self, config: RunConfig) -> Iterator[Problem]:
        if self.options(config).crop_projection == "alignment":
            if method_of(config.section("project", ProjectConfig)).marked:
                yield Problem(
                    "project.method",
                    "'markers' cannot project the labels of translations that have no markers; "
                    "name another method, or set self_train.crop_projection: markers",
                )
            return
        for lang in config.languages:
            problem = translator_problem(config, config.source, lang)
            if problem:
                yield problem

    def models(self, config: RunConfig, task: Task) -> Mapping[str, str]:
        """Return the encoder, and the translators where it translates back."""
        back = {f"translator/{k}": v for k, v in task.options.get("translators", {}).items()}
        return {**back, "encoder": config.models.encoder}

    def passes(self, config: RunConfig, task: Task, rows: int) -> float:
        """The sentences of all updates of every round, and those that the teachers label."""
        rounds = self.options(config).rounds
        return rounds * (passes(train_options(config), rows) + rows)

    def run(self, inputs: Inputs[Artifact], out: Output, context: Context) -> None:
        """Train one student."""
        from stages.self_train.run import self_train_unit

        self_train_unit(inputs, out.folder, context)


STAGE = SelfTrainStage()
