"""What the machinery costs: row-wise stages through the pipeline against bare worker calls.

    python benchmarks/pipeline/overhead.py default [--set KEY=VALUE] [--stages translate align …]

The run must be complete up to the stages measured. For each stage one worker is built (model
loading is excluded), then two ways over the same rows alternate: the bare call ``worker(tables)``
with the input tables in memory, and the engine, which reads the input parts, checks their ids,
calls the same worker, counts drops, and writes the parts durably. Prints the median ratio.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.timing import alternate, ratios, spread
from pipeline.artifacts import part_name, read_part
from pipeline.engine import PartJob
from pipeline.engine.local import LocalEngine
from pipeline.stage import Part, RowStage, Task, Worker
from xlner.api import Runner, load_config
from xlner.commands.shared import quiet_libraries


def jobs_for(runner: Runner, task: Task, place: Path) -> list[PartJob]:
    """Return the jobs of a task, writing below ``place``."""
    inputs = {}
    for name, ref in task.inputs.items():
        found = runner.folder.artifact(ref)
        if found is None:
            raise SystemExit(f"{ref} is not there: run the pipeline first")
        inputs[name] = found
    lead = next(iter(inputs.values()))
    return [
        PartJob(
            index=i,
            rows=info.rows,
            inputs={name: a.parts[i] for name, a in inputs.items()},
            output=place / part_name(i),
            sidecar=place / f"{i}.json",
            kind=task.kind,
            seed=i,
        )
        for i, info in enumerate(lead.manifest.parts)
    ]


def measure(runner: Runner, stage: RowStage, task: Task, runs: int) -> tuple[list[float], float]:
    """Return the ratios engine / bare of alternating runs, and the median bare seconds."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        collected = place / "collected"
        collected.mkdir()
        inputs = {n: runner.folder.artifact(r) for n, r in task.inputs.items()}
        stage.collect(runner.config, task, {n: a for n, a in inputs.items() if a}, collected)
        worker: Worker = stage.worker(runner.config, task, {"collected": collected})()
        jobs = jobs_for(runner, task, place)
        tables = [{n: read_part(p) for n, p in job.inputs.items()} for job in jobs]

        def bare() -> None:
            for job, inputs in zip(jobs, tables, strict=True):
                worker(inputs, Part(job.index, job.seed))

        def engine() -> None:
            for _ in LocalEngine().run(lambda: worker, jobs, 1):
                pass

        times = alternate({"bare": bare, "engine": engine}, runs)
    return ratios(times["engine"].wall, times["bare"].wall), statistics.median(times["bare"].wall)


def main() -> None:
    """Measure, and print one line per stage and language."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--runs-dir", type=Path, default=Path("artifacts/runs"))
    parser.add_argument("--stages", nargs="+", default=["translate", "align", "project"])
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    quiet_libraries()
    runner = Runner(load_config(args.config, args.overrides), args.runs_dir)
    print(f"{'task':<20} {'rows':>7} {'bare':>9}  ratio (median of {args.runs}, min–max)")
    for task in runner.tasks():
        stage = runner.registry[task.stage]
        if task.stage not in args.stages or not isinstance(stage, RowStage):
            continue
        found, bare = measure(runner, stage, task, args.runs)
        lead = runner.folder.artifact(next(iter(task.inputs.values())))
        rows = lead.num_rows if lead else 0
        print(
            f"{task.ref!s:<20} {rows:>7,} {bare:>7.2f} s  {spread(found)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
