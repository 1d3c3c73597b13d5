"""The aligner that learns from sentence pairs alone."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.align.aligner import asserted
from stages.align.pair_source import sample
from stages.align.statistical.aligner import StatisticalAligner
from stages.align.statistical.corpus import build_corpus
from stages.align.statistical.hmm import Direction, Jumps, expectation
from stages.align.statistical.spelling import likeness, plain
from stages.align.statistical.training import Settings, train

Pairs = list[tuple[list[str], list[str]]]


def ciphered(count: int, seed: int = 0) -> tuple[Pairs, list[set[tuple[int, int]]]]:
    """Pairs in a made-up language: every word translated, neighbours swapped here and there."""
    draw = random.Random(seed)
    words = [f"{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}{i}" for i in range(150)]
    other = {w: f"z{draw.randrange(10**6)}{w[::-1]}" for w in words}
    pairs, gold = [], []
    for _ in range(count):
        source = draw.sample(words, draw.randint(2, 9))
        order = list(range(len(source)))
        for i in range(len(order) - 1):
            if draw.random() < 0.2:
                order[i], order[i + 1] = order[i + 1], order[i]
        target = [other[source[i]] for i in order]
        links = {(i, j) for j, i in enumerate(order)}
        if draw.random() < 0.3:
            target.append(".")
        pairs.append((source, target))
        gold.append(links)
    return pairs, gold


def fit(own: Pairs, extra: Pairs = (), **options: Any) -> StatisticalAligner:  # type: ignore[assignment]
    return StatisticalAligner.fit(lambda: iter(own), lambda: iter(extra), **options)


def error(aligner: StatisticalAligner, pairs: Pairs, gold: list[set[tuple[int, int]]]) -> float:
    found = [{(k.source, k.target) for k in asserted(f)} for f in aligner.align(pairs)]
    hits = sum(len(a & b) for a, b in zip(found, gold, strict=True))
    return 1 - 2 * hits / (sum(map(len, found)) + sum(map(len, gold)))


def test_it_learns_a_cipher_from_nothing_but_pairs() -> None:
    pairs, gold = ciphered(600)
    assert error(fit(pairs), pairs, gold) < 0.05


def test_further_pairs_help() -> None:
    pairs, gold = ciphered(620)
    few = error(fit(pairs[:20]), pairs[:20], gold[:20])
    more = error(fit(pairs[:20], pairs[20:]), pairs[:20], gold[:20])
    assert more < 0.06 < few


def test_it_is_deterministic_and_survives_saving(tmp_path: Path) -> None:
    pairs, _ = ciphered(80)
    first = fit(pairs, soft=True)
    first.save(tmp_path)
    again = StatisticalAligner.load(tmp_path, soft=True).align(pairs)
    links = first.align(pairs)
    assert fit(pairs, soft=True).align(pairs) == links
    for a, b in zip(links, again, strict=True):
        # Translations that were forgotten had next to no probability.
        strong = [(k.source, k.target) for k in a if k.prob > 0.06]
        assert set(strong) <= {(k.source, k.target) for k in b}


def test_names_are_linked_though_they_occur_once() -> None:
    pairs, _ = ciphered(200)
    source = [*pairs[0][0][:2], "Schwarzenegger", *pairs[0][0][2:], "Путин"]
    target = ["Schwarzeneggers", *pairs[0][1], "Putin"]
    (found,) = fit([*pairs, (source, target)]).align([(source, target)])
    linked = {(k.source, k.target) for k in asserted(found)}
    assert {(2, 0), (len(source) - 1, len(target) - 1)} <= linked


def test_unknown_words_empty_sides_and_long_sentences() -> None:
    pairs, _ = ciphered(100)
    aligner = fit(pairs, soft=True)
    long = (["aa0"] * 1200, ["never", "seen"] * 500)
    odd = [([], ["a"]), pairs[0], (["x"], []), ([], []), (["unheard"], ["of"]), long]
    told: list[int] = []
    found = aligner.align(odd, told.append)
    assert sum(told) == len(odd)
    assert [found[i] for i in (0, 2, 3)] == [[], [], []]
    assert found[1] == aligner.align([pairs[0]])[0]
    for (a, b), links in zip(odd, found, strict=True):
        assert links == sorted(links, key=lambda k: (k.source, k.target))
        assert all(k.source < len(a) and k.target < len(b) and 0 < k.prob <= 1 for k in links)


def test_nothing_to_learn_from() -> None:
    assert fit([([], [])]).align([([], []), (["a"], ["b"])])[0] == []


@pytest.mark.parametrize("swapped", [False, True])
def test_the_hmm_sums_over_all_alignments(swapped: bool) -> None:
    """Link probabilities and jumps, against every alignment written out."""
    rng = np.random.default_rng(3)
    pairs = [([0, 1, 2], [0, 1]), ([1, 2], [2, 1, 0]), ([0, 2, 1], [1]), ([2], [0, 1, 2])]
    corpus = build_corpus(pairs, 3)
    direction = Direction(corpus, swapped)
    lexical = rng.random(len(corpus.entry)).astype(np.float32)
    tokens = len(direction.observed)
    null = rng.random(tokens).astype(np.float32)
    jumps = Jumps(rng.random(25) + 0.1, rng.random(13) + 0.1)
    links, counts = expectation(direction, lexical, null, jumps)
    jump_total = 0.0
    for k, (a, b) in enumerate(pairs):
        cells = lexical[corpus.offsets[k] : corpus.offsets[k + 1]].reshape(len(a), len(b))
        cells = cells.T if not swapped else cells
        start = (corpus.source_at if swapped else corpus.target_at)[k]
        steps, states = cells.shape
        none = null[start : start + steps]
        move, initial = jumps.matrix(states), jumps.initial(states)
        expected, total = np.zeros_like(cells), 0.0
        for path in itertools.product(range(states), repeat=steps):
            weight = float(initial[path[0]])
            for j in range(steps):
                weight *= float(cells[j, path[j]] + none[j])
                weight *= float(move[path[j - 1], path[j]]) if j else 1.0
            total += weight
            for j in range(steps):
                expected[j, path[j]] += weight * cells[j, path[j]] / (cells[j, path[j]] + none[j])
        got = links[corpus.offsets[k] : corpus.offsets[k + 1]].reshape(len(a), len(b))
        assert (got if swapped else got.T) == pytest.approx(expected / total, rel=1e-4)
        jump_total += steps - 1
    assert counts.widths.sum() == pytest.approx(jump_total + 25 * 0.1, rel=1e-4)
    assert counts.first.sum() == pytest.approx(len(pairs) + 13 * 0.1, rel=1e-4)


def test_cells_and_unknown_words() -> None:
    corpus = build_corpus([([0, 1], [1, 0, 1]), ([], [1]), ([1], [0])], 2)
    assert corpus.offsets.tolist() == [0, 6, 6, 7]
    words = [
        (int(corpus.source[s]), int(corpus.target[t]))
        for s, t in zip(corpus.source_token, corpus.target_token, strict=True)
    ]
    assert words == [(0, 1), (0, 0), (0, 1), (1, 1), (1, 0), (1, 1), (1, 0)]
    assert [int(k) for k in corpus.keys[corpus.entry]] == [2 * a + b for a, b in words]
    other = build_corpus([([0, 1], [0])], 2, keys=np.array([2]))
    assert other.entry.tolist() == [1, 0]


def test_model1_alone_finds_what_always_goes_together() -> None:
    pairs = [([0, 1], [0, 1]), ([0, 2], [0, 2]), ([1, 2], [1, 2])] * 5
    corpus = build_corpus(pairs, 3)
    none = np.zeros(len(corpus.keys), dtype=np.float32)
    model = train(corpus, (3, 3), none, Settings(model1=8, hmm=0))
    best = {}
    for key, prob in zip(corpus.keys.tolist(), model.ahead.table, strict=False):
        best[key // 3] = max(best.get(key // 3, (0.0, -1)), (float(prob), key % 3))
    assert {s: t for s, (_, t) in best.items()} == {0: 0, 1: 1, 2: 2}


def test_likeness_and_plain_forms() -> None:
    source, target = ["Berlin", "is", "Moskau", "12"], ["berlin", "in", "Москва", "12", "berlins"]
    keys = np.array([0 * 5 + 0, 1 * 5 + 1, 2 * 5 + 2, 3 * 5 + 3, 0 * 5 + 4, 0 * 5 + 1])
    like = likeness(keys, source, target, 5).tolist()
    assert like[0] == like[3] == 1 and like[1] == like[5] == 0
    assert 0 < like[2] < like[4] < 1
    assert plain("Élève") == "eleve" and plain("서울") == "서울"


def test_a_sample_is_spread_over_the_corpus_and_takes_its_own_pairs_first() -> None:
    own: Pairs = [([f"o{i}"] * 2, ["x"] * 2) for i in range(20)]
    extra: Pairs = [([f"e{i}"] * 2, ["x"] * 2) for i in range(100)]
    taken = sample(lambda: iter(own), lambda: iter(extra), 4 * 45, 10)
    assert taken[:20] == own
    more = [int(a[0][1:]) for a, _ in taken[20:]]
    assert len(more) == 25 and max(b - a for a, b in itertools.pairwise(more)) == 4
    assert sample(lambda: iter([*own, (["a"] * 11, ["b"])]), lambda: iter([]), 1000, 10) == own
    assert len(sample(lambda: iter(own * 2), lambda: iter(extra), 40, 10)) <= 10


def test_words_of_any_script_keep_their_places() -> None:
    pairs: Pairs = [
        (["Li", "met", "him", "."], ["李", "见", "了", "他", "。"]),
        (["Putin", "visited", "Berlin"], ["Путин", "посетил", "Берлин"]),
        (["Moussa", "lives", "in", "Ségou"], ["Musa", "sigilen", "bɛ", "Segu", "la"]),
        (["a", "\u200b", "b"], ["\u200d", "a", "b\u200b"]),
        (["\u0301", "🙂"], ["🙂", "ꙮ"]),
        (["x" * 2000, "b"], ["x" * 2000, "b"]),
        (["a"] * 300, ["a"] * 3),
        ([], ["a"]),
        (["ᱥᱟᱱ"], ["ሰላም"]),
    ]
    aligner = StatisticalAligner.fit(lambda: iter(pairs), lambda: iter(()), soft=True)
    found = aligner.align(pairs)
    for (source, target), links in zip(pairs, found, strict=True):
        places = [(k.source, k.target) for k in links]
        assert places == sorted(set(places))
        assert all(i < len(source) and j < len(target) for i, j in places)
        assert all(0 < k.prob <= 1 for k in links)
    hard = [{(k.source, k.target) for k in asserted(links)} for links in found]
    assert {(0, 0), (2, 2)} <= hard[1]  # spelt alike, once transliterated
    assert {(0, 0), (1, 1)} == hard[5]
    assert not hard[7]
