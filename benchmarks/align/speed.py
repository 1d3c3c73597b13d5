"""How fast sentence pairs are aligned, side by side with simalign and with the bare encoder.

    python benchmarks/align/speed.py                            # 12 layers, 768 wide, layer 8
    python benchmarks/align/speed.py --layers 6 --width 256 --layer 4
    python benchmarks/align/speed.py --model FOLDER --layer 4   # an encoder of your own
    python benchmarks/align/speed.py --threads 1 --cpu-time     # beside other work: see below

Real English-German news (`wmt-news`, beside the checkout), words split by our tokeniser. All
take turns within each round, so that what else the machine does hits all of them; the table gives
medians over the rounds, and ratios are medians of the rounds' ratios. The bare forward computes the
same layers on the same batches, and nothing else. With ``--cpu-time`` the processor's time is
taken instead of the clock's: on a machine that is busy with other things, and with one thread, that
is what it would be alone but for shared caches and memory.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.align.encoders import random_bert
from benchmarks.timing import Times, ratios, turns
from stages.align.build import build
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.planning import plan
from stages.tokenise import tokenise
from stages.word_alignment.aligner import WordPair

NEWS = Path(__file__).resolve().parents[3] / "shared" / "data" / "parallel" / "wmt-news"
METHODS = {"inter": "a", "itermax": "i", "match": "m"}
DTYPES = ("float32", "bfloat16", "int8")


def news_pairs(count: int, test: str = "generaltest2022") -> list[WordPair]:
    """Return the first sentence pairs of a news test, en-de."""
    sides = [
        (NEWS / f"{test}.en-de.{name}").read_text(encoding="utf-8").splitlines()[:count]
        for name in ("src.en", "ref.A.de")
    ]
    return [(tokenise(a, "en"), tokenise(b, "de")) for a, b in zip(*sides, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--layer", type=int, default=8)
    parser.add_argument("--model", type=Path, help="an encoder instead of random weights")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument(
        "--test", default="generaltest2022", choices=("generaltest2022", "newstest2021")
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--cpu-time", action="store_true", help="count the processor's time")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--batch-tokens", type=int, default=AlignConfig().batch_tokens)
    arguments = parser.parse_args()

    import torch
    import transformers

    torch.set_num_threads(arguments.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    pairs = news_pairs(arguments.pairs, arguments.test)
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or random_bert(
            Path(folder), [" ".join(s) for p in pairs for s in p], arguments.layers, arguments.width
        )
        compare(model, arguments, pairs)


def compare(model: Path, arguments: argparse.Namespace, pairs: Sequence[WordPair]) -> None:
    contestants: dict[str, Callable[[], Any]] = {}
    links: dict[str, Any] = {}
    for method in arguments.methods:
        letter = METHODS[method]
        contestants[f"simalign {method}"] = _simalign(model, arguments.layer, letter, pairs)
    for dtype in DTYPES:
        embedder = None
        for method in arguments.methods:
            aligner = _ours(model, arguments, method, dtype)
            # One model in memory for all methods.
            embedder = embedder or aligner._embed
            aligner._embed = embedder
            contestants[f"ours {method} {dtype}"] = lambda a=aligner: a.align(pairs)
        contestants[f"forward {dtype}"] = _forward(aligner, pairs)
    for run in contestants.values():
        _call(run, pairs[:3])
    measured: dict[str, Times] = {}
    for number, name, result in turns(contestants, arguments.rounds, measured):
        links.setdefault(name, result)
        print(f"round {number + 1} of {arguments.rounds}: {name}", file=sys.stderr)
    clock = "cpu" if arguments.cpu_time else "wall"
    _report(arguments, pairs, {name: measured[name].by(clock) for name in contestants}, links)


def _call(run: Callable[[], Any], pairs: Sequence[WordPair]) -> None:
    """Warm up: first calls allocate and compile."""
    if run.__defaults__ and hasattr(run.__defaults__[0], "align"):
        run.__defaults__[0].align(pairs)


def _simalign(model: Path, layer: int, letter: str, pairs: Sequence[WordPair]) -> Any:
    import simalign

    logging.getLogger("simalign.simalign").handlers.clear()
    aligner = simalign.SentenceAligner(str(model), "bpe", 0.0, letter, "cpu", layer)
    name = {"a": "inter", "i": "itermax", "m": "mwmf"}[letter]
    return lambda: [set(aligner.get_word_aligns(a, b)[name]) for a, b in pairs]


def _ours(model: Path, arguments: argparse.Namespace, method: str, dtype: str) -> Any:
    config = AlignConfig.model_validate(
        {
            "aligner": "simalign",
            "model": str(model),
            "layer": arguments.layer,
            "method": method,
            "dtype": dtype,
            "batch_tokens": arguments.batch_tokens,
            "device": "cpu",
        }
    )
    return build(plan(config, AlignmentContext("en", "de")))


def _forward(aligner: Any, pairs: Sequence[WordPair]) -> Callable[[], None]:
    """Return the model's own work, on the batches that the aligner would make."""
    embedder = aligner._embed
    batches: list[list[list[int]]] = []
    layers = embedder.layers

    class Recorder:
        device, padded, rows = layers.device, layers.padded, layers.rows

        def __call__(self, batch: list[list[int]]) -> Any:
            batches.append(batch)
            return layers(batch)

    embedder.layers = Recorder()
    aligner.align(pairs)
    embedder.layers = layers

    def run() -> None:
        for batch in batches:
            layers(batch)

    return run


def _report(
    arguments: argparse.Namespace,
    pairs: Sequence[WordPair],
    times: dict[str, list[float]],
    links: dict[str, Any],
) -> None:
    words = sum(len(a) + len(b) for a, b in pairs) / len(pairs)
    shape = arguments.model or f"{arguments.layers} layers, {arguments.width} wide"
    print(
        f"{len(pairs)} pairs of {arguments.test}, {words:.0f} words on average (both sides), "
        f"{shape}, layer {arguments.layer}, {arguments.threads} threads, "
        f"medians of {arguments.rounds} rounds{', processor time' * arguments.cpu_time}"
    )
    print(f"{'':26}{'pairs/s':>9}{'x simalign':>12}{'of forward':>12}{'links kept':>12}")
    found = {
        name: [{(k.source, k.target) for k in f if k.prob >= 0.5} for f in result]
        for name, result in links.items()
        if name.startswith("ours")
    }
    for name, seconds in times.items():
        row = f"{name:26}{len(pairs) / statistics.median(seconds):9.1f}"
        if name.startswith("ours"):
            _, method, dtype = name.split()
            row += f"{_ratio(times[f'simalign {method}'], seconds):12.2f}"
            row += f"{_ratio(times[f'forward {dtype}'], seconds):12.2f}"
            reference = links[f"simalign {method}"]
            same = sum(len(a & b) for a, b in zip(reference, found[name], strict=True))
            row += f"{same / sum(map(len, reference)):12.4f}"
            if dtype.startswith("float32"):
                differ = sum(a != b for a, b in zip(reference, found[name], strict=True))
                row += f"  {differ} pairs differ"
        print(row)


def _ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    return statistics.median(ratios(theirs, ours))


if __name__ == "__main__":
    main()
