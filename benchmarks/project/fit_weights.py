"""Fits the weights of the candidate score and writes ``stages/project/weights.json``.

    python -m benchmarks.project.fit_weights LINKS_DIR [--leave-out europarl-es] [-o FILE]

Fits on the **first half** of the corpora, with four kinds of links each (soft ones trained on the
corpus alone and with more text, and both hardened), so that the weights do not depend on one
aligner. Prints F1 of both halves; ``--leave-out`` shows what a corpus gets without being fitted on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.project.corpora import CORPORA, DATA, Corpus, harden, load_corpus, load_links
from benchmarks.project.scoring import f1, halves
from stages.project.assign import choose_exact
from stages.project.batch import Batch
from stages.project.fit import Example, fit_weights
from stages.project.matching import (
    MIN_PROB,
    WEIGHTS,
    Evidence,
    Weights,
    choose,
    dot,
    first_pass,
    probabilities,
    second_pass,
)
from stages.project.statistics import Statistics
from stages.project.words import Vocabulary

KINDS = {
    "own": ("own", None),
    "big": ("big", None),
    "own-hard": ("own", 0.25),
    "big-hard": ("big", 0.5),
}
NOT_SECOND = ("casing", "first_free", "last_free", "before_free", "after_free")
"""Left out of the second pass: habits learnt from the corpus stand in for them."""
MIN_SCORE = 0.25

Key = tuple[str, str]


def load(
    folder: Path, data: Path, kinds: Sequence[str] = tuple(KINDS)
) -> dict[Key, tuple[Corpus, Batch]]:
    """Return every corpus with these kinds of links."""
    vocabulary = Vocabulary()
    loaded = {}
    for name in CORPORA:
        corpus = load_corpus(name, data)
        for kind in kinds:
            file, least = KINDS[kind]
            links = load_links(folder / f"{name}.{file}.links")
            pairs = corpus.pairs(links if least is None else harden(links, least))
            loaded[name, kind] = corpus, Batch.from_pairs(pairs, vocabulary)
    return loaded


def rows_to_fit(corpus: Corpus) -> int:
    """Return the size of the first half."""
    return len(corpus.source) // 2


def evaluate(example: Example, weights: dict[str, float]) -> tuple[float, float]:
    """Return F1 of the first and the second half."""
    scored, batch = example.scored, example.batch
    c = scored.candidates
    prob = probabilities(dot(scored.names, scored.matrix, weights), c.entity, batch.n_entities)
    taken = choose_exact(c.entity, c.start, c.end, prob - MIN_PROB, batch.n_entities)
    found: list[list[tuple[int, int, str]]] = [[] for _ in range(len(batch))]
    for e, k in enumerate(taken.tolist()):
        if k >= 0 and prob[k] >= MIN_SCORE:
            row = int(batch.entity_row[e])
            offset = int(batch.target.offsets[row])
            found[row].append(
                (int(c.start[k]) - offset, int(c.end[k]) - offset, batch.entity_type[e])
            )
    first, second = halves(len(batch))
    return f1(example.gold, found, first), f1(example.gold, found, second)


def show(title: str, examples: dict[Key, Example], weights: dict[str, float]) -> None:
    """Print F1 of both halves per corpus and kind of links."""
    print(title)
    scores = []
    for (name, kind), example in examples.items():
        scores.append(evaluate(example, weights))
        print(f"  {name:<12} {kind:<9} {scores[-1][0]:6.1f} {scores[-1][1]:6.1f}")
    first, second = np.mean(scores, axis=0)
    print(f"  {'mean':<22} {first:6.2f} {second:6.2f}", flush=True)


def fit_both(
    loaded: dict[Key, tuple[Corpus, Batch]],
    *,
    leave_out: str | None = None,
    drop: tuple[str, ...] = (),
    penalty: float = 8.0,
    deviation_penalty: float = 10.0,
) -> tuple[Weights, dict[Key, Example], dict[Key, Example]]:
    """Fit both passes; return the weights and the examples of either pass.

    Args:
        loaded: What :func:`load` returned.
        leave_out: A corpus that is not fitted on.
        drop: Features or groups to leave out of both passes.
        penalty: See :func:`stages.project.fit.fit_weights`.
        deviation_penalty: See there.
    """
    weights, one, two = fit_both(
        loaded,
        leave_out=options.leave_out,
        penalty=options.penalty,
        deviation_penalty=options.deviation_penalty,
    )
    show("first pass: F1 of the half fitted on, and of the other", one, weights.first)
    show("second pass", two, weights.second)
    if options.leave_out is None:
        stored = {
            "first": {n: round(w, 4) for n, w in weights.first.items()},
            "second": {n: round(w, 4) for n, w in weights.second.items()},
        }
        options.out.write_text(json.dumps(stored, indent=1) + "\n")
        print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
