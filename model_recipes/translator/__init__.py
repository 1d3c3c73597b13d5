"""Trains a multilingual translator from parallel text, for languages that have none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from model_recipes.shared.loop import Progress
from model_recipes.shared.running import RecipeStage
from model_recipes.translator.config import TrainTranslatorConfig
from pipeline.config import RunConfig
from pipeline.stage import Problem, Task


class TrainTranslatorStage(RecipeStage[TrainTranslatorConfig]):
    """See the module."""

    name = "train_translator"
    version = "3"
    about = "train a small multilingual translator from parallel text"

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Check that there is parallel text, and that all files are there."""
        if not self.options(config).corpus.parallel:
            yield Problem(f"{self.name}.corpus.parallel", "name at least one file of pairs")
        yield from super().check(config, tasks)

    def train(
        self,
        options: TrainTranslatorConfig,
        folder: Path,
        work: Path,
        *,
        seed: int,
        progress: Progress,
    ) -> dict[str, Any]:
        """See :func:`model_recipes.translator.training.train_translator`."""
        from model_recipes.translator.training import train_translator

        return train_translator(options, folder, work, seed=seed, progress=progress)


STAGE = TrainTranslatorStage()
