"""Fits the weights of the candidate score and writes ``stages/project/weights.json``.

    python -m benchmarks.project.fit_weights LINKS_DIR [--leave-out es] [-o FILE]

Fits on the **first half** of the corpora in all directions (English, German and Spanish are each
both source and target), with four kinds of links, so that the weights depend neither on one
language nor on one aligner: those of ``align_words --probs`` with ``--aligner statistical`` and
``--aligner auto``, each learnt from the corpus alone; of the latter those that are asserted, as
certain ones (``auto-hard``: what a hard aligner gives); and the latter without any link of every
third source word (``auto-few``: what a poor aligner gives, else a name that has no link would be
taken for none, however it is spelt). Prints F1 of both halves. ``--leave-out LANG`` fits without
any pair that has this language on either side (for English: on the target side) and shows what it
gets, which is what to expect of languages that were never fitted on; nothing is written. Two
further sets of weights are fitted on the same halves, written in a script without case, and in
characters that stand for syllables or words.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.project.corpora import (
    CORPORA,
    DATA,
    DIRECTIONS,
    GoldBitext,
    corpus_links,
    harden,
    languages,
    load_corpus,
)
from benchmarks.project.fitting import GoldBatch, dot, fit_weights
from benchmarks.project.rewriting import (
    Rewrite,
    in_characters,
    rewritten,
    unspaced,
    without_case,
)
from benchmarks.project.scoring import f1, halves
from pipeline.schema import Link
from stages.project.assign import choose
from stages.project.batch import Batch
from stages.project.features import Column
from stages.project.matching import (
    MIN_PROB,
    WEIGHTS,
    Evidence,
    Weights,
    choose_likeliest,
    first_pass,
    likely,
    probabilities,
    second_pass,
)
from stages.project.statistics import Statistics
from stages.project.words import Vocabulary

Links = list[list[Link]]


def unchanged(links: Links) -> Links:
    """Return the links as they are."""
    return links


def asserted(links: Links) -> Links:
    """Return the links of 0.5 and more as certain ones."""
    return harden(links, 0.5)


def thinned(links: Links) -> Links:
    """Return the links without those of a third of the source words, by their places."""
    return [[x for x in row if (7 * r + 13 * x.source) % 3] for r, row in enumerate(links)]


KINDS: dict[str, tuple[str, Callable[[Links], Links]]] = {
    "statistical": ("statistical", unchanged),
    "auto": ("auto", unchanged),
    "auto-hard": ("auto", asserted),
    "auto-few": ("auto", thinned),
}
"""Kinds of links: file, and what is done to them."""
NOT_SECOND = ("casing", "first_free", "last_free", "before_free", "after_free")
"""Left out of the second pass: habits learnt from the corpus stand in for them."""
MIN_SCORE = 0.25

Key = tuple[str, str]


def load(
    folder: Path,
    data: Path,
    kinds: Sequence[str] = tuple(KINDS),
    *,
    rewrite: Rewrite | None = None,
) -> dict[Key, tuple[GoldBitext, Batch]]:
    """Return every corpus with these kinds of links, its target words written in another way."""
    vocabulary = Vocabulary()
    loaded = {}
    for name in (*CORPORA, *DIRECTIONS):
        corpus = load_corpus(name, data)
        for kind in kinds:
            file, change = KINDS[kind]
            links = corpus_links(folder, name, file)
            if links is None:
                continue
            links = change(links)
            written = (corpus, links) if rewrite is None else rewritten(corpus, links, rewrite)
            loaded[name, kind] = (
                written[0],
                Batch.from_pairs(written[0].pairs(written[1]), vocabulary),
            )
    return loaded


WRITINGS: dict[str, dict[str, Rewrite | None]] = {
    "": {"": None},
    "uncased": {"": lambda word, rng: [without_case(word)]},
    "characters": {"": unspaced, ", words": in_characters},
}
"""Weights beside those for scripts with letter case, and how the target words are written for them:
in Georgian letters, and as Chinese characters, once each a word and once together."""


def rows_to_fit(corpus: GoldBitext) -> int:
    """Return the size of the first half."""
    return len(corpus.source) // 2


def evaluate(example: GoldBatch, weights: dict[str, float]) -> tuple[float, float]:
    """Return F1 of the first and the second half."""
    scored, batch = example.scored, example.batch
    c = scored.candidates
    prob = probabilities(dot(example.columns, weights), c.entity, batch.n_entities)
    taken = choose(c.entity, c.start, c.end, prob - MIN_PROB, batch.n_entities)
    start, end = batch.tokens(batch.entity_row[c.entity], c.start, c.end)
    found: list[list[tuple[int, int, str]]] = [[] for _ in range(len(batch))]
    for e, k in enumerate(taken.tolist()):
        if k >= 0 and prob[k] >= MIN_SCORE:
            found[batch.entity_row[e]].append((int(start[k]), int(end[k]), batch.entity_type[e]))
    first, second = halves(len(batch))
    return f1(example.gold, found, first), f1(example.gold, found, second)


def show(title: str, examples: dict[Key, GoldBatch], weights: dict[str, float]) -> None:
    """Print F1 of both halves per corpus and kind of links."""
    print(title)
    scores = []
    for (name, kind), example in examples.items():
        scores.append(evaluate(example, weights))
        print(f"  {name:<12} {kind:<18} {scores[-1][0]:6.1f} {scores[-1][1]:6.1f}")
    first, second = np.mean(scores, axis=0)
    print(f"  {'mean':<31} {first:6.2f} {second:6.2f}", flush=True)


def held_out(name: str, lang: str | None) -> bool:
    """Return whether a corpus is kept from the fit when ``lang`` is left out.

    English is on one side of most corpora; there it counts as the target only.
    """
    source, target = languages(name)
    return lang is not None and (target == lang or (source == lang and lang != "en"))


def fit_both(
    loaded: dict[Key, tuple[GoldBitext, Batch]],
    *,
    leave_out: str | None = None,
    drop: tuple[str, ...] = (),
    penalties: tuple[float, float] = (8.0, 3.0),
) -> tuple[Weights, dict[Key, GoldBatch], dict[Key, GoldBatch]]:
    """Fit both passes; return the weights and the examples of the first and of the last pass.

    Args:
        loaded: What :func:`load` returned.
        leave_out: A language that is not fitted on, see :func:`held_out`.
        drop: Features or groups to leave out of both passes.
        penalties: Of the first and the second pass, see :func:`fit_weights`.
    """
    evidence = {k: Evidence.of(b, np.arange(b.n_entities)) for k, (_, b) in loaded.items()}

    def fit(examples: dict[Key, GoldBatch], dropped: tuple[str, ...], penalty: float) -> Fitted:
        used = [x for (name, _), x in examples.items() if not held_out(name, leave_out)]
        return fit_weights(used, penalty=penalty, drop=dropped)

    def score_again(previous: dict[Key, GoldBatch], weights: Weights) -> dict[Key, GoldBatch]:
        """Count what the previous pass chose, and score with that."""
        out = {}
        for k, (c, b) in loaded.items():
            statistics = Statistics()
            before = previous[k].scored
            chosen = choose_likeliest([likely(before, evidence[k].entities)], b.n_entities)
            statistics.add(b, chosen)
            columns: list[Column] = []
            scored = second_pass(b, evidence[k], weights, statistics, kept=columns)
            out[k] = GoldBatch(b, scored, c.gold, rows_to_fit(c), columns)
        return out

    one = {}
    for k, (c, b) in loaded.items():
        columns: list[Column] = []
        scored = first_pass(b, evidence[k], Weights({}, {}), columns)
        one[k] = GoldBatch(b, scored, c.gold, rows_to_fit(c), columns)
    first = fit(one, drop, penalties[0])
    for example in one.values():
        _set_probabilities(example, first)
    two = score_again(one, Weights(first, {}))
    second = fit(two, (*NOT_SECOND, *drop), penalties[1])
    for example in two.values():
        _set_probabilities(example, second)
    weights = Weights(first, second)
    return weights, one, score_again(two, weights)


Fitted = dict[str, float]


def _set_probabilities(example: GoldBatch, weights: Fitted) -> None:
    scored = example.scored
    score = dot(example.columns, weights)
    scored.prob = probabilities(score, scored.candidates.entity, example.batch.n_entities)


def main() -> None:
    """Fit, show, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("links", type=Path)
    parser.add_argument("--leave-out", choices=("de", "en", "es"), default=None)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("-o", "--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    parts = {}
    for title in ("",) if options.leave_out else WRITINGS:
        loaded = {
            (name, kind + written): part
            for written, rewrite in WRITINGS[title].items()
            for (name, kind), part in load(options.links, options.data, rewrite=rewrite).items()
        }
        weights, one, two = fit_both(loaded, leave_out=options.leave_out)
        parts[title] = _rounded(weights)
        if options.leave_out:
            one, two = (
                {k: x for k, x in examples.items() if languages(k[0])[1] == options.leave_out}
                for examples in (one, two)
            )
        show(f"{title} first pass: F1 of the half fitted on, and of the other", one, weights.first)
        show(f"{title} last pass", two, weights.second)
    if options.leave_out is None:
        options.out.write_text(json.dumps(parts.pop("") | parts, indent=1) + "\n")
        print(f"wrote {options.out}")


def _rounded(weights: Weights) -> dict[str, dict[str, float]]:
    parts = {"first": weights.first, "second": weights.second}
    return {k: {n: round(w, 4) for n, w in p.items()} for k, p in parts.items()}


if __name__ == "__main__":
    main()
