"""Stage ``train``: layer-fused taggers on source, projected and gold data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipeline.artifacts import Artifact
from pipeline.config import RunConfig
from pipeline.inputs import Inputs
from pipeline.stage import Context, Output, Problem, RunStage, Task
from stages.train.config import TrainConfig
from stages.train.recipe import (
    TaggerUnit,
    check_training,
    passes,
    tagger_units,
    training_inputs,
)


class TrainStage(RunStage[TrainConfig]):
    """Trains one tagger per arm and seed, joint over the target languages or one for each."""

    name = "train"
    goal = True
    version = "7"
    about = "train the taggers (transformers' Trainer, layer fusion)"
    batch_option = "train.batch_size"

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        """One task per tagger."""
        return [self._task(config, unit) for unit in tagger_units(config, "train")]

    def _task(self, config: RunConfig, unit: TaggerUnit) -> Task:
        inputs = training_inputs(config, unit)
        options = {"arm": unit.arm, "seed": unit.seed, "languages": list(unit.languages)}
        return Task(
            self.name,
            unit.unit,
            "model",
            inputs,
            options=options,
            uses=("labels",),
            settings=unit.recipe.settings,
        )

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Find missing data, an encoder of the wrong kind, a layer that does not exist."""
        yield from check_training(config, tagger_units(config, "train"))

    def models(self, config: RunConfig, task: Task) -> Mapping[str, str]:
        """Return the encoder."""
        return {"encoder": config.models.encoder}

    def passes(self, config: RunConfig, task: Task, rows: int) -> float:
        """The sentences of all updates, forwards and backwards."""
        return passes(self.options(config), rows)

    def run(self, inputs: Inputs[Artifact], out: Output, context: Context) -> None:
        """Train one tagger."""
        from stages.train.run import train_unit

        train_unit(inputs, out.folder, context)


STAGE = TrainStage()
