"""The Ray engine beside the local one: the same bytes, and how fast.

    python benchmarks/pipeline/ray_engine.py CORPUS [--rows 20000] [--workers 2] [--set KEY=VALUE]

The labelled sentences of CORPUS (CoNLL) are repeated until there are ``--rows`` of them, and go
through translate, align and project with both engines, in two fresh run folders. Ray is the cluster
named by ``ray.address`` (``--set ray.address=HOST:6379``) or RAY_ADDRESS, else one of this machine,
which is started for the purpose. The command fails if a part differs. Seconds are those of the
manifests: they hold what starting processes and loading models takes, which ``--rows`` must be
large enough to hide.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.plan import Selection
from xlner.api import Runner, load_config
from xlner.commands.shared import quiet_libraries

STAGES = ("translate", "align", "project")


def repeated(corpus: Path, rows: int, to: Path) -> None:
    """Write so many sentences of a corpus, from its beginning again when it ends."""
    blocks = [b.strip("\n") for b in corpus.read_text(encoding="utf-8").split("\n\n")]
    sentences = [b for b in blocks if b and not b.startswith("-DOCSTART-")]
    if not sentences:
        raise SystemExit(f"{corpus}: there is no sentence in it")
    with to.open("w", encoding="utf-8") as file:
        file.writelines(f"{sentence}\n\n" for sentence in islice(cycle(sentences), rows))


def run(engine: str, args: argparse.Namespace, place: Path) -> dict[str, float]:
    """Run the stages with one engine; return the seconds of each."""
    settings = [
        "arms=[projected]",
        f"languages=[{args.lang}]",
        "data.root=null",
        f"data.train={{path: {place / 'train.conll'}}}",
        *args.overrides,
        f"engine={engine}",
        f"workers={args.workers}",
    ]
    config = load_config(args.config, settings)
    result = Runner(config, place / engine).run(Selection(last="project"))
    seconds = {a.manifest.stage: a.manifest.seconds for a in result.done}
    return {stage: seconds[stage] for stage in STAGES}


def differences(place: Path) -> tuple[int, int, list[str]]:
    """Return the parts and rows of the last stage, and the names of all parts that differ."""
    found = {
        engine: {str(p.relative_to(place / engine)): p for p in (place / engine).rglob("*.parquet")}
        for engine in ("local", "ray")
    }
    names = set(found["local"]) | set(found["ray"])
    other = [
        name
        for name in sorted(names)
        if any(name not in f for f in found.values())
        or found["local"][name].read_bytes() != found["ray"][name].read_bytes()
    ]
    last = [p for n, p in found["ray"].items() if "/project/" in f"/{n}"]
    return len(names), sum(pq.read_metadata(p).num_rows for p in last), other


def main() -> None:
    """Run both, compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--config", default="default")
    parser.add_argument("--lang", default="de")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    args = parser.parse_args()
    quiet_libraries()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        repeated(args.corpus, args.rows, place / "train.conll")
        load = os.getloadavg()[0]
        seconds = {engine: run(engine, args, place) for engine in ("local", "ray")}
        parts, rows, other = differences(place)
    cores = len(os.sched_getaffinity(0))
    print(f"{args.rows:,} rows, {args.workers} workers, {cores} cores, load before {load:.1f}")
    print(f"{'rows/s':<10}{'local':>10}{'ray':>10}{'ratio':>8}")
    for stage in STAGES:
        local, ray = (seconds[engine][stage] for engine in ("local", "ray"))
        print(f"{stage:<10}{args.rows / local:>10.1f}{args.rows / ray:>10.1f}{local / ray:>8.2f}")
    if other or rows != args.rows:
        sys.exit(f"{rows:,} rows came out; {len(other)} parts differ: {', '.join(other[:5])}")
    print(f"the same bytes in all {parts} parts (all stages), {rows:,} projected rows")


if __name__ == "__main__":
    main()
