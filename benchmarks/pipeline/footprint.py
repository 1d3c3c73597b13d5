"""Memory of a whole run, its processes together, over time.

    python benchmarks/pipeline/footprint.py default --jobs 2 [--set …] [--table footprint.tsv]

Every half a second the proportional set size (PSS: pages that several processes share are divided
among them) of the run and all that it has started is read from Linux. Printed are the peak of all
together, and for every process its own peak, in MB, with the tasks under way at that moment.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_RUN = "import sys; sys.argv[0] = 'run_pipeline'; from xlner.commands.run import main; main()"
_UNDER_WAY = ".partial"


@dataclass(slots=True)
class Sample:
    """Memory of all processes at one moment.

    Attributes:
        second: Since the start.
        anonymous: MB by process, of memory that is no file's.
        files: MB by process, of files that are mapped: libraries, above all.
        tasks: What is under way.
    """

    second: float
    anonymous: dict[int, float] = field(default_factory=dict)
    files: dict[int, float] = field(default_factory=dict)
    tasks: list[str] = field(default_factory=list)

    @property
    def total(self) -> float:
        """MB of all."""
        return sum(self.anonymous.values()) + sum(self.files.values())

    def of(self, pid: int) -> float:
        """MB of one process."""
        return self.anonymous.get(pid, 0.0) + self.files.get(pid, 0.0)


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    found = [pid]
    for parent in found:
        for thread in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(p) for p in thread.read_text().split()]
            except OSError:
                continue  # it has ended
    return found


def memory(pid: int) -> tuple[float, float] | None:
    """Return the PSS of a process in MB: anonymous memory, and files; ``None`` if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    sizes = {n: int(r.split()[0]) / 1e3 for n, _, r in (x.partition(":") for x in lines[1:])}
    return sizes["Pss_Anon"], sizes["Pss"] - sizes["Pss_Anon"]


def look(pid: int, runs: Path, second: float) -> Sample:
    """Return what all processes hold now."""
    sample = Sample(second)
    for member in family(pid):
        held = memory(member)
        if held is not None:
            sample.anonymous[member], sample.files[member] = held
    partial = (p for p in runs.rglob(f"*{_UNDER_WAY}") if p.is_dir())
    sample.tasks = sorted("/".join(p.name.removesuffix(_UNDER_WAY).split("/")) for p in partial)
    return sample


def watch(command: list[str], runs: Path, every: float) -> list[Sample]:
    """Run a command and look at its memory until it ends."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    samples = []
    while process.poll() is None:
        samples.append(look(process.pid, runs, time.monotonic() - started))
        time.sleep(every)
    if process.returncode:
        raise SystemExit(f"the run failed ({process.returncode})")
    return samples


def table(samples: list[Sample]) -> str:
    """Return all samples as lines: second, MB of all, MB of each process, tasks."""
    pids = sorted({p for s in samples for p in s.anonymous})
    lines = ["\t".join(["second", "all", *map(str, pids), "tasks"])]
    for s in samples:
        each = (f"{s.of(p):.0f}" for p in pids)
        lines.append("\t".join([f"{s.second:.1f}", f"{s.total:.0f}", *each, " ".join(s.tasks)]))
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("config", nargs="?", default="default")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--every", type=float, default=0.5, help="seconds between two looks")
    parser.add_argument("--table", type=Path, help="where to write all that was seen")
    args = parser.parse_args()
    options = [x for o in args.overrides for x in ("--set", o)]
    command = [sys.executable, "-c", _RUN, args.config, "--jobs", str(args.jobs), *options]
    with tempfile.TemporaryDirectory() as runs:
        samples = watch([*command, "--runs-dir", runs], Path(runs), args.every)
    if args.table:
        args.table.write_text(table(samples), encoding="utf-8")
    peak = max(samples, key=lambda s: s.total)
    print(f"all: {peak.total:.0f} MB at {peak.second:.0f} of {samples[-1].second:.0f} s")
    for pid in sorted({p for s in samples for p in s.anonymous}):
        own = max(samples, key=lambda s, p=pid: s.of(p))
        print(
            f"process {pid}: {own.of(pid):.0f} MB ({own.anonymous[pid]:.0f} its own, "
            f"{own.files[pid]:.0f} of files) at {own.second:.0f} s; at the peak of all "
            f"{peak.of(pid):.0f} MB; under way: {', '.join(own.tasks) or 'nothing'}"
        )


if __name__ == "__main__":
    main()
