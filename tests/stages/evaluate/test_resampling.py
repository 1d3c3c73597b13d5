from __future__ import annotations

import time

import numpy as np
import pytest

from stages.evaluate.grading import f1_of
from stages.evaluate.resampling import (
    bootstrap_f1,
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
