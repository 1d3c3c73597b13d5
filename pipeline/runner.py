"""Plans a run, checks it, and does what is not up to date."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline import artifacts as store
from pipeline import engine as engines
from pipeline.artifacts import Artifact, FileHashes, Manifest, Partial, PartInfo, RunFolder
from pipeline.config import RunConfig
from pipeline.errors import ConfigError, XlnerError
from pipeline.output import DatasetOutput, FilesOutput
from pipeline.progress import Progress
from pipeline.registry import STAGES, Registry
from pipeline.schema import SCHEMAS
from pipeline.stage import Context, Ref, RowStage, RunStage, Task

if TYPE_CHECKING:
    from rich.console import RenderableType

State = Literal["up to date", "run", "resume", "not selected"]


@dataclass(slots=True)
class Step:
    """A task with what is to be done about it.

    Attributes:
        task: The task.
        fingerprint: Hash of ``identity``.
        identity: Everything that decides the result.
        state: What happens to it.
        why: The reason, for people.
    """

    task: Task
    fingerprint: str
    identity: dict[str, Any]
    state: State
    why: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of a run to do.

    Attributes:
        first: Name of the first stage (``--from``), if not all.
        last: Name of the last stage (``--until``), if not all.
        force: Do it again even where it is up to date.
    """

    first: str | None = None
    last: str | None = None
    force: bool = False

    def stages(self, registry: Registry) -> tuple[str, ...]:
        """Return the names of the selected stages.

        Raises:
            ConfigError: If a name is unknown or the order is reversed.
        """
        low = registry.rank(self.first) if self.first else 0
        high = registry.rank(self.last) if self.last else len(registry.names) - 1
        if low > high:
            raise ConfigError(f"--from {self.first} comes after --until {self.last}")
        return registry.names[low : high + 1]


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


class Runner:
    """Carries out one configured run.

    Args:
        config: The configuration.
        runs_dir: Folder that holds the runs.
        progress: Where to show progress; default: standard error.
        registry: The stages that there are.
    """

    def __init__(
        self,
        config: RunConfig,
        runs_dir: Path,
        progress: Progress | None = None,
        registry: Registry = STAGES,
    ) -> None:
        self.registry = registry
        self.config = config
        self.folder = RunFolder(runs_dir / config.name)
        self.progress = progress or Progress()
        self._hashes = FileHashes(runs_dir / ".hashes.json")

    # -- planning ---------------------------------------------------------------------------

    def tasks(self) -> list[Task]:
        """Return the tasks of this run, every task after those whose output it reads.

        Raises:
            ConfigError: If a stage is unknown, or one that another needs is not in ``stages``.
        """
        named = self.config.stages
        for name in named or ():
            self.registry.require(name, "stages")
        chosen = [
            n
            for n in self.registry.names
            if (n in named if named else not self.registry[n].standalone)
        ]
        every = {t.ref: t for name in chosen for t in self.registry[name].tasks(self.config)}
        wanted = list(every) if named else _goals(every)
        ordered: dict[Ref, Task] = {}
        for ref in wanted:
            _visit(ref, every, ordered, named, ())
        # A stable order by stage keeps dependencies first: stages read earlier stages only.
        return sorted(ordered.values(), key=lambda t: self.registry.rank(t.stage))

    def check(self, tasks: Sequence[Task]) -> None:
        """Check the whole configuration before anything is loaded.

        Raises:
            ConfigError: With every problem found.
        """
        problems: list[str] = []
        for name in self.registry.names:
            mine = [t for t in tasks if t.stage == name]
            if mine:
                problems.extend(str(p) for p in self.registry[name].check(self.config, mine))
        if problems:
            raise ConfigError(list(dict.fromkeys(problems)))

    def plan(self, tasks: Sequence[Task], selection: Selection | None = None) -> list[Step]:
        """Say for each task whether it is up to date, and why not."""
        selection = selection or Selection()
        selected = selection.stages(self.registry)
        steps: dict[Ref, Step] = {}
        for task in tasks:
            identity = self._identity(task, steps)
            mark = store.fingerprint(identity)
            state, why = self._state(task, mark, identity, steps)
            if task.stage not in selected:
                state = "up to date" if state == "up to date" else "not selected"
            elif state == "up to date" and selection.force:
                state, why = "run", "forced"
            steps[task.ref] = Step(task, mark, identity, state, why)
        self._hashes.save()
        return list(steps.values())

    def _identity(self, task: Task, steps: Mapping[Ref, Step]) -> dict[str, Any]:
        of = self.registry[task.stage]
        config = self.config
        keys = {k: _json(getattr(config, k)) for k in task.uses}
        sections = {name: self.registry[name].options(config).identity() for name in task.sections}
        identity: dict[str, Any] = {
            "version": of.version,
            "kind": task.kind,
            "options": of.options(config).identity(),
            "task": dict(task.options),
            "run": keys,
            "inputs": {
                name: steps[ref].fingerprint
                for name, ref in (*task.inputs.items(), *task.side_inputs.items())
            },
            "files": {
                name: item if isinstance(item, str) else self._hashes.of(item)
                for name, item in of.files(config, task).items()
            },
        }
        if sections:
            identity["sections"] = sections
        if task.kind in SCHEMAS:
            identity["part_rows"] = config.part_rows
        return identity

    def _state(
        self,
        task: Task,
        mark: str,
        identity: Mapping[str, Any],
        steps: Mapping[Ref, Step],
    ) -> tuple[State, str]:
        known = self.folder.artifact(task.ref)
        redone = [
            str(ref)
            for ref in (*task.inputs.values(), *task.side_inputs.values())
            if steps[ref].state in ("run", "resume")
        ]
        if known is not None and known.manifest.fingerprint == mark:
            return "up to date", f"made {known.manifest.finished:%Y-%m-%d %H:%M}"
        if known is None:
            why = "no output yet"
        elif redone:
            why = f"its input {redone[0]} is made again"
        else:
            why = difference(known.manifest.identity, identity)
        partial = self.folder.folder(task.ref).with_name(
            self.folder.folder(task.ref).name + ".partial"
        )
        note = partial / "fingerprint"
        if note.is_file() and note.read_text() == mark:
            return "resume", "interrupted; what is finished is kept"
        return "run", why

    # -- doing ------------------------------------------------------------------------------

    def run(self, selection: Selection | None = None) -> Result:
        """Check, plan, and do what is not up to date.

        Raises:
            ConfigError: If the configuration is wrong, or a stage outside the selection is needed
                but not up to date.
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
        for name in dict.fromkeys(t.stage for t in tasks if t.stage in selected):
            self.registry[name].fetch(self.config, [t for t in tasks if t.stage == name])
        with self.folder.lock():
            steps = self.plan(tasks, selection)
            self._require(steps)
            self._save_config()
            result = Result(steps, folder=self.folder.path)
            todo = [s for s in steps if s.state in ("run", "resume")]
            for number, step in enumerate(todo, 1):
                self.progress.console.print(
                    f"[bold]{step.task.ref}[/bold] [dim]({number} of {len(todo)}: {step.why})[/dim]"
                )
                with store.disk_errors(self.folder.folder(step.task.ref)):
                    result.done.append(self._do(step))
            return result

    def _require(self, steps: Sequence[Step]) -> None:
        by_ref = {s.task.ref: s for s in steps}
        for step in steps:
            if step.state not in ("run", "resume"):
                continue
            for ref in (*step.task.inputs.values(), *step.task.side_inputs.values()):
                if by_ref[ref].state == "not selected":
                    raise ConfigError(
                        f"{step.task.ref} needs {ref}, which is not up to date "
                        f"({by_ref[ref].why}); start from an earlier stage: --from {ref.stage}"
                    )

    def _save_config(self) -> None:
        text = json.dumps(self.config.model_dump(mode="json"), indent=2, ensure_ascii=False)
        store.write_atomic(self.folder.path / "config.json", text.encode())

    def _do(self, step: Step) -> Artifact:
        task = step.task
        partial = self.folder.partial(task.ref, step.fingerprint)
        if partial.complete:
            return partial.finish(None)
        started = datetime.now(UTC)
        clock = time.monotonic()
        inputs = {name: self._input(ref) for name, ref in task.inputs.items()}
        of = self.registry[task.stage]
        facts: dict[str, Any]
        if isinstance(of, RowStage):
            facts = self._rows(of, task, inputs, partial)
        elif isinstance(of, RunStage):
            inputs |= {name: self._input(ref) for name, ref in task.side_inputs.items()}
            facts = self._whole(of, task, inputs, partial)
        else:  # pragma: no cover - a programming error
            raise TypeError(f"stage {task.stage!r} is neither a RowStage nor a RunStage")
        manifest = Manifest(
            stage=task.stage,
            unit=task.unit,
            kind=task.kind,
            lang=task.lang,
            fingerprint=step.fingerprint,
            identity=step.identity,
            seed=self.config.seed,
            rows_in={n: a.num_rows for n, a in inputs.items() if a.manifest.parts},
            columns=_columns(task.kind),
            started=started,
            finished=datetime.now(UTC),
            seconds=round(time.monotonic() - clock, 3),
            versions=store.library_versions(),
            **facts,
        )
        return partial.finish(manifest)

    def summaries(self, steps: Sequence[Step]) -> list[RenderableType]:
        """Return what the stages of a run want to show in the terminal at its end."""
        shown = []
        for step in steps:
            found = self.folder.artifact(step.task.ref)
            if found is not None:
                renderable = self.registry[step.task.stage].summary(self.config, found)
                if renderable is not None:
                    shown.append(renderable)
        return shown

    def _input(self, ref: Ref) -> Artifact:
        found = self.folder.artifact(ref)
        if found is None:
            raise XlnerError(f"{self.folder.folder(ref)} has disappeared; run again")
        return found

    def _seed(self, task: Task, *more: object) -> int:
        return store.derive_seed(self.config.seed, task.stage, task.unit, *more)

    def _rows(
        self, of: RowStage, task: Task, inputs: Mapping[str, Artifact], partial: Partial
    ) -> dict[str, Any]:
        collected = self._collect(of, task, inputs, partial)
        side = {name: self._input(ref).folder for name, ref in task.side_inputs.items()}
        lead = next(iter(inputs.values()))
        _same_parts(inputs)
        jobs = [
            engines.PartJob(
                index=i,
                rows=info.rows,
                inputs={name: a.parts[i] for name, a in inputs.items()},
                output=partial.out / store.part_name(i),
                sidecar=partial.sidecar(i),
                kind=task.kind,
                seed=self._seed(task, i),
            )
            for i, info in enumerate(lead.manifest.parts)
        ]
        left = [j for j in jobs if not j.output.exists()]
        with self.progress.task(f"{task.stage} {task.unit}", total=lead.num_rows) as bar:
            bar.advance(sum(j.rows for j in jobs if j.output.exists()))
            if left:
                factory = of.worker(self.config, task, {**side, "collected": collected})
                run = engines.engine(self.config.engine).run(factory, left, self.config.workers)
                for _, rows in run:
                    bar.advance(rows)
        notes = [engines.part_facts(j) for j in jobs]
        parts = [PartInfo(name=n["name"], rows=n["rows"], sha256=n["sha256"]) for n in notes]
        return {
            "parts": parts,
            "rows_out": sum(p.rows for p in parts),
            "drops": store.merge_counts(n["drops"] for n in notes),
        }

    def _collect(
        self, of: RowStage, task: Task, inputs: Mapping[str, Artifact], partial: Partial
    ) -> Path:
        folder = partial.work / "collected"
        mark = partial.work / "collected.done"
        if not mark.exists():
            folder.mkdir(exist_ok=True)
            of.collect(self.config, task, inputs, folder, self.progress)
            store.sync_tree(folder)
            store.write_atomic(mark, b"")
        return folder

    def _whole(
        self, of: RunStage, task: Task, inputs: Mapping[str, Artifact], partial: Partial
    ) -> dict[str, Any]:
        import shutil

        # A half-written output is begun again; what is worth keeping is in partial.work.
        shutil.rmtree(partial.out)
        partial.out.mkdir()
        work = partial.work / "stage"
        work.mkdir(exist_ok=True)
        context = Context(
            config=self.config,
            task=task,
            seed=self._seed(task),
            work_dir=work,
            progress=self.progress,
        )
        extra = {"counts": context.counts, "notes": context.notes}
        if task.kind in SCHEMAS:
            out = DatasetOutput(partial.out, task.kind, self.config.part_rows)
            of.run(inputs, out, context)
            drops = store.merge_counts([out.drops, {"rows": context.drops}])
            rows = sum(p.rows for p in out.parts)
            return {"parts": out.parts, "rows_out": rows, "drops": _no_empty(drops), **extra}
        of.run(inputs, FilesOutput(partial.out), context)
        hashes = {
            str(p.relative_to(partial.out)): store.file_sha256(p)
            for p in sorted(partial.out.rglob("*"))
            if p.is_file()
        }
        return {"files": hashes, "drops": _no_empty({"rows": context.drops}), **extra}


def difference(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> str:
    """Say in words where two identities first differ."""
    for key in dict.fromkeys([*new, *old]):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        name = f"{prefix}{key}"
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            return difference(before, after, f"{name}.")
        if name.startswith("files."):
            return f"{name.removeprefix('files.')} has changed"
        if name.startswith("inputs."):
            return f"its input {name.removeprefix('inputs.')!r} has changed"
        if name == "version":
            return f"the stage has a new version ({before} → {after})"
        return f"{name.removeprefix('options.')} was {_short(before)}, is now {_short(after)}"
    return "unchanged"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"


def _goals(every: Mapping[Ref, Task]) -> list[Ref]:
    """Return what a run is for: the report, or, without one, all that nothing else reads."""
    reports = [r for r in every if r.stage == "report"]
    if reports:
        return reports
    read = {r for t in every.values() for r in (*t.inputs.values(), *t.side_inputs.values())}
    return [r for r in every if r not in read]


def _visit(
    ref: Ref,
    every: Mapping[Ref, Task],
    ordered: dict[Ref, Task],
    named: Iterable[str] | None,
    path: tuple[Ref, ...],
) -> None:
    if ref in ordered:
        return
    if ref in path:
        raise ConfigError(f"tasks depend on each other in a circle: {' -> '.join(map(str, path))}")
    task = every.get(ref)
    if task is None:
        reader = path[-1] if path else ref
        if named is not None and ref.stage not in named:
            raise ConfigError(f"stages: {reader} needs {ref}: add {ref.stage!r} to 'stages'")
        raise ConfigError(
            f"{reader} needs {ref}, which this configuration does not make"
            + (f": data.{ref.unit.partition('/')[0]} is not set" if ref.stage == "prepare" else "")
        )
    for need in (*task.inputs.values(), *task.side_inputs.values()):
        _visit(need, every, ordered, named, (*path, ref))
    ordered[ref] = task


def _same_parts(inputs: Mapping[str, Artifact]) -> None:
    counts = {name: [p.rows for p in a.manifest.parts] for name, a in inputs.items()}
    if len({tuple(c) for c in counts.values()}) > 1:
        told = ", ".join(f"{name}: {sum(c)} rows in {len(c)} parts" for name, c in counts.items())
        raise XlnerError(f"the inputs do not match part by part ({told}); run again with --force")


def _columns(kind: str) -> dict[str, str]:
    return {f.name: str(f.type) for f in SCHEMAS[kind]} if kind in SCHEMAS else {}


def _no_empty(counts: Mapping[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return {k: v for k, v in counts.items() if v}


def _json(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value
