"""What a second place gains: two jobs against one, two Ray workers and trainings against one.

    python -m benchmarks.pipeline.two_places                 # on a machine that does nothing else
    python -m benchmarks.pipeline.two_places --tiny          # does it run at all?

Prints, for the default run and for its trainings alone on Ray, the wall time with one and with two
places in alternating runs, the median of the ratios and their range. Goals: the default run in at
most 0.6 of the wall time, trainings over two Ray workers 1.8 times as fast.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.timing import ratios, spread

ROOT = Path(__file__).resolve().parents[2]

_RUN = "import sys; sys.argv[0] = 'run_pipeline'; from xlner.commands.run import main; main()"
_TINY = [
    "languages=[de]",
    "train.max_steps=2",
    "synthesize.sentences=20",
    "data.train.limit=40",
    "data.dev.limit=20",
]


def run(config: str, runs: Path, overrides: list[str], *more: str) -> float:
    """Do a run, or a part of one, in a process of its own; return its seconds by the clock."""
    options = [x for o in overrides for x in ("--set", o)]
    command = [sys.executable, "-c", _RUN, config, "--runs-dir", str(runs), *options, *more]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    started = time.monotonic()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def jobs(config: str, overrides: list[str], place: Path, rounds: int) -> None:
    """Compare whole runs with one and with two jobs."""
    took: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for count in took:
            runs = place / "jobs"
            took[count].append(run(config, runs, overrides, "--jobs", str(count)))
            shutil.rmtree(runs)
    tell("default run, two jobs over one (time)", took[2], took[1])


def trainings(config: str, overrides: list[str], place: Path, rounds: int) -> None:
    """Compare trainings on Ray, one and two at a time, all before them done already."""
    before = place / "before"
    run(config, before, overrides, "--until", "synthesize")
    took: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for count in took:
            runs = place / "ray"
            shutil.copytree(before, runs)
            options = [*overrides, "engine=ray", f"workers={count}", f"jobs={count}"]
            took[count].append(run(config, runs, options, "--until", "train"))
            shutil.rmtree(runs)
    tell("trainings on Ray, one over two at a time (speed)", took[1], took[2])


def tell(what: str, one: list[float], other: list[float]) -> None:
    """Print the ratios of both."""
    print(f"{what}: {spread(ratios(one, other))}; seconds {spread(one)} and {spread(other)}")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("config", nargs="?", default="default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--only", choices=["jobs", "ray"])
    parser.add_argument("--tiny", action="store_true", help="a run of seconds, for a try")
    args = parser.parse_args()
    overrides = [*(_TINY if args.tiny else []), *args.overrides]
    rounds = 1 if args.tiny else args.rounds
    print(f"{len(os.sched_getaffinity(0))} cores", flush=True)
    with tempfile.TemporaryDirectory() as place:
        if args.only != "ray":
            jobs(args.config, overrides, Path(place), rounds)
        if args.only != "jobs":
            trainings(args.config, overrides, Path(place), rounds)


if __name__ == "__main__":
    main()
