"""Stage ``align``: word links between source sentences and their translations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.artifacts import Artifact
from pipeline.config import RunConfig
from pipeline.errors import ConfigError
from pipeline.inputs import Inputs
from pipeline.stage import Problem, Ref, RowStage, Task, Worker
from stages.align.config import AlignConfig

if TYPE_CHECKING:
    from pipeline.progress import Progress
    from stages.align.context import AlignmentContext
    from stages.align.kinds.member import Resolved


class AlignStage(RowStage[AlignConfig]):
    """Aligns everything that was translated, in either direction."""

    name = "align"
    version = "10"
    about = "link the words of source and translation"
    reasons: ClassVar[Mapping[str, str]] = {
        "unaligned": "the aligner found no link",
    }
    batch_option = "align.batch_tokens"

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        """One task per unit of ``translate``."""
        from stages.registry import STAGES

        return [self._task(config, task) for task in STAGES["translate"].tasks(config)]

    def _task(self, config: RunConfig, translated: Task) -> Task:
        options = {k: translated.options[k] for k in ("direction", "source", "target")}
        with suppress(ConfigError):  # which check tells
            # What auto found is part of what was done: eflomal may be installed tomorrow.
            resolved = self._resolved(config, options)
            options["members"] = [m.model_dump(mode="json") for m in resolved.members]
            options["combine"] = resolved.combine
        return Task(
            self.name,
            translated.unit,
            "alignments",
            {"translations": Ref(translated.stage, translated.unit)},
            {},
            translated.lang,
            options,
            uses=(),
        )

    def _resolved(self, config: RunConfig, options: Mapping[str, Any]) -> Resolved:
        from stages.align.planning import resolve

        return resolve(self.options(config), _context(config, options))

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Find missing models, layers that do not exist, and languages a translator lacks."""
        from stages.align.planning import problems

        for task in tasks:
            yield from problems(self.options(config), _context(config, task.options))

    def models(self, config: RunConfig, task: Task) -> Mapping[str, str]:
        """Return the models of the aligners."""
        from stages.align.planning import model_name

        context = _context(config, task.options)
        members = self._resolved(config, task.options).members
        names = {f"model {k}": model_name(member, context) for k, member in enumerate(members)}
        return {key: name for key, name in names.items() if name is not None}

    def files(self, config: RunConfig, task: Task) -> Mapping[str, Path | str]:
        """The content of further text decides the result, too, where it is learnt from."""
        from stages.align.text import used_files

        files, context = super().files(config, task), _context(config, task.options)
        if any(m.made.learns for m in self._resolved(config, task.options).members):
            files = {**files, **used_files(self.options(config).parallel, context)}
        return files

    def collect(
        self,
        config: RunConfig,
        task: Task,
        inputs: Inputs[Artifact],
        folder: Path,
        progress: Progress,
    ) -> None:
        """Let the aligners that learn from the corpus see all of it."""
        from stages.align.build import learn
        from stages.align.kinds.base import PairsToLearn
        from stages.align.planning import plan
        from stages.align.text import read_pairs
        from stages.translate.cleaning import clean_words

        options, context = self.options(config), _context(config, task.options)
        if not any(m.made.learns for m in self._resolved(config, task.options).members):
            return

        def own() -> Iterator[tuple[list[str], list[str]]]:
            for data in inputs["translations"].tables():
                columns = data.select(["source_words", "words"]).to_pydict()
                for source, target in zip(columns["source_words"], columns["words"], strict=True):
                    yield clean_words(source), clean_words(target)

        pairs = PairsToLearn(
            own,
            lambda: read_pairs(options.parallel, context),
            inputs["translations"].num_rows,
            progress,
        )
        learn(plan(options, context), pairs, folder)

    def facts(self, config: RunConfig, task: Task) -> Mapping[str, Any]:
        """Return the precision that an encoder was computed in, if one was."""
        from stages.align.kinds.encoder import EncoderKind

        kinds = [m.made for m in self._resolved(config, task.options).members]
        device = self.options(config).device
        found = {k.precision(device) for k in kinds if isinstance(k, EncoderKind)}
        return {"precision": " and ".join(sorted(found))} if found else {}

    def worker(
        self, config: RunConfig, task: Task, side: Mapping[str, Path]
    ) -> Callable[[], Worker]:
        """Return the factory of the workers of one task."""
        from stages.align.planning import plan
        from stages.align.worker import load_worker

        planned = plan(self.options(config), _context(config, task.options))
        return partial(load_worker, planned, side["collected"])


def _context(config: RunConfig, options: Mapping[str, str]) -> AlignmentContext:
    from stages.align.context import AlignmentContext

    source, target = options["source"], options["target"]
    return AlignmentContext(
        source,
        target,
        config.models.encoder,
        config.models.translator_for(source, target, config.source),
        config.config_dir,
    )


STAGE = AlignStage()
