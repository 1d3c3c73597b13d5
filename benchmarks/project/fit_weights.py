"""Fits the weights of the candidate score and writes ``stages/project/weights.json``.

    python -m benchmarks.project.fit_weights LINKS_DIR [--leave-out europarl-es] [-o FILE]

Fits on the **first half** of the corpora, with five kinds of links each, so that the weights do not
depend on one aligner: eflomal's trained on the corpus alone (``own``) and with more text (``big``),
both hardened as well, and those of ``align_words --aligner statistical --probs``. Prints F1 of both
halves; ``--leave-out`` shows what a corpus gets without being fitted on.
"""

from __future__ import annotations

import argparse
import json
import unicodedata
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
    "statistical": ("statistical", None),
}
"""Kinds of links to fit on: file, and from which probability on its links count as certain ones."""
NOT_SECOND = ("casing", "first_free", "last_free", "before_free", "after_free")
"""Left out of the second pass: habits learnt from the corpus stand in for them."""
MIN_SCORE = 0.25

Key = tuple[str, str]


def load(
    folder: Path, data: Path, kinds: Sequence[str] = tuple(KINDS), *, uncased: bool = False
) -> dict[Key, tuple[Corpus, Batch]]:
    """Return every corpus with these kinds of links; ``uncased``: see :func:`without_case`."""
    vocabulary = Vocabulary()
    loaded = {}
    for name in CORPORA:
        corpus = load_corpus(name, data)
        if uncased:
            for sentence in corpus.target:
                sentence.words = [without_case(w) for w in sentence.words]
        for kind in kinds:
            file, least = KINDS[kind]
            links = load_links(folder / f"{name}.{file}.links")
            pairs = corpus.pairs(links if least is None else harden(links, least))
            loaded[name, kind] = corpus, Batch.from_pairs(pairs, vocabulary)
    return loaded


_LATIN = "abcdefghijklmnopqrstuvwxyz"
_GEORGIAN = "აბცდეფგჰიჟკლმნოპქრსტუვვხიზ"


def without_case(word: str) -> str:
    """Write a word in Georgian letters: what it would be in a script that has no case."""
    plain = unicodedata.normalize("NFKD", word.lower())
    letters = "".join(c for c in plain if not unicodedata.combining(c)) or word
    return letters.translate(str.maketrans(_LATIN, _GEORGIAN))


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
    evidence = {k: Evidence.of(b, np.arange(b.n_entities)) for k, (_, b) in loaded.items()}

    def fit(examples: dict[Key, Example], dropped: tuple[str, ...]) -> dict[str, float]:
        used = [x for (name, _), x in examples.items() if name != leave_out]
        return fit_weights(used, penalty=penalty, deviation_penalty=deviation_penalty, drop=dropped)

    one = {
        k: Example(b, first_pass(b, evidence[k], Weights({}, {})), c.gold, rows_to_fit(c), k[0])
        for k, (c, b) in loaded.items()
    }
    first = fit(one, drop)
    two = {}
    for k, (c, b) in loaded.items():
        statistics = Statistics()
        statistics.add(b, choose(b, evidence[k], first_pass(b, evidence[k], Weights(first, {}))))
        scored = second_pass(b, evidence[k], Weights(first, {}), statistics)
        two[k] = Example(b, scored, c.gold, rows_to_fit(c), k[0])
    second = fit(two, (*NOT_SECOND, *drop))
    return Weights(first, second), one, two


def main() -> None:
    """Fit, show, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("links", type=Path)
    parser.add_argument("--leave-out", choices=sorted(CORPORA), default=None)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("-o", "--out", type=Path, default=WEIGHTS)
    parser.add_argument("--penalty", type=float, default=8.0)
    parser.add_argument("--deviation-penalty", type=float, default=10.0)
    options = parser.parse_args()
    loaded = load(options.links, options.data)
    weights, one, two = fit_both(
        loaded,
        leave_out=options.leave_out,
        penalty=options.penalty,
        deviation_penalty=options.deviation_penalty,
    )
    show("first pass: F1 of the half fitted on, and of the other", one, weights.first)
    show("second pass", two, weights.second)
    plain, one, two = fit_both(
        load(options.links, options.data, ("own", "big-hard", "statistical"), uncased=True),
        leave_out=options.leave_out,
        penalty=options.penalty,
        deviation_penalty=options.deviation_penalty,
    )
    show("without letter case: first pass", one, plain.first)
    show("without letter case: second pass", two, plain.second)
    if options.leave_out is None:
        stored = {**_rounded(weights), "uncased": _rounded(plain)}
        options.out.write_text(json.dumps(stored, indent=1) + "\n")
        print(f"wrote {options.out}")


def _rounded(weights: Weights) -> dict[str, dict[str, float]]:
    parts = {"first": weights.first, "second": weights.second}
    return {k: {n: round(w, 4) for n, w in p.items()} for k, p in parts.items()}


if __name__ == "__main__":
    main()
