from __future__ import annotations

import time

import numpy as np
import pytest

from stages.evaluate.grading import f1_of
from stages.evaluate.resampling import (
    bootstrap_f1,
    doubt,
    holm,
    interval,
    p_value,
    randomised_differences,
)


def tagger(rng: np.random.Generator, gold: np.ndarray, accuracy: float) -> np.ndarray:
    """Counts ``(sentences, 1, 3)`` of a tagger that finds each entity with ``accuracy``."""
    tp = rng.binomial(gold, accuracy)
    return np.stack([tp, gold, gold], axis=1)[:, None, :]


def test_bootstrap_of_one_sentence_is_its_f1() -> None:
    counts = np.array([[[1, 2, 2]]])
    assert bootstrap_f1(counts, 10, 0) == pytest.approx(np.full((10, 1), 0.5))


def test_bootstrap_equals_a_plain_loop() -> None:
    rng = np.random.default_rng(3)
    counts = tagger(rng, rng.integers(0, 4, 40), 0.6)
    drawn = np.random.default_rng(9).integers(0, 40, size=(25, 40))
    slow = [f1_of(sum(counts[i, 0] for i in row)) for row in drawn]
    assert bootstrap_f1(counts, 25, 9)[:, 0] == pytest.approx(np.array(slow))


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        counts = tagger(rng, np.full(200, 2), 0.7)
        low, high = interval(bootstrap_f1(counts, 300, trial)[:, 0], 0.9)
        hits += low <= 0.7 <= high
    assert 0.82 <= hits / 200 <= 0.97


def test_randomisation_equals_a_plain_loop() -> None:
    rng = np.random.default_rng(1)
    gold = rng.integers(0, 3, 30)
    first, second = (np.concatenate([tagger(rng, gold, a)] * 2, axis=1) for a in (0.5, 0.8))
    differ = np.flatnonzero((first != second).any(axis=(1, 2)))
    swaps = np.random.default_rng(4).integers(0, 2, size=(20, len(differ)), dtype=np.int8)
    slow = []
    for row in swaps:
        one, two = first.copy(), second.copy()
        swapped = differ[row == 1]
        one[swapped], two[swapped] = second[swapped], first[swapped]
        slow.append((f1_of(one.sum(axis=0)) - f1_of(two.sum(axis=0))).mean())
    assert randomised_differences(first, second, 20, 4) == pytest.approx(np.array(slow))


def test_equal_arms_have_p_one_and_a_clear_winner_a_small_one() -> None:
    rng = np.random.default_rng(2)
    gold = rng.integers(1, 4, 200)
    weak, strong = tagger(rng, gold, 0.5), tagger(rng, gold, 0.9)
    assert p_value(0.0, randomised_differences(weak, weak, 500, 1)) == 1.0
    observed = float((f1_of(strong.sum(0)) - f1_of(weak.sum(0))).mean())
    assert p_value(observed, randomised_differences(strong, weak, 500, 1)) == 1 / 501


def trained(rng: np.random.Generator, gold: np.ndarray, seeds: int) -> np.ndarray:
    """Taggers of one recipe: ``(sentences, seeds, 3)``; some trainings go better than others."""
    accuracies = rng.normal(0.7, 0.02, seeds)
    return np.concatenate([tagger(rng, gold, a) for a in accuracies], axis=1)


@pytest.mark.parametrize("seeds", [3, 5])
def test_trainings_that_differ_by_luck_are_no_difference(seeds: int) -> None:
    rng = np.random.default_rng(6)
    over_sentences = over_both = covered = 0
    for trial in range(200):
        gold = rng.integers(0, 4, 1500)
        one, two = trained(rng, gold, seeds), trained(rng, gold, seeds)
        by_seed = f1_of(one.sum(0)) - f1_of(two.sum(0))
        both = bootstrap_f1(np.concatenate([one, two], axis=1), 100, trial)
        spread = (both[:, :seeds] - both[:, seeds:]).mean(axis=1)
        low, high, p = doubt(by_seed, spread, 0.95)
        assert p is not None
        null = randomised_differences(one, two, 100, trial)
        over_sentences += p_value(float(by_seed.mean()), null) < 0.05
        over_both += p < 0.05
        covered += low <= 0 <= high
    assert over_sentences > 60  # what other sentences say of these trainings is not enough
    assert over_both <= 20
    assert covered == 200 - over_both


def test_doubt_of_one_seed_and_of_seeds_that_agree_is_that_over_sentences() -> None:
    spread = np.random.default_rng(7).normal(0.02, 0.01, 1000)
    low, high, p = doubt(np.array([0.02]), spread, 0.95)
    assert (low, high) == interval(spread, 0.95) and p is None
    again = doubt(np.array([0.02, 0.02, 0.02]), spread, 0.95)
    assert again[:2] == pytest.approx((low, high), abs=0.002)
    assert again.p == pytest.approx(2 * np.mean(spread < 0), abs=0.02)
    assert doubt(np.array([0.0, 0.0]), np.zeros(5), 0.95) == (0.0, 0.0, 1.0)


def test_false_alarms_are_as_rare_as_alpha_says() -> None:
    rng = np.random.default_rng(5)
    alarms = 0
    for trial in range(200):
        gold = rng.integers(0, 4, 100)
        one, two = tagger(rng, gold, 0.7), tagger(rng, gold, 0.7)
        observed = float((f1_of(one.sum(0)) - f1_of(two.sum(0))).mean())
        alarms += p_value(observed, randomised_differences(one, two, 200, trial)) < 0.05
    assert alarms <= 20  # expected 10; more than 20 has probability 0.001


def test_seeds_that_repeat_each_other_are_no_more_evidence() -> None:
    rng = np.random.default_rng(6)
    gold = rng.integers(0, 4, 100)
    one, two = tagger(rng, gold, 0.65), tagger(rng, gold, 0.7)
    single = randomised_differences(one, two, 1000, 3)
    many = randomised_differences(*(np.repeat(c, 5, axis=1) for c in (one, two)), 1000, 3)
    assert many == pytest.approx(single)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_ten_thousand_sentences_take_seconds() -> None:
    rng = np.random.default_rng(7)
    gold = rng.integers(0, 4, 10_000)
    one, two = (np.concatenate([tagger(rng, gold, a)] * 3, axis=1) for a in (0.6, 0.62))
    start = time.perf_counter()
    bootstrap_f1(np.concatenate([one, two], axis=1), 1000, 1)
    randomised_differences(one, two, 10_000, 1)
    assert time.perf_counter() - start < 20
