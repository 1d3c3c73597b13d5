"""The contract of a stage.

A stage declares its name, version, typed configuration, and the tasks it performs for a run; each
task names its inputs and what it writes. It does the work in one of two ways:

- :class:`RowStage`: rows are independent (translate, align, project, predict). ``worker`` returns a
  factory for a :class:`Worker`, which is built once per process (loads its model) and called with
  the tables of one part; the engine decides where workers run.
- :class:`RunStage`: everything else. ``run`` reads its inputs and writes into ``out``.

The modules ``stages/<name>/__init__.py`` that hold these classes must import in milliseconds:
import torch and its friends inside the worker or ``run``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, cast

from pipeline.artifacts import Artifact
from pipeline.config import RunConfig, StageConfig
from pipeline.inputs import Inputs
from pipeline.kinds import in_brackets
from pipeline.models import locate
from pipeline.output import Output as Output
from pipeline.task import Advance, Problem, Task, no_advance
from pipeline.task import OutputKind as OutputKind
from pipeline.task import Ref as Ref

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import RenderableType

    from pipeline.progress import Progress

C = TypeVar("C", bound=StageConfig)

SMALLEST_BATCH = 64
"""Tokens; below that a batch is hardly more than one sentence, and halving it no help."""


@dataclass(slots=True)
class Part:
    """What a worker is told about the part it is working on.

    Attributes:
        index: Number of the part, from 0.
        seed: Seed for all randomness within the part, derived from the run's seed, the task and
            the index: the same for every engine and worker count.
        advance: Call with a number of finished rows to move the progress bar.
        notes: For what was counted in the part; the manifest has the sums over the parts.
    """

    index: int
    seed: int
    advance: Advance = no_advance
    notes: dict[str, int] = field(default_factory=dict)


class Worker(Protocol):
    """Processes parts; built once per process."""

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        """Return the output rows for one part: a table of the task's kind (``schema.table``)."""


@dataclass(slots=True)
class Context:
    """What ``RunStage.run`` gets beside its inputs.

    Attributes:
        config: The whole configuration.
        task: The task.
        seed: Seed derived from the run's seed and the task.
        work_dir: Scratch folder that survives a kill; checkpoints go here. Deleted once the task
            is complete.
        progress: For progress bars.
        shared_dir: A folder that the tasks of a run share, for what several of them would compute;
            tasks may run side by side (:func:`pipeline.disk.made_once`). Deleted once the run is
            complete.
        counts: Free counters for the manifest, ``{"sentences_read": 7, …}``.
        drops: Dropped sentences or spans by reason (one that the stage declares).
        notes: Facts for the manifest (detected scheme, hardware …), JSON values.
        reasons: What may be dropped for: the stage's own (:attr:`Stage.reasons`) and those that it
            takes over (:attr:`Stage.counts_for`).
    """

    config: RunConfig
    task: Task
    seed: int
    work_dir: Path
    progress: Progress
    shared_dir: Path
    counts: dict[str, int] = field(default_factory=dict)
    drops: dict[str, int] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def count(self, name: str, n: int = 1) -> None:
        """Add ``n`` to a counter."""
        self.counts[name] = self.counts.get(name, 0) + n

    def drop(self, reason: str, n: int = 1) -> None:
        """Count ``n`` drops that no row of the output tells of (rows with a reason are counted).

        Raises:
            KeyError: If the stage has no such reason.
        """
        if reason not in self.reasons:
            raise KeyError(f"{reason!r} is no drop reason of the stage {self.task.stage}")
        self.drops[reason] = self.drops.get(reason, 0) + n


class Stage(ABC, Generic[C]):
    """What every stage declares; in brackets, the type of its section: ``RowStage[MyConfig]``."""

    name: ClassVar[str]
    version: ClassVar[str]
    """Raise it whenever the same inputs and options would give another result."""
    config_type: ClassVar[type[StageConfig]]
    """The type of its section; what the class is given in brackets."""
    about: ClassVar[str]
    """One line for ``--help`` and the plan."""
    reasons: ClassVar[Mapping[str, str]] = {}
    """Why it drops rows or spans: the closed list, with what each one means."""
    counts_for: ClassVar[tuple[str, ...]] = ()
    """Stages whose work it repeats on other text, so that it counts what is dropped for theirs."""
    standalone: ClassVar[bool] = False
    """Whether it runs only where ``stages`` names it (it is no part of the way to a report)."""
    goal: ClassVar[bool] = False
    """Whether its outputs are what a run is for; where a run has none of these, all that nothing
    else reads is."""
    batch_option: ClassVar[str | None] = None
    """Dotted name of the option that says how much is computed at once, if there is one: what to
    lower when memory runs out."""

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if "config_type" not in cls.__dict__ and (given := in_brackets(cls, StageConfig)):
            cls.config_type = given

    def options(self, config: RunConfig) -> C:
        """Return this stage's section of the configuration."""
        return cast("C", config.section(self.name, self.config_type))

    @abstractmethod
    def tasks(self, config: RunConfig) -> Sequence[Task]:
        """Return the tasks that this run needs of the stage (none is fine)."""

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Yield what is wrong with the configuration; must be quick and load no model.

        What is wrong for several tasks may be yielded for each: it is told once.
        """
        return iter(())

    def preview(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[str]:
        """Yield what can be told before anything runs, a line each; quick, loading no model.

        Raises:
            XlnerError: If a task is certain to fail.
        """
        return iter(())

    def notices(self, config: RunConfig, artifacts: Sequence[Artifact]) -> Iterator[str]:
        """Yield what to tell of the outputs of all tasks together, once they are there."""
        return iter(())

    def models(self, config: RunConfig, task: Task) -> Mapping[str, str]:
        """Return the models that a task loads, folders or hub ids, by what they are to it."""
        return {}

    def fetch(self, config: RunConfig, task: Task) -> None:
        """Bring what a task needs from the hub into the local cache, before anything runs."""
        for name in self.models(config, task).values():
            locate(name, config.config_dir).download()

    def files(self, config: RunConfig, task: Task) -> Mapping[str, Path | str]:
        """Return what else than options enters the fingerprint: input files, and the models.

        A string stands for itself: use it for what is not on this machine yet
        (:attr:`pipeline.models.ModelSource.identity`).
        """
        models = self.models(config, task)
        return {key: locate(name, config.config_dir).identity for key, name in models.items()}

    def passes(self, config: RunConfig, task: Task, rows: int) -> float:
        """Return how many sentences go through its models; one that it trains on counts three.

        For estimates of times alone: a guess will do.

        Args:
            config: The configuration of the task.
            task: The task.
            rows: How many rows it reads, about.
        """
        return rows

    def decides(self, config: RunConfig, task: Task) -> bool:
        """Return whether the stored output of a task can be decided anew.

        The runner then does so where only options changed that are ``deciding``, be they of the
        stage's own section or of the task's other ``sections``.
        """
        return bool(self.options(config).deciding)

    def summary(self, config: RunConfig, artifact: Artifact) -> RenderableType | None:
        """Return what is worth showing in the terminal at the end of a run, if anything."""
        return None


class RunStage(Stage[C]):
    """A stage that sees its inputs whole."""

    @abstractmethod
    def run(self, inputs: Inputs[Artifact], out: Output, context: Context) -> None:
        """Do the work of ``context.task``, writing into ``out``."""

    def decide(
        self,
        stored: Artifact,
        inputs: Inputs[Artifact],
        out: Output,
        context: Context,
    ) -> None:
        """Write what :meth:`run` would, from the scores in an older output; load no model.

        Only for stages whose :meth:`decides` says so.

        Args:
            stored: The output of the same task with other thresholds.
            inputs: As for :meth:`run`.
            out: Where to write.
            context: As for :meth:`run`.
        """
        raise NotImplementedError(f"{self.name} does not decide")


class RowStage(Stage[C]):
    """A stage that treats rows independently; part ``i`` of the input becomes part ``i``.

    What rows need to know of the whole corpus (renderings of an entity elsewhere, say) is gathered
    beforehand in :meth:`collect`, once, and handed to every worker.
    """

    default_batch: ClassVar[int] = 1024
    """What ``batch_option`` is where the configuration leaves it open."""

    def smaller(self, config: RunConfig, times: int) -> tuple[RunConfig, int] | None:
        """Return a configuration with a batch size that is halved so many times, and that size.

        Workers are built from it when memory runs out; ``None`` where it cannot be halved further.
        Where batch sizes are not shown to be neutral, the manifest says which parts it was.
        """
        if self.batch_option is None:
            return None
        section, _, key = self.batch_option.partition(".")
        options = self.options(config)
        given = options.model_dump()
        if key not in given:  # of a kind that has no batches
            return None
        size = (given[key] or self.default_batch) >> times
        if section != self.name or size < SMALLEST_BATCH:
            return None
        changed = options.model_copy(update={key: size})
        return config.model_copy(update={section: changed}), size

    def collect(
        self,
        config: RunConfig,
        task: Task,
        inputs: Inputs[Artifact],
        folder: Path,
        progress: Progress,
    ) -> None:
        """Gather corpus-wide facts into files in ``folder``, before any worker runs; optional.

        Must stream over the inputs (``Artifact.tables()``), be deterministic, and show how far it
        is where it may take long.
        """

    def facts(self, config: RunConfig, task: Task) -> Mapping[str, Any]:
        """Return what the manifest says of how rows are made on this machine; JSON values."""
        return {}

    def remark(self, counts: Mapping[str, int]) -> str | None:
        """Return what to warn of, given the sums of what workers noted, if there is anything."""
        return None

    def decider(self, config: RunConfig, task: Task) -> Callable[[], Worker]:
        """Return a picklable factory of workers that decide stored rows anew; loads no model.

        They get the inputs and, as ``stored``, the rows of an output that was made with other
        thresholds, and return the rows that :meth:`worker` would give. Only for stages whose
        :meth:`decides` says so.
        """
        raise NotImplementedError(f"{self.name} does not decide")

    @abstractmethod
    def worker(
        self, config: RunConfig, task: Task, side: Mapping[str, Path]
    ) -> Callable[[], Worker]:
        """Return a picklable factory that builds the worker (and loads its model).

        Args:
            config: The whole configuration.
            task: The task.
            side: Folders of the task's ``side_inputs`` by name, and ``"collected"``: the folder
                that :meth:`collect` filled.
        """
