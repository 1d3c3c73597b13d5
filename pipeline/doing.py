"""Does one step of a plan: a function of the configuration, the step and the folder of the run.

Nothing else decides what comes of it, so that it can be done in any process, beside others whose
inputs are there.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.artifacts import Artifact, Partial, RunFolder, part_name
from pipeline.config import RunConfig
from pipeline.disk import file_sha256, sync_tree, write_atomic
from pipeline.engine import Engine, PartJob, part_facts
from pipeline.engine.local import LocalEngine
from pipeline.engine.memory import SMALLER, Advice, SmallerBatchesFactory, out_of_memory, release
from pipeline.errors import DamagedError, XlnerError, first_line
from pipeline.hashes import derive_seed
from pipeline.inputs import Inputs
from pipeline.loaded import keeping, unload
from pipeline.manifest import (
    MADE_AGAIN,
    Manifest,
    PartInfo,
    file_damage,
    library_versions,
    merge_counts,
)
from pipeline.output import Output
from pipeline.plan import Step
from pipeline.progress import Progress
from pipeline.registry import Registry
from pipeline.schema import SCHEMAS
from pipeline.stage import Context, Ref, RowStage, RunStage, Stage, Task, Worker

_HALVINGS = 6  # of a batch size, before memory is given up on

STORED = "stored"
"""The name under which what decides anew reads the rows that are there."""

logger = logging.getLogger(__name__)


def engine_of(config: RunConfig) -> Engine:
    """Return the engine that a configuration names (``local`` or ``ray``)."""
    if config.engine == "ray":
        from pipeline.engine.ray import RayEngine

        return RayEngine(config.ray)
    return LocalEngine()


@dataclass(frozen=True, slots=True)
class _Given:
    """What there is to do a step with.

    Attributes:
        config: The configuration, with the settings of the task.
        task: The task.
        inputs: What it reads, by name.
        partial: Its work in progress.
        stored: The output whose rows are decided anew, if that is all there is to do.
    """

    config: RunConfig
    task: Task
    inputs: Mapping[str, Artifact]
    partial: Partial
    stored: Artifact | None


class Doer:
    """Does steps in one process, one after another.

    Args:
        registry: The stages.
        folder: The folder of the run, locked by this process or the one that started it.
        engine: Where row-wise work runs.
        progress: Where to show how far it is.
    """

    def __init__(
        self, registry: Registry, folder: RunFolder, engine: Engine, progress: Progress
    ) -> None:
        self._registry = registry
        self._folder = folder
        self._engine = engine
        self._progress = progress
        self._sound: set[Ref] = set()

    def close(self) -> None:
        """End whatever processes wait for more rows."""
        self._engine.close()
        unload()

    def do(self, config: RunConfig, step: Step) -> Artifact:
        """Do one step and put its output in place.

        Args:
            config: The configuration, with the settings of the task.
            step: What to do; what it reads is complete.

        Raises:
            DamagedError: If an input is not what was written.
            XlnerError: If memory ran out, with what can be done about it.
        """
        task = step.task
        partial = self._folder.partial(task.ref, step.fingerprint)
        if partial.complete:
            return partial.finish(None)
        of = self._registry[task.stage]
        if step.damage and isinstance(of, RowStage):
            self._keep_whole(task.ref, partial)
        started = datetime.now(UTC)
        clock = time.monotonic()
        # Workers get side inputs as folders; what sees its inputs whole sees those, too.
        read = {**task.inputs, **(task.side_inputs if isinstance(of, RunStage) else {})}
        inputs = {name: self._input(ref) for name, ref in read.items()}
        facts: dict[str, Any]
        try:
            with keeping():
                stored = self._input(task.ref) if step.state == "decide" else None
                facts = self._done(of, _Given(config, task, inputs, partial, stored))
        except Exception as error:
            if isinstance(error, XlnerError) or not out_of_memory(error):
                raise
            told = first_line(error)
            advice = Advice(str(task.ref), of.batch_option, 1)
            raise XlnerError(f"{task.ref}: memory ran out ({told}): {advice}") from error
        finally:
            # A worker that was killed or stopped may have been writing.
            partial.sweep()
            if isinstance(of, RunStage):
                release()  # a Trainer and its model hold each other, and this process stays
        seconds = round(time.monotonic() - clock, 3)
        manifest = Manifest(
            stage=task.stage,
            unit=task.unit,
            kind=task.kind,
            lang=task.lang,
            fingerprint=step.fingerprint,
            identity=step.identity,
            seed=config.seed,
            rows_in={n: a.num_rows for n, a in inputs.items() if a.manifest.parts},
            columns={f.name: str(f.type) for f in SCHEMAS.get(task.kind, ())},
            started=started,
            # Not the clock's word for it: it may have been set in between.
            finished=started + timedelta(seconds=seconds),
            seconds=seconds,
            versions=library_versions(),
            **facts,
        )
        return partial.finish(manifest)

    def _done(self, of: Stage, given: _Given) -> dict[str, Any]:
        if isinstance(of, RowStage):
            return self._rows(of, given)
        if isinstance(of, RunStage):
            return self._whole(of, given)
        raise TypeError(  # pragma: no cover - a programming error
            f"stage {given.task.stage!r} is neither a RowStage nor a RunStage"
        )

    def _input(self, ref: Ref) -> Artifact:
        found = self._folder.artifact(ref)
        if found is None:
            raise XlnerError(f"{self._folder.folder(ref)} has disappeared; run again")
        # Parts are compared as they are read. Files are read by libraries, so now.
        if found.manifest.files and ref not in self._sound:
            for damage in found.damage(contents=True):
                raise DamagedError(f"{found.folder / damage.name} {damage.what}; {MADE_AGAIN}")
            self._sound.add(ref)
        return found

    def _keep_whole(self, ref: Ref, partial: Partial) -> None:
        """Take over what is whole of an output that has lost parts."""
        found = self._folder.artifact(ref)
        for info, part in zip(found.manifest.parts, found.parts, strict=True) if found else ():
            kept = partial.out / part.name
            if not kept.exists() and file_damage(part, info.size, info.sha256) is None:
                write_atomic(kept, part.read_bytes())

    def _rows(self, of: RowStage, given: _Given) -> dict[str, Any]:
        config, task, stored = given.config, given.task, given.stored
        inputs = given.inputs if stored is None else {**given.inputs, STORED: stored}
        lead = next(iter(inputs.values()))
        _same_parts(inputs)
        jobs = [
            PartJob(
                index=i,
                rows=info.rows,
                inputs={name: a.parts[i] for name, a in inputs.items()},
                output=given.partial.out / part_name(i),
                sidecar=given.partial.sidecar(i),
                kind=task.kind,
                seed=_seed(config, task, i),
                sums={name: a.manifest.parts[i].sha256 for name, a in inputs.items()},
            )
            for i, info in enumerate(lead.manifest.parts)
        ]
        left = [j for j in jobs if not j.output.exists()]
        factory: Callable[[], Worker] | None = None
        if left:
            decided = stored is not None
            factory = of.decider(config, task) if decided else self._factory(of, given)
        with self._progress.task(f"{task.stage} {task.unit}", total=lead.num_rows) as bar:
            bar.advance(sum(j.rows for j in jobs if j.output.exists()))
            if factory is not None:
                for _, rows in self._engine.run(factory, left, config.workers):
                    bar.advance(rows)
        facts = [part_facts(j) for j in jobs]
        parts = [PartInfo(**{k: n[k] for k in PartInfo.model_fields}) for n in facts]
        return {
            "parts": parts,
            "rows_out": sum(p.rows for p in parts),
            "drops": merge_counts(n["drops"] for n in facts),
            "notes": _part_notes(of, given, facts) if stored is None else stored.manifest.notes,
        }

    def _factory(self, of: RowStage, given: _Given) -> SmallerBatchesFactory:
        """Return what builds workers: as configured, and those for when memory runs out."""
        config, task = given.config, given.task
        side = {name: self._input(ref).folder for name, ref in task.side_inputs.items()}
        side["collected"] = self._collect(of, given)
        sizes: list[int] = []
        factories = [of.worker(config, task, side)]
        for times in range(1, _HALVINGS + 1):
            smaller = of.smaller(config, times)
            if smaller is None:
                break
            changed, size = smaller
            factories.append(of.worker(changed, task, side))
            sizes.append(size)
        advice = Advice(str(task.ref), of.batch_option, config.workers)
        return SmallerBatchesFactory(tuple(factories), tuple(sizes), advice)

    def _collect(self, of: RowStage, given: _Given) -> Path:
        folder = given.partial.work / "collected"
        mark = given.partial.work / "collected.done"
        if not mark.exists():
            if folder.exists():  # begun by a process that was killed
                shutil.rmtree(folder)
            folder.mkdir()
            of.collect(given.config, given.task, Inputs(given.inputs), folder, self._progress)
            sync_tree(folder)
            write_atomic(mark, b"")
        return folder

    def _whole(self, of: RunStage, given: _Given) -> dict[str, Any]:
        config, task, partial = given.config, given.task, given.partial
        inputs = Inputs(given.inputs)
        self._engine.close()  # processes that wait for more rows hold memory
        if task.kind not in SCHEMAS:  # a training needs what there is
            unload()
            release()
        # A half-written output is begun again; what is worth keeping is in partial.work.
        shutil.rmtree(partial.out)
        partial.out.mkdir()
        work = partial.work / "stage"
        work.mkdir(exist_ok=True)
        context = Context(
            config=config,
            task=task,
            seed=_seed(config, task),
            work_dir=work,
            progress=self._progress,
            shared_dir=self._folder.shared,
            reasons=self._registry.reasons_of(of.name),
        )
        extra = {"counts": context.counts, "notes": context.notes}
        out = Output(partial.out, task.kind, config.part_rows)
        if task.kind in SCHEMAS:
            if given.stored is None:
                of.run(inputs, out, context)
            else:
                of.decide(given.stored, inputs, out, context)
            drops = merge_counts([out.drops, {"rows": context.drops}])
            rows = sum(p.rows for p in out.parts)
            return {"parts": out.parts, "rows_out": rows, "drops": _no_empty(drops), **extra}
        of.run(inputs, out, context)
        files = {
            str(p.relative_to(partial.out)): p
            for p in sorted(partial.out.rglob("*"))
            if p.is_file()
        }
        return {
            "files": {name: file_sha256(p) for name, p in files.items()},
            "sizes": {name: p.stat().st_size for name, p in files.items()},
            "drops": _no_empty({"rows": context.drops}),
            **extra,
        }


def _part_notes(of: RowStage, given: _Given, facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    for fact in facts:
        counts.update({k: n for k, n in fact["notes"].items() if k != SMALLER})
    remark = of.remark(counts)
    if remark is not None:
        logger.warning("%s: %s", given.task.ref, remark)
    return {**of.facts(given.config, given.task), **counts, **_smaller(of, given, facts)}


def _smaller(of: RowStage, given: _Given, facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    smaller = {f["name"]: f["notes"][SMALLER] for f in facts if SMALLER in f["notes"]}
    if not smaller or of.batch_option is None:
        return {}
    if of.batch_option.partition(".")[2] in of.options(given.config).neutral:
        return {}
    logger.warning(
        "%s: memory ran out on %d of %d parts, which were made with a lower %s (down to %d); "
        "the last digits of their scores may differ for it. The manifest names them",
        given.task.ref,
        len(smaller),
        len(facts),
        of.batch_option,
        min(smaller.values()),
    )
    return {SMALLER: smaller}


def _seed(config: RunConfig, task: Task, *more: object) -> int:
    return derive_seed(config.seed, task.stage, task.seeded_as or task.unit, *more)


def _same_parts(inputs: Mapping[str, Artifact]) -> None:
    counts = {name: [p.rows for p in a.manifest.parts] for name, a in inputs.items()}
    if len({tuple(c) for c in counts.values()}) > 1:
        told = ", ".join(f"{name}: {sum(c)} rows in {len(c)} parts" for name, c in counts.items())
        raise XlnerError(f"the inputs do not match part by part ({told}); run again with --force")


def _no_empty(counts: Mapping[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return {k: v for k, v in counts.items() if v}
