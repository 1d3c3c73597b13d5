"""Pre-trains a multilingual encoder from plain and parallel text, for languages that have none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from model_recipes.encoder.config import PretrainEncoderConfig
from model_recipes.shared.running import RecipeStage
from pipeline.config import RunConfig
from pipeline.stage import Problem, Task


class PretrainEncoderStage(RecipeStage[PretrainEncoderConfig]):
    """See the module."""

    name = "pretrain_encoder"
    version = "2"
    about = "pre-train a small multilingual encoder from plain and parallel text"
    trainer = "model_recipes.encoder.training:pretrain_encoder"

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Check that there is text, and that all files are there."""
        corpus = self.options(config).corpus
        if not corpus.parallel and not corpus.monolingual:
            yield Problem(f"{self.name}.corpus", "name files under parallel, monolingual, or both")
        yield from super().check(config, tasks)


STAGE = PretrainEncoderStage()
