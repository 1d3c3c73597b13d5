"""Projection on to human-corrected opinion targets: ours beside four aligners' own projections.

    python -m benchmarks.project.opinion_targets --encoder E5 [--pairs es,fr] [--dtype bfloat16]

``both-sides/absa-manual``: restaurant reviews (SemEval 2016) in DeepL's Spanish and French; the
English gold targets were projected by four aligners, and by hand. Ours: links of ``statistical``,
learnt from these pairs alone, and of ``simalign`` on a layer of the encoder with the same weight;
projection ``candidates``. Strict span F1, micro. Sentences are split at spaces in these files, so a
word carries its punctuation (``sushi.``); all systems are scored on the same words.

The training set is cut in two: what is chosen is chosen on its first half (``--choose`` prints more
settings there, and only there); its second half and the test set are for the last look.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.project.corpora import DATA
from benchmarks.project.scoring import f1, halves
from pipeline.config import DataSource
from pipeline.formats import read_labelled
from pipeline.schema import Link, Sentence, Span
from stages.align.build import build, learn
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.kinds.base import PairsToLearn
from stages.align.planning import plan
from stages.project.batch import Batch, LabelledPair
from stages.project.build import project_batches
from stages.project.config import ProjectConfig

FOLDER = DATA / "both-sides/absa-manual"
RIVALS = ("awesome", "simalign", "mgiza", "fast_align")
Found = list[list[tuple[int, int, str]]]
SETTINGS: dict[str, dict[str, Any]] = {
    "candidates": {},
    "candidates, first pass only": {"corpus_statistics": False},
    "span": {"method": "span", "min_link": 0.3},
    "merged_runs": {"method": "merged_runs", "min_link": 0.3},
    "published": {"method": "published", "min_link": 0.3},
    "ensemble": {"method": "ensemble"},
}


def read(path: Path, lang: str) -> list[Sentence]:
    """Return the sentences of a file of tokens and tags."""
    found = read_labelled(DataSource(format="conll", tag_column=1), lang, path=path)
    return list(found)


def align(
    pairs: list[tuple[list[str], list[str]]], wanted: list[int], options: argparse.Namespace
) -> list[list[Link]]:
    """Return links with probabilities; all pairs are learnt from, the wanted ones are linked."""
    contextual = {
        "aligner": "simalign",
        "model": options.encoder,
        "layer": options.layer,
        "dtype": options.dtype,
    }
    statistical = {"aligner": "statistical"}
    both = {"aligner": "ensemble", "members": [statistical, contextual]}
    config = AlignConfig.model_validate(both if options.encoder else statistical)
    planned = plan(config, AlignmentContext("en", None, options.encoder, None))
    links: list[list[Link]] = [[] for _ in pairs]
    with tempfile.TemporaryDirectory() as folder:
        learn(planned, PairsToLearn(lambda: iter(pairs), lambda: iter(())), Path(folder))
        found = build(planned, Path(folder)).align([pairs[k] for k in wanted])
    for k, row in zip(wanted, found, strict=True):
        links[k] = row
    return links


def project(batch: Batch, settings: dict[str, Any]) -> Found:
    """Return the kept spans of each row."""
    config = ProjectConfig.model_validate(settings)
    least = config.filters.value("min_score")
    return [
        [(s["start"], s["end"], s["type"]) for s in spans if s["score"] >= least]
        for spans, _ in project_batches([batch], config)
    ]


def errors(gold: Sequence[Sequence[Span]], found: Found, rows: range) -> dict[str, int]:
    """Count what is wrong, by kind: lost, invented, and the borders."""
    kinds: Counter[str] = Counter()
    for r in rows:
        truth = {(s.start, s.end) for s in gold[r]}
        guess = {(a, b) for a, b, _ in found[r]}
        for a, b in guess - truth:
            over = [(x, y) for x, y in truth if x < b and a < y]
            if not over:
                kinds["invented"] += 1
                continue
            x, y = max(over, key=lambda t: min(t[1], b) - max(t[0], a))
            kinds[
                "longer" if a <= x and b >= y else "shorter" if a >= x and b <= y else "moved"
            ] += 1
        kinds["lost"] += sum(not any(x < b and a < y for a, b in guess) for x, y in truth - guess)
    return dict(kinds)


def compare(lang: str, options: argparse.Namespace) -> None:
    """Print the table of one language."""
    source, human = [], []
    sizes = {}
    for split in ("train", "test"):
        english = read(FOLDER / f"en.absa.{split}.tsv", "en")
        by_hand = read(FOLDER / f"en2{lang}/manual.{split}.tsv", lang)
        if len(english) != len(by_hand):
            raise SystemExit(f"{lang} {split}: {len(english)} and {len(by_hand)} sentences")
        source, human = source + english, human + by_hand
        sizes[split] = len(english)
    n = sizes["train"]
    first, second = halves(n)
    columns = {"1st half": first, "2nd half": second, "test": range(n, len(source))}
    gold = [s.spans for s in human]
    begin = time.time()
    pairs = [(s.words, t.words) for s, t in zip(source, human, strict=True)]
    links = align(pairs, [k for k, s in enumerate(source) if s.spans], options)
    targets = sum(map(len, gold))
    print(f"{lang}: {len(source)} pairs, {targets} targets; links {time.time() - begin:.0f} s")
    batch = Batch.from_pairs(
        [
            LabelledPair(s.words, s.spans, t.words, x, id=str(k))
            for k, (s, t, x) in enumerate(zip(source, human, links, strict=True))
        ]
    )
    systems: dict[str, Found] = {}
    for name in RIVALS:
        theirs = [
            sentence
            for split in sizes
            for sentence in read(FOLDER / f"en2{lang}/DeepL.{name}.{split}.tsv.xz", lang)
        ]
        if [t.words for t in theirs] != [h.words for h in human]:
            raise SystemExit(f"{lang}: {name} has other words than the human file")
        systems[name] = [[(x.start, x.end, x.type) for x in t.spans] for t in theirs]
    chosen = SETTINGS if options.choose else {"candidates": {}}
    for name, settings in chosen.items():
        systems[f"ours: {name}"] = project(batch, settings)
    print(f"  {'':32}" + "".join(f"{c:>10}" for c in columns) + "   errors, 2nd half and test")
    for name, found in systems.items():
        hidden = options.choose and name.startswith("ours") and name != "ours: candidates"
        shown = [
            "         –" if hidden and c != "1st half" else f"{f1(gold, found, rows):10.1f}"
            for c, rows in columns.items()
        ]
        late = range(n // 2, len(source))
        counts = {} if hidden else errors(gold, found, late)
        told = "  ".join(f"{k} {v}" for k, v in sorted(counts.items()))
        print(f"  {name:32}" + "".join(shown) + f"   {told}", flush=True)
    if options.examples:
        show(source, human, systems["ours: candidates"], first, options.examples)


def show(
    source: list[Sentence], human: list[Sentence], found: Found, rows: range, count: int
) -> None:
    """Print errors of the first half, which may be looked at."""
    for r in rows:
        truth = {(s.start, s.end) for s in human[r].spans}
        guess = {(a, b) for a, b, _ in found[r]}
        if truth == guess or count <= 0:
            continue
        count -= 1
        text = human[r].words
        english = (" ".join(source[r].words[s.start : s.end]) for s in source[r].spans)
        print(f"    {' | '.join(english)}")
        print(f"      by hand: {' | '.join(' '.join(text[a:b]) for a, b in sorted(truth - guess))}")
        print(f"      ours:    {' | '.join(' '.join(text[a:b]) for a, b in sorted(guess - truth))}")


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", help="default: statistics alone")
    parser.add_argument("--layer", type=int, default=7)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "int8"])
    parser.add_argument("--pairs", default="es,fr")
    parser.add_argument("--choose", action="store_true", help="more settings, on the first half")
    parser.add_argument("--examples", type=int, default=0, help="errors of the first half")
    options = parser.parse_args()
    for lang in options.pairs.split(","):
        compare(lang, options)


if __name__ == "__main__":
    main()
