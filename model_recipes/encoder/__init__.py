"""Pre-trains a multilingual encoder from plain and parallel text, for languages that have none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from model_recipes.encoder.config import PretrainEncoderConfig
from pipeline.config import RunConfig
from pipeline.stage import Context, Output, Problem, RunStage, Task

if TYPE_CHECKING:
    from pipeline.artifacts import Artifact


class PretrainEncoderStage(RunStage):
    """See the module."""

    name = "pretrain_encoder"
    version = "2"
    config_type = PretrainEncoderConfig
    about = "pre-train a small multilingual encoder from plain and parallel text"
    standalone = True

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        """Return the one task."""
        return [Task(self.name, "all", "model")]

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Check that there is text, and that all files are there."""
        from model_recipes.shared.running import missing_files, missing_start

        options = config.section(self.name, PretrainEncoderConfig)
        yield from missing_start(self.name, options, config)
        corpus = options.corpus
        if not corpus.parallel and not corpus.monolingual:
            yield Problem(f"{self.name}.corpus", "name files under parallel, monolingual, or both")
        for key in ("parallel", "monolingual", "evaluation"):
            sources = getattr(corpus, key)
            yield from missing_files(f"{self.name}.corpus.{key}", sources, config)

    def files(self, config: RunConfig, task: Task) -> Mapping[str, Path]:
        """Return all text files."""
        from model_recipes.shared.running import files_by_name, start_files

        options = config.section(self.name, PretrainEncoderConfig)
        return {
            **files_by_name(options.corpus.sources, config),
            **start_files(options, config),
        }

    def run(self, inputs: Mapping[str, Artifact], out: Output, context: Context) -> None:
        """Train; continues from the checkpoint in the work folder."""
        from model_recipes.encoder.training import pretrain_encoder
        from model_recipes.shared.running import resolve_corpus, resolve_start, shown_progress

        given = context.config.section(self.name, PretrainEncoderConfig)
        options = resolve_start(given, context.config).model_copy(
            update={"corpus": resolve_corpus(given.corpus, context.config)}
        )
        with shown_progress(context.progress, "pretrain_encoder", options.loop) as progress:
            report = pretrain_encoder(
                options, out.folder, context.work_dir, seed=context.seed, progress=progress
            )
        context.notes.update(report)


STAGE = PretrainEncoderStage()
