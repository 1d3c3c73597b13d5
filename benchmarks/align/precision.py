"""What the encoder's precision does to links: AER, agreement with float32, processor time.

    python benchmarks/align/precision.py [--sets enfr deen en-es] [--dtypes float32 bfloat16 int8]

Gold sets: Hansards English-French, Europarl German-English, the dev parts of XL-WA. Each learns
from its own pairs alone, with the encoder that ships: by ``softmax`` as ``auto`` has it, or with
``--aligners auto`` by all of that, which dilutes the difference and takes minutes to learn. AER of
all pairs, in brackets of the first and the second half. "Agree" is the share of links that both
precisions assert, of those that either does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.align.languages import HANSARDS as DATA
from benchmarks.align.languages import ROOT, Links
from pipeline.formats import PharaohLine, read_pharaoh
from pipeline.schema import Link
from stages.align.build import build, learn
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.inputs import read_word_pairs
from stages.align.kinds.base import PairsToLearn
from stages.align.planning import plan
from stages.align.scoring import score
from stages.word_alignment.aligner import WordPair, asserted
from xlner.commands.shared import quiet_libraries

SETS = {"enfr": ("en", "fr"), "deen": ("de", "en")}
XL_WA = {"en-es": ("en", "es"), "en-nl": ("en", "nl"), "en-da": ("en", "da")}
ALIGNERS: dict[str, dict[str, Any]] = {
    "auto": {"aligner": "auto"},
    "softmax": {
        "aligner": "softmax",
        "temperature": 0.05,
        "center": True,
        "space_marks": False,
    },
}


def read(name: str) -> tuple[list[WordPair], list[PharaohLine]]:
    """Return the pairs of a set and their gold links."""
    if name in SETS:
        gold = list(read_pharaoh(DATA / f"{name}.gold", base=1))
        return read_word_pairs(DATA / f"{name}.src-tgt"), gold
    pairs: list[WordPair] = []
    gold = []
    for line in (DATA / "xl-wa" / f"{name}.dev.tsv").read_text(encoding="utf-8").splitlines():
        source, target, links = line.split("\t")
        pairs.append((source.split(), target.split()))
        found = [Link(int(i), int(j), 1.0) for i, j in (x.split("-") for x in links.split())]
        gold.append(PharaohLine(found, []))
    return pairs, gold


def align(
    options: dict[str, Any], dtype: str, pairs: list[WordPair], sides: tuple[str, str], model: str
) -> tuple[Links, float]:
    """Return the links that are asserted, and the processor seconds of aligning alone."""
    config = AlignConfig.model_validate(options | {"dtype": dtype})
    planned = plan(config, AlignmentContext(*sides, model, None))
    with tempfile.TemporaryDirectory() as folder:
        learn(planned, PairsToLearn(lambda: iter(pairs), lambda: iter(())), Path(folder))
        aligner = build(planned, Path(folder))
        started = time.process_time()
        links = aligner.align(pairs)
        return [asserted(found) for found in links], time.process_time() - started


def agreement(one: Links, other: Links) -> float:
    """Return the share of links that both have, of those that either has."""
    left, right = (
        {(k, x.source, x.target) for k, found in enumerate(links) for x in found}
        for links in (one, other)
    )
    return len(left & right) / max(1, len(left | right))


def error_rates(links: Links, gold: list[PharaohLine]) -> str:
    """Return AER of all pairs, in brackets of both halves."""
    half = len(gold) // 2
    parts = slice(None), slice(half), slice(half, None)
    whole, first, second = (100 * score(links[p], gold[p]).aer for p in parts)
    return f"{whole:.2f} ({first:.2f}, {second:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--sets", nargs="+", default=[*SETS, *XL_WA], choices=[*SETS, *XL_WA])
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16", "int8"])
    parser.add_argument("--aligners", nargs="+", default=["softmax"], choices=list(ALIGNERS))
    parser.add_argument("--encoder", default=str(ROOT / "artifacts" / "models" / "encoder"))
    arguments = parser.parse_args()
    quiet_libraries()
    print("| pairs | aligner | precision | AER | agree | pairs/s |\n|---|---|---|---|---|---|")
    for name in arguments.sets:
        pairs, gold = read(name)
        sides = (SETS | XL_WA)[name]
        for aligner in arguments.aligners:
            first: Links | None = None
            for dtype in arguments.dtypes:
                links, took = align(ALIGNERS[aligner], dtype, pairs, sides, arguments.encoder)
                first = links if first is None else first
                print(
                    f"| {len(pairs)} {name} | {aligner} | {dtype} | {error_rates(links, gold)} | "
                    f"{100 * agreement(links, first):.2f} % | {len(pairs) / took:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
