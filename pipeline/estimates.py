"""How long the steps of a plan may take and how much memory, before any of them is done.

Times come from earlier manifests where there are some. Without, they are guessed from sizes: good
enough to say what comes first, and which order of magnitude a run is of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from pipeline.artifacts import Artifact
from pipeline.errors import DamagedError
from pipeline.manifest import MANIFEST, Manifest, read_manifest
from pipeline.plan import TODO, Planner, Step
from pipeline.schema import SCHEMAS
from pipeline.stage import RowStage
from pipeline.task import Ref, Task

_PROCESS: Final = 600 * 2**20
"""Bytes that a process with torch takes before it loads a model."""
_READ, _TRAINED = 3, 7
"""How often the bytes of a model's weights: to use it; to train it (its gradients, two moments of
Adam, the best weights so far, and what it computes)."""
_SENTENCE: Final = 150
"""Bytes of a sentence in a file of labelled text."""
_HUB_ROWS: Final = 10_000
"""Sentences of a corpus that is not here yet."""
_MODEL_BYTES: Final = 500 * 2**20
"""Of a model that is not here yet."""
_BEGIN = 2.0
_PER_ROW = 1e-4
_PER_PASS = 1e-3
_PER_PASS_AND_BYTE = 2e-11
"""Seconds on one core: to begin; to read and write a sentence; for a sentence to go through a
model, and by each byte of its weights. They fit the rates of docs/scaling.md ("Sizing") for the
models that ship and for an encoder of 12 layers, 768 wide."""
_GPU: Final = 200
"""How many cores a GPU is worth."""
_RUNS: Final = 30
"""Other runs whose times are looked at, the newest."""


class Estimates:
    """What is expected of the steps of a plan.

    Args:
        planner: Whose plan it is.
        steps: The plan.
        gpus: Whether the models run on GPUs.
        elsewhere: Whether they run on another machine than this: what tasks took here is not
            looked at then.

    Attributes:
        seconds: How long each step that is to be done may take.
        measured: Those whose time follows from earlier ones.
    """

    def __init__(
        self,
        planner: Planner,
        steps: Sequence[Step],
        *,
        gpus: bool = False,
        elsewhere: bool = False,
    ) -> None:
        self._planner = planner
        self._gpus = gpus
        self._rows: dict[Ref, int] = {}  # that a step writes
        self._read: dict[Ref, int] = {}  # that it reads, about
        self._model: dict[Ref, int] = {}  # bytes of the model that a step makes
        self._loads: dict[Ref, int] = {}  # bytes of the models that it reads
        for step in steps:
            self._size(step.task)
        todo = [s for s in steps if s.state in TODO]
        earlier = _Earlier(planner, {s.task.stage for s in todo})
        self.measured: set[Ref] = set()
        self.seconds: dict[Ref, float] = {}
        for step in todo:
            known = None if elsewhere else earlier.seconds(step, self._read[step.task.ref])
            if known is not None:
                self.measured.add(step.task.ref)
            self.seconds[step.task.ref] = self._guess(step.task) if known is None else known

    def memory(self, step: Step) -> int:
        """Return the bytes that the process of a step may hold: a guess by the models' sizes."""
        of = self._planner.registry[step.task.stage]
        processes = self._planner.config.workers if isinstance(of, RowStage) else 1
        times = _TRAINED if step.task.kind == "model" else _READ
        return processes * (_PROCESS + times * self._loads[step.task.ref])

    def _size(self, task: Task) -> None:
        """Find out how much a task reads, from what is there, or what its inputs may be."""
        config = self._planner.configured(task)
        files = self._planner.registry[task.stage].files(config, task)
        loads = 0
        # What is read from nothing on this machine is a corpus of the hub.
        rows = 0 if files or task.reads or task.kind not in SCHEMAS else _HUB_ROWS
        for item in files.values():
            if isinstance(item, str):  # a model of the hub
                loads += _MODEL_BYTES
            elif item.is_dir() and (weights := _weights(item)):
                loads += weights
            elif not task.reads:
                rows += _bytes(item) // _SENTENCE
        own = loads
        for ref in task.reads:
            if self._model.get(ref):
                loads += self._model[ref]
            elif task.kind in SCHEMAS:  # row by row
                rows = max(rows, self._rows.get(ref, 0))
            else:
                rows += self._rows.get(ref, 0)
        found = _known(self._planner, task.ref)
        if found is not None and found.manifest.rows_out:
            rows = found.manifest.rows_out
        self._rows[task.ref] = rows if task.kind in SCHEMAS else 0
        self._read[task.ref] = rows
        self._loads[task.ref] = loads
        self._model[task.ref] = own if task.kind == "model" else 0

    def _guess(self, task: Task) -> float:
        of = self._planner.registry[task.stage]
        rows = self._read[task.ref]
        passes = of.passes(self._planner.configured(task), task, rows)
        loads = self._loads[task.ref]
        computing = passes * (_PER_PASS + loads * _PER_PASS_AND_BYTE) if loads else 0.0
        if self._gpus:
            computing /= _GPU
        return _BEGIN + rows * _PER_ROW + computing


class _Earlier:
    """What tasks of the same stages took, in this run and the ones beside it."""

    def __init__(self, planner: Planner, stages: set[str]) -> None:
        self._planner = planner
        self._found: dict[str, list[Manifest]] = {}
        configs = planner.folder.path.parent.glob("*/config.json")
        runs = sorted(configs, key=lambda path: path.stat().st_mtime, reverse=True)
        for stage in stages:
            self._found[stage] = [
                manifest for run in runs[:_RUNS] for manifest in _manifests(run.parent / stage)
            ]

    def seconds(self, step: Step, rows: int) -> float | None:
        """Return what a step may take by those that did the same with the same models."""
        own = _known(self._planner, step.task.ref)
        if own is not None and _alike(own.manifest.identity, step):
            return own.manifest.seconds
        alike = [m for m in self._found[step.task.stage] if _alike(m.identity, step)]
        if not alike:
            return None
        if isinstance(self._planner.registry[step.task.stage], RowStage):
            rates = [m.seconds / m.rows_out for m in alike if m.rows_out]
            if rates and rows:
                return median(rates) * rows
        return median(m.seconds for m in alike)


def _alike(identity: Mapping[str, Any], step: Step) -> bool:
    """Whether options and models are the same, whatever the data, arm and seed are."""
    return all(identity.get(k) == step.identity.get(k) for k in ("version", "options", "files"))


def _known(planner: Planner, ref: Ref) -> Artifact | None:
    try:
        return planner.folder.artifact(ref)
    except DamagedError:  # the plan tells of it
        return None


def _manifests(folder: Path) -> Iterator[Manifest]:
    for path in folder.rglob(MANIFEST):
        try:
            yield read_manifest(path.parent)
        except (DamagedError, FileNotFoundError):  # of another run, which will tell of it
            continue


def _weights(folder: Path) -> int:
    found = [p for p in folder.iterdir() if p.suffix in (".safetensors", ".bin")]
    return sum(p.stat().st_size for p in found)


def _bytes(path: Path) -> int:
    if path.is_dir():
        return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    return path.stat().st_size if path.is_file() else 0


def told_seconds(count: float) -> str:
    """Say a time for people."""
    if count < 100:
        return f"{count:.0f} s"
    minutes = round(count / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def told_bytes(count: float) -> str:
    """Say a number of bytes for people."""
    return f"{count / 1e9:.1f} GB"
