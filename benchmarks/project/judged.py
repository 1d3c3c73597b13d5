"""Candidates judged by the translator: does that add to the projection score?

    python -m benchmarks.project.judged LINKS_DIR [--kind statistical] [--translator FOLDER]

T-Projection's and CODEC's idea with the run's own translator. Every entity's best candidates are
scored by CTranslate2's ``score_batch``:

- ``marked``: log P(target sentence with tags around the candidate | source sentence with tags
  around the entity), less that of the entity's best candidate; of translators that know tags
- ``alone``: mean log-probability of the candidate given the entity, each by itself
- ``both ways``: T-Projection's measure, the mean of the two directions' probabilities per subword

Prints how often each of them puts the right candidate first among the eight best, and F1 of both
halves for the score that ships and for scores refitted on the first halves with more features.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.project.corpora import (
    CORPORA,
    DATA,
    GoldBitext,
    corpus_links,
    languages,
    load_corpus,
)
from benchmarks.project.fitting import UNREACHABLE, GoldBatch, match_gold
from benchmarks.project.scoring import f1, halves
from pipeline.schema import Span
from stages.project.assign import choose
from stages.project.batch import Batch
from stages.project.build import gather
from stages.project.candidates import segment_max
from stages.project.config import FilterConfig
from stages.project.matching import (
    MIN_PROB,
    Evidence,
    Scored,
    default_weights,
    probabilities,
    second_pass,
)
from stages.project.words import FloatArray, IntArray
from stages.tokenise import detokenise
from stages.translate.cleaning import clean_words, plain_quotes
from stages.translate.markers import places
from stages.translate.tags import put_tags
from stages.translate.translator import Translator

TRANSLATOR = Path(__file__).resolve().parents[2] / "artifacts" / "models" / "translator"
BEST, LEAST, FLOOR = 8, 1e-4, -12.0
SCORE = "score"


@dataclass(slots=True)
class Judged:
    """A corpus with its candidates, and what the translator says of the best of them.

    Attributes:
        corpus: The corpus.
        batch: Its pairs.
        scored: All candidates.
        best: Index of those that were judged.
        columns: ``(judged candidates,)`` by name: the log-odds of the score, and what was added.
        answer: The right one per entity, as an index into ``best``; ``NULL`` or ``UNREACHABLE``.
    """

    corpus: GoldBitext
    batch: Batch
    scored: Scored
    best: IntArray
    columns: dict[str, FloatArray]
    answer: IntArray

    @property
    def entity(self) -> IntArray:
        """The entity of each judged candidate."""
        return self.scored.candidates.entity[self.best]


def log_probs(
    translator: Translator, texts: Sequence[str], translations: Sequence[str]
) -> tuple[FloatArray, FloatArray]:
    """Return log P(translation | text), the end included, and the number of subwords."""
    subwords, quotes = translator.subwords, translator.unknown_quotes
    one, two = (
        subwords.cut([plain_quotes(t, quotes) for t in side]) for side in (texts, translations)
    )
    prefix = subwords.prefix or []
    order = sorted(range(len(one)), key=lambda k: -len(one[k]))
    found = translator._model.score_batch(
        [subwords.source(one[k][: translator.max_input]) for k in order],
        [[*prefix, *two[k][: translator.max_output]] for k in order],
        max_batch_size=2048,
        batch_type="tokens",
    )
    total, size = np.zeros(len(one)), np.ones(len(one))
    for k, result in zip(order, found, strict=True):
        values = result.log_probs[len(prefix) :]
        total[k], size[k] = sum(values), max(len(values), 1)
    return total, size


def judge(corpus: GoldBitext, batch: Batch, model: Path) -> Judged:
    """Score the best candidates of every entity of a corpus."""
    weights = default_weights()
    evidence = Evidence.of(batch, np.arange(batch.n_entities))
    scored = second_pass(batch, evidence, weights, gather([batch], weights))
    c, n = scored.candidates, batch.n_entities
    order = np.lexsort((-scored.prob, c.entity))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - np.searchsorted(c.entity, c.entity[order])
    best = np.flatnonzero((place < BEST) & (scored.prob > LEAST))
    source, target = languages(corpus.name)
    forth, back = (Translator(model, *pair) for pair in ((source, target), (target, source)))
    tagged, alone = _texts(corpus, batch, scored, best, source, target)

    def gap(values: FloatArray) -> FloatArray:
        top = segment_max(values, c.entity[best], n)
        return np.maximum(values - top[c.entity[best]], FLOOR)

    there, size = log_probs(forth, *alone)
    again, length = log_probs(back, alone[1], alone[0])
    missing = 1.0 - np.bincount(c.entity, scored.prob, n)
    odds = np.log(scored.prob / np.maximum(missing, 1e-12)[c.entity])
    columns = {
        SCORE: odds[best],
        "marked": gap(log_probs(forth, *tagged)[0]),
        "alone": gap(there / size),
        "both ways": gap((np.exp(there / size) + np.exp(again / length)) / 2),
    }
    right = match_gold(GoldBatch(batch, scored, corpus.gold, len(batch)), odds)
    index = np.full(len(c), UNREACHABLE)
    index[best] = np.arange(len(best))
    answer = np.where(right >= 0, index[np.maximum(right, 0)], right)
    return Judged(corpus, batch, scored, best, columns, answer)


Texts = tuple[list[str], list[str]]


def _texts(
    corpus: GoldBitext,
    batch: Batch,
    scored: Scored,
    best: IntArray,
    source: str,
    target: str,
) -> tuple[Texts, Texts]:
    """Return both sides with tags, and entity and candidate by themselves, per candidate."""
    c = scored.candidates
    rows = batch.entity_row[c.entity]
    starts, ends = batch.tokens(rows, c.start, c.end)
    tagged: Texts = ([], [])
    alone: Texts = ([], [])
    for k in best.tolist():
        row = int(rows[k])
        entity = corpus.source[row].spans[int(batch.entity_index[c.entity[k]])]
        found = Span(int(starts[k]), int(ends[k]), entity.type)
        sides = ((corpus.source[row], entity, source), (corpus.target[row], found, target))
        for side, (sentence, span, lang) in enumerate(sides):
            words = clean_words(sentence.words)
            text = detokenise(words, lang)
            tagged[side].append(put_tags(text, places(text, words, [span])))
            alone[side].append(detokenise(words[span.start : span.end], lang))
    return tagged, alone


def first_right(judged: Judged, name: str) -> float:
    """Return how often a column alone puts the right candidate first, of those that are there."""
    values, there = judged.columns[name], judged.answer >= 0
    top = segment_max(values, judged.entity, judged.batch.n_entities)
    return 100 * float(np.mean(values[judged.answer[there]] >= top[there]))


def refit(corpora: Sequence[Judged], names: Sequence[str]) -> FloatArray:
    """Return weights of columns and a bias, fitted on the first halves (a conditional logit)."""
    from scipy.optimize import minimize

    parts = []
    for judged in corpora:
        n = int((judged.batch.entity_row < len(judged.batch) // 2).sum())
        size = int(np.searchsorted(judged.entity, n))
        matrix = np.column_stack([judged.columns[name] for name in names])[:size]
        parts.append((matrix, judged.entity[:size], judged.answer[:n], n))

    def loss(vector: FloatArray) -> float:
        total = 0.5 * float((vector[1:-1] ** 2).sum())
        for matrix, entity, answer, n in parts:
            score = matrix @ vector[:-1] + vector[-1]
            top = np.maximum(0.0, segment_max(score, entity, n))
            norm = np.bincount(entity, np.exp(score - top[entity]), n) + np.exp(-top)
            known = answer > UNREACHABLE
            total += float((np.log(norm) + top)[known].sum() - score[answer[answer >= 0]].sum())
        return total

    start = np.r_[1.0, np.zeros(len(names))]
    found: FloatArray = minimize(loss, start, method="L-BFGS-B").x
    return found


def reached(judged: Judged, names: Sequence[str], weights: FloatArray) -> tuple[float, float]:
    """Return F1 of the first and of the second half."""
    batch, c = judged.batch, judged.scored.candidates
    score = np.full(len(c), -50.0)
    matrix = np.column_stack([judged.columns[name] for name in names])
    score[judged.best] = matrix @ weights[:-1] + weights[-1]
    prob = probabilities(score, c.entity, batch.n_entities)
    taken = choose(c.entity, c.start, c.end, prob - MIN_PROB, batch.n_entities)
    starts, ends = batch.tokens(batch.entity_row[c.entity], c.start, c.end)
    least = FilterConfig().value("min_score")
    kept: list[list[tuple[int, int, str]]] = [[] for _ in range(len(batch))]
    for entity, k in enumerate(taken.tolist()):
        if k >= 0 and prob[k] >= least:
            span = (int(starts[k]), int(ends[k]), batch.entity_type[entity])
            kept[batch.entity_row[entity]].append(span)
    one, two = (f1(judged.corpus.gold, kept, half) for half in halves(len(batch)))
    return one, two


def show(title: str, corpora: Mapping[str, Judged], names: list[str], weights: FloatArray) -> None:
    """Print a line of the table."""
    cells = ("{:.1f} / {:.1f}".format(*reached(j, names, weights)) for j in corpora.values())
    told = " ".join(f"{w:+.2f}" for w in weights)
    print(f"{title:<22}" + "".join(f"{x:>16}" for x in cells) + f"   {told}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("links", type=Path)
    parser.add_argument("--kind", default="statistical", help="links: <corpus>.<kind>.links")
    parser.add_argument("--translator", type=Path, default=TRANSLATOR)
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    corpora = {}
    for name in CORPORA:
        corpus = load_corpus(name, options.data)
        links = corpus_links(options.links, name, options.kind)
        if links is None:
            raise SystemExit(f"{options.links}: no {options.kind} links of {name}")
        corpora[name] = judge(corpus, Batch.from_pairs(corpus.pairs(links)), options.translator)
        told = ", ".join(f"{x} {first_right(corpora[name], x):.1f}" for x in corpora[name].columns)
        print(f"{name}: {len(corpora[name].best)} candidates; right one first: {told}", flush=True)
    print(f"{'':<22}" + "".join(f"{n:>16}" for n in corpora))
    show("as it ships", corpora, [SCORE], np.array([1.0, 0.0]))
    for more in ([], ["marked"], ["alone"], ["both ways"], ["marked", "alone", "both ways"]):
        names = [SCORE, *more]
        show("+ ".join(["refitted ", *more]), corpora, names, refit([*corpora.values()], names))


if __name__ == "__main__":
    main()
