"""Default projection on targets made hard on purpose, next to the peers' ways, with the same links.

    python -m benchmarks.project.hard_targets LINKS_DIR [--kind own] [--half 1]

To find weaknesses in languages that there is no gold for, the target sides of the gold corpora are
rewritten; links follow their words:

- ``small``: corpora of 50 sentences, projected one by one;
- ``unspaced``: every word as one Chinese character per three letters (the same word always the
  same, so that spelling says nothing), each character a word of its own;
- ``inflected``: every word with one of four endings, drawn anew each time;
- ``marks``: a combining mark cut off as a word of its own after every other word of two letters;
- ``lower``: no capitals on the target side.

F1 of the first half by default, the mean over corpora in the last column.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.project.corpora import CORPORA, DATA, GoldBitext, load_corpus, load_links
from benchmarks.project.gold_projection import project
from benchmarks.project.rewriting import (
    Links,
    Rewrite,
    inflected,
    lower,
    marks,
    rewritten,
    unspaced,
)
from benchmarks.project.scoring import f1, halves
from stages.project.config import ProjectConfig

METHODS = {
    "span": {"method": "span", "filters": {"min_score": 0.0}},
    "published": {"method": "published", "filters": {"min_score": 0.0}},
    "first pass": {"corpus_statistics": False},
    "default": {},
}


REWRITES: dict[str, Rewrite | None] = {
    "as it is": None,
    "small": None,
    "unspaced": unspaced,
    "inflected": inflected,
    "marks": marks,
    "lower": lower,
}


def score(corpus: GoldBitext, links: Links, rows: range, options: dict, size: int | None) -> float:
    """Return F1 of these rows; ``size``: projected as corpora of so many sentences."""
    config = ProjectConfig.model_validate(options)
    if size is None:
        return f1(corpus.gold, project(corpus, links, config), rows)
    found: list[Sequence[tuple[int, int, str]]] = []
    for lo in range(0, len(links), size):
        part = slice(lo, lo + size)
        small = GoldBitext(corpus.name, corpus.source[part], corpus.target[part])
        found += project(small, links[part], config)
    return f1(corpus.gold, found, rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("links", type=Path)
    parser.add_argument("--kind", default="own")
    parser.add_argument("--half", type=int, choices=(1, 2), default=1)
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    print(f"{'':<24}" + "".join(f"{n:>14}" for n in CORPORA) + f"{'mean':>8}")
    for title, rewrite in REWRITES.items():
        cases = []
        for name in CORPORA:
            links = load_links(options.links / f"{name}.{options.kind}.links")
            corpus = load_corpus(name, options.data)
            cases.append(rewritten(corpus, links, rewrite) if rewrite else (corpus, links))
        for method, choice in METHODS.items():
            scores = [
                score(
                    corpus,
                    links,
                    halves(len(links))[options.half - 1],
                    choice,
                    50 if title == "small" else None,
                )
                for corpus, links in cases
            ]
            cells = "".join(f"{x:>14.1f}" for x in scores)
            print(f"{title:<12}{method:<12}{cells}{np.mean(scores):>8.1f}", flush=True)


if __name__ == "__main__":
    main()
