"""Stage ``sweep_fusion``: which lower layer is worth fusing with the last one.

Trains a zero-shot tagger for every lower layer and seed, scores each on source dev and on every
target language, and compares the fused ones with the last layer alone: the central figure of
arXiv 2205.08497.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import RunConfig
from pipeline.models import locate
from pipeline.stage import Context, Output, Problem, RunStage, Task
from stages.sweep_fusion.config import SweepFusionConfig
from stages.sweep_fusion.plan import check_sweep, summary_task, training_tasks

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.artifacts import Artifact


class SweepFusionStage(RunStage):
    """One task per fusion, layer and seed, and one that sums them up (see the module)."""

    name = "sweep_fusion"
    version = "3"
    config_type = SweepFusionConfig
    about = "train a tagger per fusion layer and seed, and find the layer that helps"
    standalone = True

    def options(self, config: RunConfig) -> SweepFusionConfig:
        """Return the section ``sweep_fusion``."""
        return config.section(self.name, SweepFusionConfig)

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        """Return the trainings and the summary."""
        trainings = training_tasks(config, self.options(config))
        return [*trainings, summary_task(config, self.options(config), trainings)]

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Find missing data, an encoder of the wrong kind, a layer that does not exist."""
        yield from check_sweep(config, self.options(config))

    def files(self, config: RunConfig, task: Task) -> Mapping[str, Path | str]:
        """The encoder decides the result of a training."""
        if task.unit == "all":
            return {}
        return {"encoder": locate(config.models.encoder, config.config_dir).identity}

    def fetch(self, config: RunConfig, tasks: Sequence[Task]) -> None:
        """Download the encoder if it is a hub id that is not here."""
        locate(config.models.encoder, config.config_dir).download()

    def run(self, inputs: Mapping[str, Artifact], out: Output, context: Context) -> None:
        """Train and score one tagger, or sum up."""
        if context.task.unit == "all":
            from stages.sweep_fusion.figure import draw
            from stages.sweep_fusion.summary import summarise

            draw(summarise(inputs, out.folder, context), out.folder / "sweep.png")
        else:
            from stages.sweep_fusion.trial import run_trial

            run_trial(inputs, out.folder, context)

    def summary(self, config: RunConfig, artifact: Artifact) -> RenderableType | None:
        """Return the comparison, for the end of a run."""
        if artifact.manifest.unit != "all":
            return None
        from stages.sweep_fusion.terminal import shown

        return shown(artifact.folder)


STAGE = SweepFusionStage()
