"""What the machinery costs: rows through the stage's worker against the bare aligner.

    python benchmarks/align/overhead.py

A random encoder of the size that ships (6 layers, 256 wide, layer 4), real English-German news, one
part of 1,000 rows as Arrow in and out; 7 alternating runs, model loading excluded.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.align.encoders import random_bert
from benchmarks.align.speed import news_pairs
from benchmarks.timing import alternate, ratios, spread
from pipeline.schema import table
from pipeline.stage import Part
from stages.align.build import build
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.planning import plan
from stages.align.worker import AlignWorker
from stages.translate.worker import translation_row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()

    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    pairs = news_pairs(arguments.rows)
    rows = [
        translation_row(
            {"id": str(i), "words": a, "spans": []}, "en", "de", text="", words=b, score=None
        )
        for i, (a, b) in enumerate(pairs)
    ]
    data = table("translations", rows)
    with tempfile.TemporaryDirectory() as folder:
        model = random_bert(Path(folder), [" ".join(s) for p in pairs for s in p], 6, 256)
        config = AlignConfig(aligner="simalign", model=str(model), layer=4, device="cpu")
        aligner = build(plan(config, AlignmentContext("en", "de")))
    worker = AlignWorker(aligner)
    times = alternate(
        {
            "bare": lambda: aligner.align(pairs),
            "through": lambda: worker({"translations": data}, Part(0, 0)),
        },
        arguments.runs,
    )
    bare, through = times["bare"].wall, times["through"].wall
    print(
        f"{len(pairs)} pairs: bare {statistics.median(bare):.2f} s, through the worker "
        f"{statistics.median(through):.2f} s, ratio {spread(ratios(through, bare))} "
        f"over {arguments.runs} runs"
    )


if __name__ == "__main__":
    main()
