"""What the two recipes have in common as stages: one task, checks of files, progress."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, TypeVar

from model_recipes.shared.config import PretrainingConfig
from model_recipes.shared.loop import LoopConfig, Progress
from pipeline.artifacts import Artifact
from pipeline.config import RunConfig
from pipeline.progress import Progress as RunProgress
from pipeline.resources import located, paths_in
from pipeline.stage import Context, Output, Problem, RunStage, Task

Options = TypeVar("Options", bound=PretrainingConfig)
_START = "start_from"


class RecipeStage(RunStage[Options]):
    """Makes a model from text; whatever it reads is a path among its options.

    Attributes:
        trainer: The function that trains and saves it, as ``"module:function"``; it gets the
            options, the folder of the model, one for its work, the seed, and whom to tell how far
            it is, and returns what it did, for the manifest.
    """

    trainer: ClassVar[str]
    standalone = True

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        """Return the one task."""
        return [Task(self.name, "all", "model")]

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Find files that are not there, and a folder to start from that holds no model."""
        for key, path in paths_in(located(self.options(config), config.config_dir)):
            if key == _START and not (path / "config.json").is_file():
                yield Problem(f"{self.name}.{key}", f"no model in {path} (no config.json)")
            elif key != _START and not path.is_file():
                yield Problem(f"{self.name}.{key}", f"file not found: {path}")

    def files(self, config: RunConfig, task: Task) -> Mapping[str, Path | str]:
        """Return all that is read, under the names that it has in the configuration."""
        return {
            key if key == _START else str(name): located(name, config.config_dir)
            for key, name in paths_in(self.options(config))
        }

    def run(self, inputs: Mapping[str, Artifact], out: Output, context: Context) -> None:
        """Train; continues from the checkpoint in the work folder."""
        options = located(self.options(context.config), context.config.config_dir)
        with shown_progress(context.progress, self.name, options.loop) as progress:
            train = pkgutil.resolve_name(self.trainer)
            report = train(
                options, out.folder, context.work_dir, seed=context.seed, progress=progress
            )
        context.notes.update(report)


@contextmanager
def shown_progress(shown: RunProgress, label: str, loop: LoopConfig) -> Iterator[Progress]:
    """A progress bar over whichever budget there is: steps, or else seconds."""
    by_steps = loop.max_steps is not None
    total = loop.max_steps if loop.max_steps is not None else 60 * (loop.max_minutes or 0)
    with shown.task(label, total=total, unit="steps" if by_steps else "seconds") as bar:
        done = 0.0

        def report(figures: dict[str, float]) -> None:
            nonlocal done
            now = figures["step"] if by_steps else figures["seconds"]
            bar.advance(now - done)
            done = now
            bar.note(
                f"step {figures['step']:.0f}, loss {figures['loss']:.3f}, "
                f"{figures['targets_per_second']:,.0f} targets/s"
            )

        yield report
