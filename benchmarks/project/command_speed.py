"""Sentences per second and memory of the whole command `project_labels`, by size of the corpus.

    python -m benchmarks.project.command_speed [--sizes 8000 40000 200000] [--runs 3]

CoNLL-2003 English (of ../shared/data) on to itself, word by word; beyond its 14,041 sentences come
copies in which every word of four letters and more has another ending, so that no sentence and few
words are repeated. Processor seconds of the child, its start and imports included, so that a busy
machine does not blur the figure; sizes take turns. Ends with an error above a gibibyte.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.project.corpora import DATA

LIMIT = 1024
"""MiB."""
_COMMAND = "from xlner.commands.project_labels import main; main()"


def write_corpus(size: int, folder: Path, data: Path) -> None:
    """Write ``source.conll``, ``target.txt`` and ``links.txt`` of so many sentences."""
    text = (data / "ner/conll/en/train.txt").read_text(encoding="utf-8")
    sentences = [
        [tuple(line.rsplit(" ", 1)) for line in block.splitlines()]
        for block in text.strip().split("\n\n")
    ]
    with (
        (folder / "source.conll").open("w", encoding="utf-8") as source,
        (folder / "target.txt").open("w", encoding="utf-8") as target,
        (folder / "links.txt").open("w", encoding="utf-8") as links,
    ):
        for k in range(size):
            copy = k // len(sentences)
            rows = sentences[k % len(sentences)]
            ending = "".join(chr(ord("a") + int(d)) for d in str(copy)) if copy else ""
            words = [w + ending if len(w) > 3 else w for w, _ in rows]
            for word, (_, tag) in zip(words, rows, strict=True):
                source.write(f"{word} {tag}\n")
            source.write("\n")
            target.write(" ".join(words) + "\n")
            links.write(" ".join(f"{i}-{i}" for i in range(len(rows))) + "\n")


def run(folder: Path) -> tuple[float, float]:
    """Return processor seconds and peak MiB of one run of the command."""
    names = ["source.conll", "target.txt", "links.txt", "-o", "out.conll"]
    child = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, *names], cwd=folder, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"the command failed in {folder}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[8_000, 40_000, 200_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    seconds: dict[int, list[float]] = {size: [] for size in options.sizes}
    memory: dict[int, float] = {}
    os.environ["PYTHONPATH"] = str(Path.cwd())
    with tempfile.TemporaryDirectory() as scratch:
        for size in options.sizes:
            (Path(scratch) / str(size)).mkdir()
            write_corpus(size, Path(scratch) / str(size), options.data)
        for _ in range(options.runs):
            for size in options.sizes:
                spent, peak = run(Path(scratch) / str(size))
                seconds[size].append(spent)
                memory[size] = max(peak, memory.get(size, 0.0))
    first = options.sizes[0] / statistics.median(seconds[options.sizes[0]])
    for size in options.sizes:
        rates = sorted(size / s for s in seconds[size])
        middle = size / statistics.median(seconds[size])
        print(
            f"{size:>9,} sentences: {middle:,.0f}/s (median of {options.runs}, {rates[0]:,.0f} to "
            f"{rates[-1]:,.0f}), {middle / first:.2f} of the first; peak {memory[size]:.0f} MiB"
        )
    if max(memory.values()) > LIMIT:
        raise SystemExit(f"peak memory of {max(memory.values()):.0f} MiB, more than {LIMIT}")


if __name__ == "__main__":
    main()
