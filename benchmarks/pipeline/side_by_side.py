"""A whole run with one task at a time and with several: wall time, processor seconds, same bytes.

    python benchmarks/pipeline/side_by_side.py default --jobs 1 2 --rounds 3

Runs alternate, each in an empty folder and in a process of its own, from the first stage on.
Processor seconds are those of that process and all that it has started. On a machine that does
other work too, they say what wall time does not; "cores" is their ratio.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_RUN = "import sys; sys.argv[0] = 'run_pipeline'; from xlner.commands.run import main; main()"
_TELL_TIMES = ("_manifest.json", "config.json", "report.html")


@dataclass(frozen=True, slots=True)
class Took:
    """What a run took: seconds, and processor seconds."""

    wall: float
    processor: float


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("config", nargs="?", default="default")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    args = parser.parse_args()
    took: dict[int, list[Took]] = {jobs: [] for jobs in args.jobs}
    seen: set[str] = set()
    with tempfile.TemporaryDirectory() as temporary:
        for _ in range(args.rounds):
            for jobs in args.jobs:
                folder = Path(temporary) / "runs"
                took[jobs].append(run(args.config, jobs, args.overrides, folder))
                seen.add(digest(folder))
                shutil.rmtree(folder)
    first = took[args.jobs[0]]
    print(f"{len(os.sched_getaffinity(0))} cores; OMP_NUM_THREADS {threads()}")
    print("| jobs | wall, s | processor, s | cores | wall of the first |")
    print("|---|---|---|---|---|")
    for jobs, runs in took.items():
        ratio = statistics.median(t.wall / f.wall for t, f in zip(runs, first, strict=True))
        wall, processor = spread([t.wall for t in runs]), spread([t.processor for t in runs])
        cores = statistics.median(t.processor / t.wall for t in runs)
        print(f"| {jobs} | {wall} | {processor} | {cores:.2f} | {ratio:.2f} |")
    print("the same bytes in all runs" if len(seen) == 1 else f"{len(seen)} different results")


def run(config: str, jobs: int, overrides: list[str], folder: Path) -> Took:
    """Do one run and return what it took."""
    options = [x for o in overrides for x in ("--set", o)]
    command = [sys.executable, "-c", _RUN, config, "--jobs", str(jobs), *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    before, started = spent(), time.monotonic()
    subprocess.run(
        [*command, "--runs-dir", str(folder)],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return Took(time.monotonic() - started, spent() - before)


def spent() -> float:
    """Return the processor seconds of all processes that have ended below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def digest(folder: Path) -> str:
    """Return one hash of all data, models and scores of a run."""
    found = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.name not in _TELL_TIMES:
            found.update(str(path.relative_to(folder)).encode())
            found.update(path.read_bytes())
    return found.hexdigest()


def spread(values: list[float]) -> str:
    """Return the median, and the range where there are several."""
    told = f"{statistics.median(values):.0f}"
    return told if len(values) == 1 else f"{told} ({min(values):.0f} to {max(values):.0f})"


def threads() -> str:
    """Return what is stated about threads."""
    return os.environ.get("OMP_NUM_THREADS", "not set")


if __name__ == "__main__":
    main()
