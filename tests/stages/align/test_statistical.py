"""The aligner that learns from sentence pairs alone."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.word_alignment.aligner import asserted
from stages.word_alignment.pair_source import sample
from stages.word_alignment.statistical import collapsed, fertility, training
from stages.word_alignment.statistical.aligner import StatisticalAligner
from stages.word_alignment.statistical.corpus import build_corpus
from stages.word_alignment.statistical.hmm import MAX_JUMP, AlignmentDirection, Jumps, expectation
from stages.word_alignment.statistical.spelling import likeness, plain
from stages.word_alignment.statistical.training import generated_by_none, train

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
    first = fit(pairs, floor=0.05)
    first.save(tmp_path)
    again = StatisticalAligner.load(tmp_path, floor=0.05).align(pairs)
    links = first.align(pairs)
    assert fit(pairs, floor=0.05).align(pairs) == links
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
    aligner = fit(pairs, floor=0.05)
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
    direction = AlignmentDirection(corpus, giving=int(swapped))
    lexical = rng.random(len(corpus.entry)).astype(np.float32)
    tokens = len(corpus.words[direction.observed])
    null = rng.random(tokens).astype(np.float32)
    jumps = Jumps(rng.random(25) + 0.1, rng.random(13) + 0.1)
    found = expectation(direction, lexical, null, jumps)
    links, counts = found.links, found.jumps
    jump_total = 0.0
    for k, (a, b) in enumerate(pairs):
        cells = lexical[corpus.offsets[k] : corpus.offsets[k + 1]].reshape(len(a), len(b))
        cells = cells.T if not swapped else cells
        start = corpus.starts[direction.observed][k]
        steps, states = cells.shape
        none = null[start : start + steps]
        move, initial = jumps.matrix(states), jumps.initial(states)
        expected, total = np.zeros_like(cells), 0.0
        moved = 0.0
        # A word comes from its state, from none after a jump, or from none without one.
        for path in itertools.product(range(states), repeat=steps):
            for kinds in itertools.product(("state", "none", "stays"), repeat=steps):
                weight = float(initial[path[0]])
                for j, kind in enumerate(kinds):
                    weight *= float(cells[j, path[j]] if kind == "state" else none[j])
                    if kind == "stays":
                        weight *= 0.5 * (not j or path[j] == path[j - 1])
                    else:
                        weight *= 0.5 if kind == "none" else 1.0
                        weight *= float(move[path[j - 1], path[j]]) if j else 1.0
                total += weight
                moved += weight * sum(kind != "stays" for kind in kinds[1:])
                for j, kind in enumerate(kinds):
                    expected[j, path[j]] += weight * (kind == "state")
        got = links[corpus.offsets[k] : corpus.offsets[k + 1]].reshape(len(a), len(b))
        assert (got if swapped else got.T) == pytest.approx(expected / total, rel=1e-4)
        jump_total += moved / total
    assert counts.widths.sum() == pytest.approx(jump_total + 25 * 0.1, rel=1e-4)
    assert counts.first.sum() == pytest.approx(len(pairs) + 13 * 0.1, rel=1e-4)


def test_all_wide_jumps_share_the_probability_of_the_widest() -> None:
    jumps = Jumps(np.ones(2 * MAX_JUMP + 1), np.ones(MAX_JUMP + 1))
    move, initial = jumps.matrix(80), jumps.initial(80)
    assert move.sum(axis=1) == pytest.approx(np.ones(80), rel=1e-5)
    # From state 40 every width is possible: each of 25 has the same share.
    assert move[40, 41] == pytest.approx(0.95 / 25 + 0.05 / 80, rel=1e-4)
    far = slice(40 + MAX_JUMP, None)
    assert move[40, far].sum() == pytest.approx(0.95 / 25 + 0.05 * (40 - MAX_JUMP) / 80, rel=1e-4)
    assert np.ptp(move[40, far]) == 0
    assert initial[MAX_JUMP:].sum() == pytest.approx(
        0.95 / (MAX_JUMP + 1) + 0.05 * (80 - MAX_JUMP) / 80, rel=1e-4
    )


def test_long_sentences_whose_halves_change_places_are_aligned() -> None:
    """Word order as between English and Chinese: a jump or two that is wide, in long sentences."""
    draw = random.Random(5)
    common = [f"w{i}" for i in range(400)]
    pairs, gold = [], []
    for _ in range(60):
        # Few words are frequent, most are met once or twice.
        source = [common[int(400 * draw.random() ** 3)] for _ in range(draw.randint(24, 40))]
        cut = len(source) // 2
        order = [*range(cut, len(source)), *range(cut)]
        pairs.append((source, [f"{source[i][::-1]}x" for i in order]))
        gold.append({(i, j) for j, i in enumerate(order)})
    assert error(fit(pairs), pairs, gold) < 0.05


def test_what_a_place_says_of_being_generated_by_none_adds_up() -> None:
    corpus = build_corpus([([0, 1], [0, 1, 1]), ([1], [2])], 4)
    direction = AlignmentDirection(corpus, giving=0)
    links = np.array([0.5, 0.25, 0, 0.5, 0.5, 0.25, 1], dtype=np.float32)
    words, places = generated_by_none(direction, links, 4)
    assert words.sum() == pytest.approx(0.2)
    # Of the four words the first and the last are generated by words for certain.
    assert places == pytest.approx(np.array([0, 0.25, 0.75, 0]) * 0.2 / 1.4)
    observed = corpus.words[direction.observed]
    beside = words[observed] - np.bincount(observed, places)[observed]
    assert beside == pytest.approx(words[3])


def test_cells_and_unknown_words() -> None:
    corpus = build_corpus([([0, 1], [1, 0, 1]), ([], [1]), ([1], [0])], 2)
    assert corpus.offsets.tolist() == [0, 6, 6, 7]
    words = [
        (int(corpus.words[0][s]), int(corpus.words[1][t]))
        for s, t in zip(*corpus.tokens, strict=True)
    ]
    assert words == [(0, 1), (0, 0), (0, 1), (1, 1), (1, 0), (1, 1), (1, 0)]
    assert [int(k) for k in corpus.keys[corpus.entry]] == [2 * a + b for a, b in words]
    other = build_corpus([([0, 1], [0])], 2, keys=np.array([2]))
    assert other.entry.tolist() == [1, 0]


def test_model1_alone_finds_what_always_goes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "MODEL1_ROUNDS", 8)
    monkeypatch.setattr(training, "HMM_ROUNDS", 0)
    pairs = [([0, 1], [0, 1]), ([0, 2], [0, 2]), ([1, 2], [1, 2])] * 5
    corpus = build_corpus(pairs, 3)
    none = np.zeros(len(corpus.keys), dtype=np.float32)
    ahead, _ = train(corpus, (3, 3), none)
    best = {}
    for key, prob in zip(corpus.keys.tolist(), ahead.table, strict=False):
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
    assert taken.pairs[:20] == own and taken.own == 20
    more = [int(a[0][1:]) for a, _ in taken.pairs[20:]]
    assert len(more) == 25 and max(b - a for a, b in itertools.pairwise(more)) == 4
    long = [*own, (["a"] * 11, ["b"])]
    assert sample(lambda: iter(long), lambda: iter([]), 1000, 10).pairs == own
    few = sample(lambda: iter(own * 2), lambda: iter(extra), 40, 10)
    assert few.own <= len(few.pairs) <= 10


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
    aligner = StatisticalAligner.fit(lambda: iter(pairs), lambda: iter(()), floor=0.05)
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


def test_fertility_messages_are_those_of_every_number_of_other_links() -> None:
    rng = np.random.default_rng(5)
    cavity = rng.random((2, 6, 3)).astype(np.float32)
    prior = (rng.random((2, 3, fertility.MOST + 2)) + 0.1).astype(np.float32)
    before = fertility.numbers(cavity)
    factors = fertility.messages(cavity, before, prior)
    for pair, step, state in np.ndindex(*cavity.shape):
        others = np.delete(cavity[pair, :, state].astype(np.float64), step)
        usual = prior[pair, state]
        linked = unlinked = 0.0
        for chosen in itertools.product((0, 1), repeat=len(others)):
            prob = float(np.prod(np.where(chosen, others, 1 - others)))
            number = min(sum(chosen), fertility.MOST)
            unlinked += prob * usual[number]
            linked += prob * usual[number + 1]
        assert factors[pair, step, state] == pytest.approx(linked / unlinked, rel=1e-4)
    flat = np.ones_like(prior)
    assert fertility.messages(cavity, before, flat) == pytest.approx(1, rel=1e-5)
    sums = fertility.expected(before[-1], prior).sum(axis=-1)
    assert sums == pytest.approx(1, rel=1e-5)


def test_words_that_are_linked_once_expect_one_link() -> None:
    counts = np.zeros((2, fertility.MOST + 1))
    counts[0, 1] = 500
    counts[1, 2] = 500
    prior = fertility.estimate(counts)
    assert prior[0, 1] > 0.99 and prior[1, 2] > 0.99
    assert (prior > 0).all() and prior[:, :-1].sum(axis=1) == pytest.approx(1, rel=1e-5)
    # A word that was never seen is like all others.
    assert fertility.estimate(np.vstack([counts, np.zeros(fertility.MOST + 1)]))[2, 1] == (
        pytest.approx(0.5, abs=0.01)
    )


def test_a_pair_does_not_confirm_its_own_guesses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A word seen once collects, by EM, whatever is left over; by what others say, it does not."""
    pairs, gold = ciphered(60)
    source, target = ["rare", *pairs[0][0]], ["only", "here", *pairs[0][1]]
    corpus = [*pairs[1:], (source, target)]
    last = gold[0]
    links = {(i + 1, j + 2) for i, j in last}
    (learnt,) = fit(corpus).align([(source, target)])
    error_learnt = error(fit(pairs), pairs, gold)
    monkeypatch.setattr(collapsed, "ROUNDS", 0)
    (by_em,) = fit(corpus).align([(source, target)])
    found, before = ({(k.source, k.target) for k in asserted(x)} for x in (learnt, by_em))
    assert len(found ^ links) <= len(before ^ links)
    assert error_learnt < error(fit(pairs), pairs, gold)


def test_links_that_were_learnt_are_looked_up_and_others_computed(tmp_path: Path) -> None:
    pairs, gold = ciphered(300)
    fit(pairs[:250]).save(tmp_path)
    for floor in (0.05, 0.3):
        aligner = StatisticalAligner.load(tmp_path, floor=floor)
        told: list[int] = []
        mixed = aligner.align([pairs[260], pairs[3], ([], []), pairs[3]], told.append)
        assert sum(told) == 4
        assert mixed[1] == mixed[3] == aligner.align([pairs[3]])[0] and mixed[2] == []
        assert mixed[0] == aligner.align([pairs[260]])[0]
        assert all(k.prob >= floor for links in mixed for k in links)
    fit(pairs[:250], floor=0.001).save(tmp_path)
    weak = StatisticalAligner.load(tmp_path, floor=0.001).align(pairs[:50])
    assert 0.001 <= min(k.prob for links in weak for k in links) < 0.01
    hard = StatisticalAligner.load(tmp_path)
    assert error(hard, pairs[250:], gold[250:]) < 0.2
