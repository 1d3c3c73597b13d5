"""Alignment error rate of every aligner and of auto's ensembles on gold English-French pairs.

    python benchmarks/align/error_rate.py                 # with Tatoeba as further text
    python benchmarks/align/error_rate.py --no-parallel   # from the 447 pairs alone
    python benchmarks/align/error_rate.py --no-parallel --pairs 50   # from 50 pairs at a time

447 Hansards pairs with sure and possible links (`alignments/` beside the checkout), with the models
that ship, or others by `--encoder` and `--translator`. Every aligner runs once; ensembles combine
what it gave. eflomal is left out where it is not installed; its figures differ a little from run to
run, as its random numbers come from the system. Figures in brackets: first and second half.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.align.languages import Links, report
from pipeline.formats import read_pharaoh
from stages.align.agreement import compare
from stages.align.build import build, learn
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.inputs import read_word_pairs
from stages.align.kinds.auto import AUTO, Rule, Share
from stages.align.kinds.base import PairsToLearn
from stages.align.kinds.eflomal import eflomal_installed
from stages.align.kinds.ensemble import combine
from stages.align.kinds.member import MemberConfig
from stages.align.planning import plan
from stages.align.setting import EncoderOptions
from stages.align.text import read_pairs
from stages.text_sources import TextSource
from stages.word_alignment.aligner import WordPair
from stages.word_alignment.statistical.aligner import learnt_words
from xlner.commands.shared import quiet_libraries

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
BESIDE_AUTO = tuple(
    Rule(frozenset(), (Share("statistical", 1.0), *(Share(*share) for share in more)))
    for more in (
        (("translator", 0.2),),
        (("simalign", 0.2),),
        (("simalign", 0.2), ("translator", 0.2)),
        (("simalign", 0.5), ("translator", 0.2)),
        (("simalign", 1.0), ("translator", 0.2)),
        (("eflomal", 0.3), ("translator", 0.2)),
        (("eflomal", 0.3), ("simalign", 0.2), ("translator", 0.2)),
        (("back_translation", 0.2),),
        (("translator", 0.2), ("back_translation", 0.2)),
    )
)
"""What other members and weights would give."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--encoder", default=str(ROOT / "artifacts" / "models" / "encoder"))
    parser.add_argument("--translator", default=str(ROOT / "artifacts" / "models" / "translator"))
    parser.add_argument("--no-parallel", action="store_true", help="learn from the pairs alone")
    parser.add_argument("--pairs", type=int, help="align so many pairs at a time, each by itself")
    parser.add_argument("--only", nargs="*", help="these aligners, and what they make together")
    parser.add_argument("--layers", action="store_true", help="every layer of both models")
    arguments = parser.parse_args()
    quiet_libraries()
    gold = list(read_pharaoh(DATA / "alignments" / "enfr.gold", base=1))
    pairs = read_word_pairs(DATA / "alignments" / "enfr.src-tgt")
    around = AlignmentContext("en", "fr", arguments.encoder, arguments.translator)
    text = TextSource(
        path=DATA / "parallel" / "tatoeba" / "eng-fra.zip",
        languages=("en", "fr"),
        format="zip",
        member="fra.txt",
    )
    parallel = [] if arguments.no_parallel else [text]
    size = arguments.pairs or len(pairs)
    parts = [slice(start, start + size) for start in range(0, len(pairs), size)]
    words: list[int] = []  # that were learnt from, for each part
    results: dict[str, Links] = {}
    for name, options in _aligners(arguments):
        if arguments.only and name not in arguments.only:
            continue
        start = time.process_time()
        config = AlignConfig.model_validate({"soft": True, "parallel": parallel, **options})
        planned = plan(config, around)
        results[name] = []
        for part in parts:
            with tempfile.TemporaryDirectory() as folder:
                learn(
                    planned,
                    PairsToLearn(
                        lambda p=part: iter(pairs[p]),
                        lambda c=config: read_pairs(c.parallel, around),
                    ),
                    Path(folder),
                )
                results[name] += build(planned, Path(folder)).align(pairs[part])
                if name == "statistical":
                    words.append(learnt_words(planned.place(0, Path(folder))))
        report(name, results[name], gold, time.process_time() - start)
    for title, rules in (("auto: ", AUTO), ("", BESIDE_AUTO)):
        for rule in rules:
            if any(share.options for share in rule.members):
                continue  # "auto" itself is among the aligners; these are without options.
            members = [s.member(EncoderOptions()) for s in rule.members]
            members = [m for m in members if any(m.weight_at(count) > 0 for count in words)]
            if len(members) < 2 or any(m.aligner not in results for m in members):
                continue
            together = [
                combine(links, rule.combine, weights, 0.05)
                for part, count in zip(parts, words, strict=True)
                for weights in [_weights(members, count, pairs, results, part)]
                for links in zip(*(results[m.aligner][part] for m in members), strict=True)
            ]
            names = ", ".join(f"{m.aligner} {m.weight_at(max(words)):.2g}" for m in members)
            report(f"{title}{rule.combine}({names})", together, gold)


def _weights(
    members: list[MemberConfig],
    words: int,
    pairs: list[WordPair],
    results: dict[str, Links],
    part: slice,
) -> list[float]:
    """Return the weights of a part as auto sets them (it looks at a sample, this at all pairs)."""
    weights = []
    for member in members:
        weight = member.weight_at(words)
        if member.by_agreement:
            found = results["statistical"][part], results[member.aligner][part]
            weight *= compare(pairs[part], *found).trust
        weights.append(weight)
    return weights


def _aligners(arguments: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "statistical", {"aligner": "statistical"}
    yield "auto", {"aligner": "auto"}
    if eflomal_installed():
        yield "eflomal", {"aligner": "eflomal"}
    for folder, names in (
        (arguments.encoder, ("simalign", "softmax")),
        (arguments.translator, ("translator", "back_translation")),
    ):
        file = Path(folder) / "config.json"
        if not file.is_file():
            print(f"{folder}: no model there, left out")
            continue
        config = json.loads(file.read_text(encoding="utf-8"))
        count = config.get("num_hidden_layers") or config["encoder_layers"]
        for name in names:
            yield name, {"aligner": name}
            layers = arguments.layers and name != "back_translation"
            for layer in range(1, count + 1) if layers else ():
                yield f"{name} layer {layer}", {"aligner": name, "layer": layer}


if __name__ == "__main__":
    main()
