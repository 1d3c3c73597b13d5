"""Trains a multilingual translator from parallel text, for languages that have none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from model_recipes.shared.running import RecipeStage
from model_recipes.translator.config import TrainTranslatorConfig
from pipeline.config import RunConfig
from pipeline.stage import Problem, Task


class TrainTranslatorStage(RecipeStage[TrainTranslatorConfig]):
    """See the module."""

    name = "train_translator"
    version = "3"
    about = "train a small multilingual translator from parallel text"
    trainer = "model_recipes.translator.training:train_translator"

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Check that there is parallel text, and that all files are there."""
        if not self.options(config).corpus.parallel:
            yield Problem(f"{self.name}.corpus.parallel", "name at least one file of pairs")
        yield from super().check(config, tasks)


STAGE = TrainTranslatorStage()
