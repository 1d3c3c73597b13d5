"""Does what is not up to date in a run."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import RenderableType

from pipeline import capacity
from pipeline.artifacts import CONFIG, Artifact
from pipeline.config import RunConfig
from pipeline.disk import write_atomic
from pipeline.doing import Doer, engine_of
from pipeline.engine.memory import libraries_aside
from pipeline.errors import ConfigError, DamagedError
from pipeline.manifest import MADE_AGAIN, MANIFEST
from pipeline.plan import TODO, Planner, Selection, Step
from pipeline.progress import Progress
from pipeline.registry import Registry
from pipeline.slots import Here, Processes, Slots
from pipeline.stage import Ref
from pipeline.step_process import Setup, StepProcess
from pipeline.work import Work

_NAMED = 10  # damaged files that an error names one by one


@dataclass(slots=True)
class Result:
    """What a run did.

    Attributes:
        steps: The plan that was carried out.
        done: The outputs that were written, in order.
        folder: The run folder.
    """

    steps: list[Step]
    done: list[Artifact] = field(default_factory=list)
    folder: Path = Path()


class Runner(Planner):
    """Carries out one configured run; see :class:`pipeline.plan.Planner` for most arguments.

    Args:
        config: The configuration.
        runs_dir: Folder that holds the runs.
        progress: Where to show progress; default: standard error.
        registry: The stages that there are.
        jobs: How many tasks run side by side, in processes of their own where it is more than one;
            default: the ``jobs`` of the configuration, or else one, and on a Ray cluster as many
            trainings as find a place. The results are the same.
    """

    def __init__(
        self,
        config: RunConfig,
        runs_dir: Path,
        progress: Progress | None,
        registry: Registry,
        jobs: int | None = None,
    ) -> None:
        super().__init__(config, runs_dir, progress, registry)
        self.jobs = jobs or config.jobs

    def run(self, selection: Selection | None = None) -> Result:
        """Check, plan, and do what is not up to date.

        Raises:
            ConfigError: If the configuration is wrong, or a stage outside the selection is needed
                but not up to date.
            DamagedError: If files of the run are not what was written; they are named.
            LockedError: If another process works on the same run.
        """
        selection = selection or Selection()
        selected = selection.stages(self.registry)
        tasks = self.tasks()
        if not tasks:
            raise ConfigError(
                "this configuration gives no stage anything to do: name data.test and arms, or "
                "list the stages under 'stages'"
            )
        self.check(tasks)
        for task in (t for t in tasks if t.stage in selected):
            self.registry[task.stage].fetch(self.configured(task), task)
        with self.folder.lock():
            self.folder.tidy()
            steps = self.plan(tasks, selection)
            self._refuse_damage(steps)
            self._require(steps)
            self._save_config()
            result = Result(steps, folder=self.folder.path)
            for step in steps:
                if step.state == "up to date":
                    self.folder.drop_partial(step.task.ref, step.fingerprint)
            self._carry_out(steps, selection, result)
            if self.folder.shared.exists():
                shutil.rmtree(self.folder.shared)
            return result

    def _carry_out(self, steps: Sequence[Step], selection: Selection, result: Result) -> None:
        todo = [s for s in steps if s.state in TODO]
        devices = capacity.devices(self.config)
        threads = capacity.threads(self.config)
        trainings = sum(s.task.kind == "model" for s in todo)
        ray = self.config.engine == "ray"
        jobs = min(self.jobs or 1, len(todo))
        several = jobs > 1 and not ray
        on_ray = ray and trainings > 1 and self.jobs != 1
        work = Work(self, steps, selection, result.done, side_by_side=several or on_ray)
        with contextlib.ExitStack() as stack:
            stack.enter_context(libraries_aside())
            stack.callback(work.sweep)  # once everything has ended
            stack.callback(self.folder.sweep_shared)
            if several:
                setup = self._setup()
                gpus: list[str | None] = [*devices] or [None]
                slots: Slots = Processes(
                    lambda n: StepProcess(setup, gpus[n % len(gpus)], threads),
                    jobs,
                    self.progress,
                )
            else:
                stack.enter_context(capacity.share(threads, devices[0] if devices else None))
                slots = self._on_ray(threads, trainings) if on_ray else self._here()
            stack.callback(slots.stop)
            work.carry_out(slots)

    def _here(self) -> Here:
        engine = engine_of(self.config)
        return Here(Doer(self.registry, self.folder, engine, self.progress), self.folder)

    def _setup(self) -> Setup:
        level = logging.getLogger("pipeline").getEffectiveLevel()
        return Setup(self.registry, self.folder.path.absolute(), level)

    def _on_ray(self, threads: int, trainings: int) -> Slots:
        from pipeline.engine.cluster import Cluster
        from pipeline.ray_places import OnRay

        cluster = Cluster(self.config.ray)
        try:
            count = min(trainings, self.jobs or cluster.trainings())
            share = cluster.training_share(threads)
        except BaseException:
            cluster.leave()
            raise
        return OnRay(cluster, self._setup(), count, share, self._here(), self.progress)

    def _refuse_damage(self, steps: Sequence[Step]) -> None:
        """Stop before anything is built on damaged files, or called up to date beside them."""
        damaged = [(s.task.ref, d) for s in steps if s.state == "damaged" for d in s.damage]
        if not damaged:
            return
        told = [
            d.what if d.name == MANIFEST else f"{self.folder.folder(ref) / d.name} {d.what}"
            for ref, d in damaged[:_NAMED]
        ]
        if len(damaged) > _NAMED:
            told.append(f"and {len(damaged) - _NAMED} more files are damaged")
        if any(d.name != MANIFEST for _, d in damaged):
            told.append(f"put back what was changed; else: {MADE_AGAIN}")
        raise DamagedError("\n".join(told))

    def _require(self, steps: Sequence[Step]) -> None:
        by_ref = {s.task.ref: s for s in steps}
        for step in steps:
            if step.state not in TODO:
                continue
            for ref in step.task.reads:
                if by_ref[ref].stale:
                    stale = set(_stale(ref, by_ref))
                    first = min(stale, key=self.registry.rank)
                    alone = f", or run_stage {first} first" if len(stale) == 1 else ""
                    raise ConfigError(
                        f"{step.task.ref} needs {ref}, which is not up to date "
                        f"({by_ref[ref].why}); start from an earlier stage: "
                        f"run_pipeline --from {first}{alone}"
                    )

    def _save_config(self) -> None:
        text = json.dumps(self.config.model_dump(mode="json"), indent=2, ensure_ascii=False)
        write_atomic(self.folder.path / CONFIG, text.encode())

    def previews(self, steps: Sequence[Step]) -> Iterator[str]:
        """Yield what the stages of a plan can tell before anything runs."""
        for name in dict.fromkeys(s.task.stage for s in steps):
            tasks = [s.task for s in steps if s.task.stage == name]
            yield from self.registry[name].preview(self.config, tasks)

    def notices(self, steps: Sequence[Step]) -> Iterator[str]:
        """Yield what the stages of a run tell of all their outputs, of those that have all."""
        current = [step for step in steps if not step.stale]
        for name in dict.fromkeys(s.task.stage for s in current):
            found = [self.folder.artifact(s.task.ref) for s in current if s.task.stage == name]
            artifacts = [artifact for artifact in found if artifact is not None]
            if len(artifacts) == len(found):
                yield from self.registry[name].notices(self.config, artifacts)

    def summaries(self, steps: Sequence[Step]) -> list[RenderableType]:
        """Return what the stages of a run want to show in the terminal at its end.

        What is out of date, and was not to be done, is left out.
        """
        shown = []
        for step in steps:
            found = None if step.stale else self.folder.artifact(step.task.ref)
            if found is not None:
                renderable = self.registry[step.task.stage].summary(self.config, found)
                if renderable is not None:
                    shown.append(renderable)
        return shown


def _stale(ref: Ref, steps: Mapping[Ref, Step]) -> Iterator[str]:
    """Yield the stages of a task and of all that it reads that are not up to date."""
    if not steps[ref].stale:
        return
    yield ref.stage
    for need in steps[ref].task.reads:
        yield from _stale(need, steps)
