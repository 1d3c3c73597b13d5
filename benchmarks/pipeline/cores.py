"""Whether the local engine uses the cores that it is given: two processes against one.

    python benchmarks/pipeline/cores.py default [--rows 4000] [--workers 2] [--runs 5]

The run must be complete up to the stages measured; its parts are used again and again until there
are ``--rows`` rows, and as many parts for every process (a process works on whole parts: of three
parts on two, one would idle for a third of the time). Every process computes with one thread. The
clock starts when all models are loaded; what starting takes is shown beside it. Runs with one and
with several processes alternate; the ratio is that of neighbours. It says something only on an idle
machine with as many cores (on a busy one, see that the processor time is the same): the load before
each pair of runs is shown.
"""

from __future__ import annotations

import os

# Before numpy and torch are loaded; the processes of the pool inherit it.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from threading import Thread

import pyarrow as pa
from overhead import jobs_for

from pipeline.artifacts import part_name
from pipeline.engine import PartJob
from pipeline.engine.local import LocalEngine
from pipeline.stage import Part, RowStage, Task, Worker
from xlner.api import Runner, load_config
from xlner.commands.shared import quiet_libraries


@dataclass(frozen=True)
class Gate:
    """Builds a worker, says that it is there, and waits for the start."""

    factory: Callable[[], Worker]
    folder: Path

    def __call__(self) -> Worker:
        """Load the model."""
        worker = self.factory()
        (self.folder / f"ready.{os.getpid()}").touch()
        while not (self.folder / "go").exists():
            time.sleep(0.002)
        return Clocked(worker, self.folder)


@dataclass(frozen=True)
class Clocked:
    """Calls a worker, and notes the processor time of each part."""

    worker: Worker
    folder: Path

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        """Make a part."""
        before = time.process_time()
        made = self.worker(inputs, part)
        (self.folder / f"used.{part.index}").write_text(str(time.process_time() - before))
        return made


@dataclass(frozen=True)
class Timing:
    """Seconds until all models were loaded, those of the work, and its processor time."""

    start: float
    work: float
    processor: float


def enough_jobs(jobs: Sequence[PartJob], rows: int, workers: int, place: Path) -> list[PartJob]:
    """Repeat parts, each with an output of its own, until there are enough rows and parts."""
    found: list[PartJob] = []
    for job in cycle(jobs):
        if sum(j.rows for j in found) >= rows and len(found) % workers == 0:
            return found
        index = len(found)
        output, sidecar = place / part_name(index), place / f"{index}.json"
        found.append(replace(job, index=index, output=output, sidecar=sidecar))
    raise SystemExit("the stage has no input parts")


def timed(factory: Callable[[], Worker], jobs: Sequence[PartJob], workers: int) -> Timing:
    """Do the jobs; the clock starts when all models are loaded."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        times = [time.perf_counter()]

        def start() -> None:
            while len(list(place.glob("ready.*"))) < workers:
                time.sleep(0.002)
            times.append(time.perf_counter())
            (place / "go").touch()

        starter = Thread(target=start)
        starter.start()
        with closing(LocalEngine()) as engine:
            done = sum(rows for _, rows in engine.run(Gate(factory, place), jobs, workers))
            times.append(time.perf_counter())
        starter.join()
        processor = sum(float(p.read_text()) for p in place.glob("used.*"))
    if done != sum(j.rows for j in jobs):
        raise SystemExit(f"{done} rows came out of {sum(j.rows for j in jobs)}")
    for job in jobs:
        job.output.unlink()
        job.sidecar.unlink()
    return Timing(times[1] - times[0], times[2] - times[1], processor)


def measure(
    runner: Runner, stage: RowStage, task: Task, rows: int, workers: int, runs: int
) -> None:
    """Print one line per pair of runs, and the median of their ratios."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        collected = place / "collected"
        collected.mkdir()
        inputs = {n: runner.folder.artifact(r) for n, r in task.inputs.items()}
        found = {n: a for n, a in inputs.items() if a}
        stage.collect(runner.config, task, found, collected, runner.progress)
        factory = stage.worker(runner.config, task, {"collected": collected})
        jobs = enough_jobs(jobs_for(runner, task, place), rows, workers, place)
        total = sum(j.rows for j in jobs)
        print(f"{task.ref}: {total:,} rows in {len(jobs)} parts")
        ratios = []
        for number in range(1, runs + 1):
            load = os.getloadavg()[0]
            one, several = (timed(factory, jobs, w) for w in (1, workers))
            ratios.append(one.work / several.work)
            print(
                f"  {number}: 1 process {told(one, total)}; {workers} processes "
                f"{told(several, total)}; ratio {ratios[-1]:.2f}, load before {load:.1f}",
                flush=True,
            )
        print(
            f"  {workers} processes are {statistics.median(ratios):.2f} times one "
            f"(median of {runs}; {min(ratios):.2f}–{max(ratios):.2f})",
            flush=True,
        )


def told(timing: Timing, rows: int) -> str:
    """Return a timing in words."""
    return (
        f"{rows / timing.work:,.1f} rows/s (start {timing.start:.1f} s, "
        f"{timing.processor:.1f} s of processor time)"
    )


def main() -> None:
    """Measure the stages that are asked for, in the first language."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--runs-dir", type=Path, default=Path("artifacts/runs"))
    parser.add_argument("--stages", nargs="+", default=["translate", "align"])
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    quiet_libraries()
    runner = Runner(load_config(args.config, args.overrides), args.runs_dir)
    print(f"{len(os.sched_getaffinity(0))} cores, one thread per process")
    seen = set()
    for task in runner.tasks():
        stage = runner.registry[task.stage]
        if task.stage not in args.stages or task.stage in seen or not isinstance(stage, RowStage):
            continue
        seen.add(task.stage)
        measure(runner, stage, task, args.rows, args.workers, args.runs)


if __name__ == "__main__":
    main()
