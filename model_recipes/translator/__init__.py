"""Trains a multilingual translator from parallel text, for languages that have none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from model_recipes.translator.config import TrainTranslatorConfig
from pipeline.config import RunConfig
from pipeline.stage import Context, Output, Problem, RunStage, Task

if TYPE_CHECKING:
    from pipeline.artifacts import Artifact


class TrainTranslatorStage(RunStage):
    """See the module."""

    name = "train_translator"
    version = "3"
    config_type = TrainTranslatorConfig
    about = "train a small multilingual translator from parallel text"
    standalone = True

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        """Return the one task."""
        return [Task(self.name, "all", "model")]

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Check that there is parallel text, and that all files are there."""
        from model_recipes.shared.running import missing_files, missing_start

        options = config.section(self.name, TrainTranslatorConfig)
        if not options.corpus.parallel:
            yield Problem(f"{self.name}.corpus.parallel", "name at least one file of pairs")
        yield from missing_start(self.name, options, config)
        for key in ("parallel", "monolingual", "evaluation"):
            sources = getattr(options.corpus, key)
            yield from missing_files(f"{self.name}.corpus.{key}", sources, config)
        yield from missing_files(f"{self.name}.gazetteer", options.gazetteer, config)
        for index, path in enumerate(options.places):
            if not config.path(str(path)).is_file():
                yield Problem(
                    f"{self.name}.places[{index}]", f"file not found: {config.path(str(path))}"
                )

    def files(self, config: RunConfig, task: Task) -> Mapping[str, Path]:
        """Return all text files."""
        from model_recipes.shared.running import files_by_name, start_files

        options = config.section(self.name, TrainTranslatorConfig)
        texts = (*options.corpus.sources, *options.gazetteer)
        places = {str(path): config.path(str(path)) for path in options.places}
        return {**files_by_name(texts, config), **places, **start_files(options, config)}

    def run(self, inputs: Mapping[str, Artifact], out: Output, context: Context) -> None:
        """Train; continues from the checkpoint in the work folder."""
        from model_recipes.shared.running import (
            resolve_corpus,
            resolve_source,
            resolve_start,
            shown_progress,
        )
        from model_recipes.translator.training import train_translator

        given = context.config.section(self.name, TrainTranslatorConfig)
        options = resolve_start(given, context.config).model_copy(
            update={
                "corpus": resolve_corpus(given.corpus, context.config),
                "gazetteer": tuple(resolve_source(s, context.config) for s in given.gazetteer),
                "places": tuple(context.config.path(str(path)) for path in given.places),
            }
        )
        with shown_progress(context.progress, "train_translator", options.loop) as progress:
            report = train_translator(
                options, out.folder, context.work_dir, seed=context.seed, progress=progress
            )
        context.notes.update(report)


STAGE = TrainTranslatorStage()
