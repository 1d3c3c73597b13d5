"""What there is to do in a run: its tasks, what is up to date, what is damaged, and why."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pipeline.artifacts import RunFolder, partial_folder, read_mark
from pipeline.config import RunConfig
from pipeline.data_config import DataConfig
from pipeline.errors import ConfigError, DamagedError
from pipeline.hashes import FileHashes, fingerprint
from pipeline.manifest import MANIFEST, Damage
from pipeline.progress import Progress
from pipeline.registry import Registry
from pipeline.schema import SCHEMAS
from pipeline.stage import Ref, Task

State = Literal["up to date", "run", "resume", "decide", "damaged", "not selected"]

TODO = ("run", "resume", "decide")
"""States of tasks that a run does."""


@dataclass(slots=True)
class Step:
    """A task with what is to be done about it.

    Attributes:
        task: The task.
        fingerprint: Hash of ``identity``.
        identity: Everything that decides the result.
        state: What happens to it.
        why: The reason, for people.
        damage: The files of its output that are not what was written.
    """

    task: Task
    fingerprint: str
    identity: dict[str, Any]
    state: State
    why: str
    damage: list[Damage] = field(default_factory=list)

    @property
    def stale(self) -> bool:
        """Whether its output, if there is one, is out of date and stays so."""
        return self.state == "not selected"


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


class Planner:
    """Says what there is to do in one configured run.

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
        progress: Progress | None,
        registry: Registry,
    ) -> None:
        self.registry = registry
        self.config = config
        self.folder = RunFolder(runs_dir / config.name)
        self.progress = progress or Progress()
        self._configured: dict[str, RunConfig] = {}
        self._hashes = FileHashes(self.folder.path.parent / ".hashes.json")

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
        wanted = list(every) if named else self._goals(every)
        ordered: dict[Ref, Task] = {}
        for ref in wanted:
            _visit(ref, every, ordered, self.config, ())
        # A stable order by stage keeps dependencies first: stages read earlier stages only.
        return sorted(ordered.values(), key=lambda t: self.registry.rank(t.stage))

    def _goals(self, every: Mapping[Ref, Task]) -> list[Ref]:
        """Return what a run is for: its taggers and the report, or else what nothing reads."""
        goals = [r for r in every if self.registry[r.stage].goal]
        if goals:
            return goals
        read = {r for t in every.values() for r in t.reads}
        return [r for r in every if r not in read]

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
            mark = fingerprint(identity)
            state, why = self._state(task, mark, identity, steps)
            step = steps[task.ref] = Step(task, mark, identity, state, why)
            if state in ("up to date", "decide", "damaged"):
                self._examine(step)
            if state == "decide":
                # Unless the stored output is damaged, or the user wants another one.
                anew = step.state == "decide" and not selection.force
                step.state, step.why = ("decide", f"decided anew: {why}") if anew else ("run", why)
                step.damage = []
            if task.stage not in selected:
                if step.state not in ("up to date", "damaged"):
                    step.state = "not selected"
            elif selection.force:
                if step.state in ("up to date", "damaged") or step.damage:
                    step.state, step.why = "run", "forced"
                step.damage = []
        self._hashes.save()
        return list(steps.values())

    def configured(self, task: Task) -> RunConfig:
        """Return the configuration that a task is done with."""
        if not task.settings:
            return self.config
        key = fingerprint(dict(task.settings))
        if key not in self._configured:
            self._configured[key] = self.config.with_settings(task.settings)
        return self._configured[key]

    def _identity(self, task: Task, steps: Mapping[Ref, Step]) -> dict[str, Any]:
        of = self.registry[task.stage]
        config = self.configured(task)
        keys = config.model_dump(mode="json", include=set(task.uses))
        sections = {name: self.registry[name].options(config).identity() for name in task.sections}
        identity: dict[str, Any] = {
            "version": of.version,
            "kind": task.kind,
            "options": of.options(config).identity(),
            # As a manifest has them, or tuples would be a change.
            "task": json.loads(json.dumps(task.options)),
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
        try:
            known = self.folder.artifact(task.ref)
        except DamagedError as error:
            return "damaged", str(error)
        redone = [
            f"{ref} is {'decided anew' if steps[ref].state == 'decide' else 'made again'}"
            for ref in task.reads
            if steps[ref].state in ("run", "resume", "decide")
        ]
        if known is not None and known.manifest.fingerprint == mark:
            return "up to date", f"made {known.manifest.finished:%Y-%m-%d %H:%M}"
        if known is None:
            why = "no output yet"
        elif redone:
            why = f"its input {redone[0]}"
        else:
            why = difference(known.manifest.identity, identity)
        if known is not None and self._only_decides(task, known.manifest.identity, identity):
            return "decide", why
        if read_mark(partial_folder(self.folder.folder(task.ref))) == mark:
            return "resume", "interrupted; what is finished is kept"
        return "run", why

    def _only_decides(self, task: Task, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
        """Return whether an output differs from a stored one in what is decided alone."""
        of = self.registry[task.stage]
        config = self.configured(task)
        if not of.decides(config, task):
            return False
        paths = [f"options.{name}" for name in of.options(config).deciding]
        for section in task.sections:
            deciding = self.registry[section].options(config).deciding
            paths += [f"sections.{section}.{name}" for name in deciding]
        return without(old, paths) == without(new, paths)

    def _examine(self, step: Step) -> None:
        """Find out by the sizes of its files whether an output that should be complete is."""
        ref = step.task.ref
        if step.state == "damaged":
            step.damage = [Damage(MANIFEST, step.why)]
            return
        found = self.folder.artifact(ref)
        assert found is not None
        step.damage = found.damage(contents=False)
        if step.damage:
            more = f" and {len(step.damage) - 1} more" if len(step.damage) > 1 else ""
            # What is missing is work to do; what is another may be somebody's, and is not replaced.
            missing = not any((found.folder / d.name).exists() for d in step.damage)
            step.state = "resume" if missing else "damaged"
            step.why = f"{step.damage[0]}{more}"


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


def without(identity: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """Return an identity without what stands at some dotted paths."""
    found = dict(identity)
    for path in paths:
        first, _, rest = path.partition(".")
        if not rest:
            found.pop(first, None)
        elif isinstance(found.get(first), Mapping):
            found[first] = without(found[first], [rest])
    return found


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"


def _visit(
    ref: Ref,
    every: Mapping[Ref, Task],
    ordered: dict[Ref, Task],
    config: RunConfig,
    path: tuple[Ref, ...],
) -> None:
    if ref in ordered:
        return
    if ref in path:
        raise ConfigError(f"tasks depend on each other in a circle: {' -> '.join(map(str, path))}")
    task = every.get(ref)
    if task is None:
        reader = path[-1] if path else ref
        if config.stages is not None and ref.stage not in config.stages:
            raise ConfigError(f"stages: {reader} needs {ref}: add {ref.stage!r} to 'stages'")
        raise ConfigError(
            f"{reader} needs {ref}, which this configuration does not make"
            + (f": {_unset(config.data, ref.unit)}" if ref.stage == "prepare" else "")
        )
    for need in task.reads:
        _visit(need, every, ordered, config, (*path, ref))
    ordered[ref] = task


def _unset(data: DataConfig, unit: str) -> str:
    """Say which key of ``data`` a corpus is missing from, and what the key is for."""
    key, _, lang = unit.partition("/")
    lacks = "is not set" if getattr(data, key) is None else f"has none for {lang}"
    return f"data.{key} {lacks}; it is {data.about(key)}"
