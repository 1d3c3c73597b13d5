"""Does what is not up to date in a run."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import artifacts as store
from pipeline import engine as engines
from pipeline.artifacts import Artifact, Manifest, Partial, PartInfo
from pipeline.config import RunConfig
from pipeline.engine.memory import SMALLER, Advice, FrugalFactory, out_of_memory
from pipeline.errors import ConfigError, DamagedError, XlnerError
from pipeline.inputs import Inputs
from pipeline.output import DatasetOutput, FilesOutput
from pipeline.plan import TODO, Planner, Selection, Step
from pipeline.progress import Progress
from pipeline.registry import Registry
from pipeline.repair import changed_input, content, keep_sound, refuse_damage
from pipeline.schema import SCHEMAS
from pipeline.stage import Context, Ref, RowStage, RunStage, Task, Worker

if TYPE_CHECKING:
    from rich.console import RenderableType

_HALVINGS = 6  # of a batch size, before memory is given up on

STORED = "stored"
"""The name under which what decides anew reads the rows that are there."""

logger = logging.getLogger(__name__)


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
    """Carries out one configured run; see :class:`pipeline.plan.Planner` for its arguments."""

    def __init__(
        self,
        config: RunConfig,
        runs_dir: Path,
        progress: Progress | None,
        registry: Registry,
    ) -> None:
        super().__init__(config, runs_dir, progress, registry)
        self._sound: set[Ref] = set()
        self._engine = engines.engine(config)

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
        with self.folder.lock(), contextlib.closing(self._engine):
            self.folder.tidy()
            steps = self.plan(tasks, selection)
            refuse_damage(self.folder, steps, selection)
            self._require(steps)
            self._save_config()
            result = Result(steps, folder=self.folder.path)
            for step in steps:
                if step.state == "up to date":
                    self.folder.drop_partial(step.task.ref, step.fingerprint)
            self._carry_out(steps, selection, result)
            return result

    def _carry_out(self, steps: Sequence[Step], selection: Selection, result: Result) -> None:
        selected = selection.stages(self.registry)
        changed: set[Ref] = set()
        for number, step in enumerate(steps):
            ref = step.task.ref
            kept = step.state in ("up to date", "decide")
            other = changed_input(step, changed) if kept else None
            if other is not None and step.task.stage in selected:
                step.state = "run"
                step.why = f"its input {other} has other content than before the repair"
            elif other is not None:
                logger.warning(
                    "%s was made from another %s than there is now: run again with --from %s "
                    "--force",
                    ref,
                    other,
                    step.task.stage,
                )
            if step.state not in TODO:
                continue
            place = len(result.done) + 1
            total = place + sum(s.state in TODO for s in steps[number + 1 :])
            self.progress.console.print(
                f"[bold]{ref}[/bold] [dim]({place} of {total}: {step.why})[/dim]", soft_wrap=True
            )
            before = content(self.folder, ref) if selection.repair else None
            with store.disk_errors(self.folder.folder(ref)):
                result.done.append(self._do(step))
            if before is not None and before != content(self.folder, ref):
                changed.add(ref)

    def _require(self, steps: Sequence[Step]) -> None:
        by_ref = {s.task.ref: s for s in steps}
        for step in steps:
            if step.state not in TODO:
                continue
            for ref in (*step.task.inputs.values(), *step.task.side_inputs.values()):
                if by_ref[ref].state == "not selected":
                    raise ConfigError(
                        f"{step.task.ref} needs {ref}, which is not up to date "
                        f"({by_ref[ref].why}); start from an earlier stage: --from {ref.stage}"
                    )

    def _save_config(self) -> None:
        text = json.dumps(self.config.model_dump(mode="json"), indent=2, ensure_ascii=False)
        store.write_atomic(self.folder.path / store.CONFIG, text.encode())

    def _do(self, step: Step) -> Artifact:
        task = step.task
        partial = self.folder.partial(task.ref, step.fingerprint)
        if partial.complete:
            return partial.finish(None)
        of = self.registry[task.stage]
        if step.state == "repair" and isinstance(of, RowStage):
            keep_sound(self.folder, step, partial)
        started = datetime.now(UTC)
        clock = time.monotonic()
        inputs = {name: self._input(ref) for name, ref in task.inputs.items()}
        facts: dict[str, Any]
        try:
            stored = self._input(task.ref) if step.state == "decide" else None
            if isinstance(of, RowStage):
                facts = self._rows(of, task, inputs, partial, stored)
            elif isinstance(of, RunStage):
                inputs |= {name: self._input(ref) for name, ref in task.side_inputs.items()}
                facts = self._whole(of, task, inputs, partial, stored)
            else:  # pragma: no cover - a programming error
                raise TypeError(f"stage {task.stage!r} is neither a RowStage nor a RunStage")
        except Exception as error:
            if isinstance(error, XlnerError) or not out_of_memory(error):
                raise
            told = str(error).strip().partition("\n")[0] or type(error).__name__
            advice = Advice(str(task.ref), of.batch_option, 1)
            raise XlnerError(f"{task.ref}: memory ran out ({told}): {advice}") from error
        finally:
            # A worker that was killed or stopped may have been writing.
            partial.sweep()
        seconds = round(time.monotonic() - clock, 3)
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
            # Not the clock's word for it: it may have been set in between.
            finished=started + timedelta(seconds=seconds),
            seconds=seconds,
            versions=store.library_versions(),
            **facts,
        )
        return partial.finish(manifest)

    def previews(self, steps: Sequence[Step]) -> Iterator[str]:
        """Yield what the stages of a plan can tell before anything runs."""
        for name in dict.fromkeys(s.task.stage for s in steps):
            tasks = [s.task for s in steps if s.task.stage == name]
            yield from self.registry[name].preview(self.config, tasks)

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
        # Parts are compared as they are read. Files are read by libraries, so now.
        if found.manifest.files and ref not in self._sound:
            for damage in found.damage(contents=True):
                raise DamagedError(
                    f"{found.folder / damage.name} {damage.what}; run_pipeline with --repair makes "
                    "it again"
                )
            self._sound.add(ref)
        return found

    def _seed(self, task: Task, *more: object) -> int:
        return store.derive_seed(self.config.seed, task.stage, task.seeded_as or task.unit, *more)

    def _rows(
        self,
        of: RowStage,
        task: Task,
        inputs: Mapping[str, Artifact],
        partial: Partial,
        stored: Artifact | None,
    ) -> dict[str, Any]:
        if stored is not None:
            inputs = {**inputs, STORED: stored}
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
                sums={name: a.manifest.parts[i].sha256 for name, a in inputs.items()},
            )
            for i, info in enumerate(lead.manifest.parts)
        ]
        left = [j for j in jobs if not j.output.exists()]
        factory: Callable[[], Worker] | None = None
        if left and stored is not None:
            factory = of.decider(self.configured(task), task)
        elif left:
            factory = self._factory(of, task, inputs, partial)
        with self.progress.task(f"{task.stage} {task.unit}", total=lead.num_rows) as bar:
            bar.advance(sum(j.rows for j in jobs if j.output.exists()))
            if factory is not None:
                for _, rows in self._engine.run(factory, left, self.config.workers):
                    bar.advance(rows)
        notes = [engines.part_facts(j) for j in jobs]
        parts = [PartInfo(**{k: n[k] for k in PartInfo.model_fields}) for n in notes]
        return {
            "parts": parts,
            "rows_out": sum(p.rows for p in parts),
            "drops": store.merge_counts(n["drops"] for n in notes),
            "notes": self._part_notes(of, task, notes) if stored is None else stored.manifest.notes,
        }

    def _factory(
        self, of: RowStage, task: Task, inputs: Mapping[str, Artifact], partial: Partial
    ) -> FrugalFactory:
        """Return what builds workers: as configured, and those for when memory runs out."""
        side = {name: self._input(ref).folder for name, ref in task.side_inputs.items()}
        side["collected"] = self._collect(of, task, inputs, partial)
        sizes: list[int] = []
        configured = self.configured(task)
        factories = [of.worker(configured, task, side)]
        for times in range(1, _HALVINGS + 1):
            smaller = of.smaller(configured, times)
            if smaller is None:
                break
            config, size = smaller
            factories.append(of.worker(config, task, side))
            sizes.append(size)
        advice = Advice(str(task.ref), of.batch_option, self.config.workers)
        return FrugalFactory(tuple(factories), tuple(sizes), advice)

    def _part_notes(
        self, of: RowStage, task: Task, facts: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        counts: Counter[str] = Counter()
        for fact in facts:
            counts.update({k: n for k, n in fact["notes"].items() if k != SMALLER})
        remark = of.remark(counts)
        if remark is not None:
            logger.warning("%s: %s", task.ref, remark)
        return {**counts, **self._smaller(of, task, facts)}

    def _smaller(
        self, of: RowStage, task: Task, facts: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        smaller = {f["name"]: f["notes"][SMALLER] for f in facts if SMALLER in f["notes"]}
        if not smaller or of.batch_option is None:
            return {}
        if of.batch_option.partition(".")[2] in of.options(self.configured(task)).neutral:
            return {}
        logger.warning(
            "%s: memory ran out on %d of %d parts, which were made with a lower %s (down to %d); "
            "the last digits of their scores may differ for it. The manifest names them",
            task.ref,
            len(smaller),
            len(facts),
            of.batch_option,
            min(smaller.values()),
        )
        return {SMALLER: smaller}

    def _collect(
        self, of: RowStage, task: Task, inputs: Mapping[str, Artifact], partial: Partial
    ) -> Path:
        folder = partial.work / "collected"
        mark = partial.work / "collected.done"
        if not mark.exists():
            if folder.exists():  # begun by a process that was killed
                shutil.rmtree(folder)
            folder.mkdir()
            of.collect(self.configured(task), task, Inputs(inputs), folder, self.progress)
            store.sync_tree(folder)
            store.write_atomic(mark, b"")
        return folder

    def _whole(
        self,
        of: RunStage,
        task: Task,
        inputs: Mapping[str, Artifact],
        partial: Partial,
        stored: Artifact | None,
    ) -> dict[str, Any]:
        self._engine.close()  # processes that wait for more rows hold memory
        # A half-written output is begun again; what is worth keeping is in partial.work.
        shutil.rmtree(partial.out)
        partial.out.mkdir()
        work = partial.work / "stage"
        work.mkdir(exist_ok=True)
        context = Context(
            config=self.configured(task),
            task=task,
            seed=self._seed(task),
            work_dir=work,
            progress=self.progress,
        )
        extra = {"counts": context.counts, "notes": context.notes}
        if task.kind in SCHEMAS:
            out = DatasetOutput(partial.out, task.kind, self.config.part_rows)
            if stored is None:
                of.run(Inputs(inputs), out, context)
            else:
                of.decide(stored, Inputs(inputs), out, context)
            drops = store.merge_counts([out.drops, {"rows": context.drops}])
            rows = sum(p.rows for p in out.parts)
            return {"parts": out.parts, "rows_out": rows, "drops": _no_empty(drops), **extra}
        of.run(Inputs(inputs), FilesOutput(partial.out), context)
        files = {
            str(p.relative_to(partial.out)): p
            for p in sorted(partial.out.rglob("*"))
            if p.is_file()
        }
        return {
            "files": {name: store.file_sha256(p) for name, p in files.items()},
            "sizes": {name: p.stat().st_size for name, p in files.items()},
            "drops": _no_empty({"rows": context.drops}),
            **extra,
        }


def _same_parts(inputs: Mapping[str, Artifact]) -> None:
    counts = {name: [p.rows for p in a.manifest.parts] for name, a in inputs.items()}
    if len({tuple(c) for c in counts.values()}) > 1:
        told = ", ".join(f"{name}: {sum(c)} rows in {len(c)} parts" for name, c in counts.items())
        raise XlnerError(f"the inputs do not match part by part ({told}); run again with --force")


def _columns(kind: str) -> dict[str, str]:
    return {f.name: str(f.type) for f in SCHEMAS[kind]} if kind in SCHEMAS else {}


def _no_empty(counts: Mapping[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return {k: v for k, v in counts.items() if v}
