"""What the two stages have in common as stages: paths, checks, fingerprints, progress."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from model_recipes.shared.config import PretrainingConfig
from model_recipes.shared.corpus import CorpusConfig
from model_recipes.shared.loop import LoopConfig, Progress
from pipeline.config import RunConfig
from pipeline.progress import Progress as RunProgress
from pipeline.stage import Problem
from stages.text_sources import TextSource

Options = TypeVar("Options", bound=PretrainingConfig)


def resolve_source(source: TextSource, config: RunConfig) -> TextSource:
    """The source with its paths made absolute by the rules of the configuration."""
    changes: dict[str, Any] = {"path": config.path(str(source.path))}
    if source.second_path is not None:
        changes["second_path"] = config.path(str(source.second_path))
    return source.model_copy(update=changes)


def resolve_corpus(corpus: CorpusConfig, config: RunConfig) -> CorpusConfig:
    """The corpus with all its paths made absolute."""
    return corpus.model_copy(
        update={
            name: tuple(resolve_source(source, config) for source in getattr(corpus, name))
            for name in ("parallel", "monolingual", "evaluation")
        }
    )


def resolve_start(options: Options, config: RunConfig) -> Options:
    """The options with the folder that training starts from made absolute."""
    if options.start_from is None:
        return options
    return options.model_copy(update={"start_from": config.path(str(options.start_from))})


def missing_start(stage: str, options: PretrainingConfig, config: RunConfig) -> Iterator[Problem]:
    """A problem if training is to start from a folder that holds no model."""
    folder = resolve_start(options, config).start_from
    if folder is not None and not (folder / "config.json").is_file():
        yield Problem(f"{stage}.start_from", f"no model in {folder} (no config.json)")


def start_files(options: PretrainingConfig, config: RunConfig) -> dict[str, Path]:
    """The folder that training starts from, for the fingerprint of a task."""
    folder = resolve_start(options, config).start_from
    return {} if folder is None else {"start_from": folder}


def source_files(sources: Sequence[TextSource]) -> Iterator[Path]:
    """The files of some sources."""
    for source in sources:
        yield source.path
        if source.second_path is not None:
            yield source.second_path


def missing_files(key: str, sources: Sequence[TextSource], config: RunConfig) -> Iterator[Problem]:
    """One problem for each file that is not there."""
    for index, source in enumerate(sources):
        for path in source_files([resolve_source(source, config)]):
            if not path.is_file():
                yield Problem(f"{key}[{index}].path", f"file not found: {path}")


def files_by_name(sources: Sequence[TextSource], config: RunConfig) -> dict[str, Path]:
    """The files of some sources under the names they have in the configuration."""
    return {str(name): config.path(str(name)) for name in source_files(sources)}


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
