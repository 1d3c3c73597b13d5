"""Peak memory of the row-wise stages at two corpus sizes: it must not grow with the corpus.

    python benchmarks/pipeline/memory.py [--rows 10000 200000] [--stages prepare translate align …]
    python benchmarks/pipeline/memory.py --given      # the other side is given, not translated

Each stage runs by ``run_stage`` in its own process over a generated corpus of short sentences;
the peak resident set is what the kernel reports for that process. The models are those that ship,
or those named with --encoder and --translator (tiny ones make it quick; the weights do not matter).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

NAMES = ["Maria", "Berlin", "Nairobi", "Siemens", "Lopez", "Utrecht"]
WORDS = ["the", "minister", "spoke", "in", "about", "trade", "with", "a", "firm", "today"]


def write_corpus(path: Path, rows: int) -> None:
    """Write ``rows`` different short sentences with one entity each, as JSONL."""
    draw = random.Random(13)
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            words = [draw.choice(NAMES), *draw.choices(WORDS, k=4), f"n{number % 997}", "."]
            tags = ["B-PER", *["O"] * 6]
            file.write(json.dumps({"tokens": words, "ner_tags": tags}) + "\n")


def write_config(path: Path, args: argparse.Namespace, corpus: Path) -> None:
    """Write the config of one size."""
    config = {
        "name": path.stem,
        "languages": ["de"],
        "data": {"train": {"path": str(corpus)}},
        "models": {"encoder": args.encoder, "translator": args.translator},
        "translate": {"beam_size": 1},
        "align": {"aligner": "simalign"},
        "stages": ["prepare", "translate", "align", "project"],
    }
    if args.given:
        config["data"]["parallel"] = {"path": str(corpus)}
    path.write_text(json.dumps(config), encoding="utf-8")


def peak_of(command: list[str]) -> tuple[float, float]:
    """Run a command; return its peak resident set in MiB and its seconds."""
    started = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return usage.ru_maxrss / 1024, time.monotonic() - started


def main() -> None:
    """Measure, and print one line per stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs=2, default=[10_000, 200_000])
    parser.add_argument("--stages", nargs="+", default=["prepare", "translate", "align", "project"])
    parser.add_argument("--given", action="store_true")
    parser.add_argument("--encoder", default="artifacts/models/encoder")
    parser.add_argument("--translator", default="artifacts/models/translator")
    args = parser.parse_args()
    peaks: dict[str, list[float]] = {name: [] for name in args.stages}
    with tempfile.TemporaryDirectory() as place:
        for rows in args.rows:
            corpus = Path(place) / f"{rows}.jsonl"
            config = Path(place) / f"rows{rows}.yaml"
            write_corpus(corpus, rows)
            write_config(config, args, corpus)
            for name in args.stages:
                command = [str(Path(sys.executable).with_name("run_stage")), name, str(config)]
                peak, seconds = peak_of([*command, "--runs-dir", f"{place}/runs"])
                peaks[name].append(peak)
                print(f"{name:<10} {rows:>8,} rows  {peak:8.0f} MiB  {seconds:6.1f} s", flush=True)
    print(f"\n{'stage':<10} {args.rows[0]:>10,} {args.rows[1]:>10,}  ratio")
    for name, (small, large) in peaks.items():
        print(f"{name:<10} {small:>6.0f} MiB {large:>6.0f} MiB  {large / small:.2f}")


if __name__ == "__main__":
    main()
