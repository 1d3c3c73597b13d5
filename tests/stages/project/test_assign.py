"""The exact solver against brute force."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.project import assign


@st.composite
def problems(draw: st.DrawFn) -> list[tuple[int, int, int, float]]:
    n_entities = draw(st.integers(1, 5))
    found = []
    for entity in range(n_entities):
        for _ in range(draw(st.integers(0, 4))):
            start = draw(st.integers(0, 7))
            end = start + draw(st.integers(1, 4))
            found.append((entity, start, end, draw(st.integers(-2, 10)) / 4))
    return found


def brute_force(problem: list[tuple[int, int, int, float]]) -> float:
    options: dict[int, list[tuple[int, int, float]]] = {}
    for entity, start, end, value in problem:
        options.setdefault(entity, []).append((start, end, value))
    best = 0.0
    for picked in product(*([None, *listed] for listed in options.values())):
        words: set[int] = set()
        total = 0.0
        for option in picked:
            if option is None:
                continue
            mine = set(range(option[0], option[1]))
            if words & mine:
                break
            words |= mine
            total += option[2]
        else:
            best = max(best, total)
    return best


def solve(problem: list[tuple[int, int, int, float]], solver: assign.Solver) -> float:
    entity, start, end = (np.array([p[i] for p in problem], np.int64) for i in range(3))
    value = np.array([p[3] for p in problem], np.float64)
    taken = assign.choose(entity, start, end, value, 5, solver)
    used: set[int] = set()
    total = 0.0
    for e, k in enumerate(taken.tolist()):
        if k >= 0:
            assert entity[k] == e
            assert value[k] > 0
            mine = set(range(start[k], end[k]))
            assert not used & mine
            used |= mine
            total += float(value[k])
    return total


@settings(max_examples=200)
@given(problems())
def test_exact_is_optimal(problem: list[tuple[int, int, int, float]]) -> None:
    assert solve(problem, "exact") == pytest.approx(brute_force(problem))


@settings(max_examples=30)
@given(problems())
def test_integer_programme_is_optimal(problem: list[tuple[int, int, int, float]]) -> None:
    limit = assign.MAX_NODES
    assign.MAX_NODES = 0  # type: ignore[misc]
    try:
        assert solve(problem, "exact") == pytest.approx(brute_force(problem))
    finally:
        assign.MAX_NODES = limit  # type: ignore[misc]


@settings(max_examples=60)
@given(problems())
def test_greedy_is_valid_and_not_better(problem: list[tuple[int, int, int, float]]) -> None:
    assert solve(problem, "greedy") <= solve(problem, "exact") + 1e-9


def test_exact_beats_greedy_where_one_good_range_blocks_two() -> None:
    problem = [(0, 1, 3, 1.0), (1, 0, 2, 0.9), (1, 5, 6, 0.1), (2, 2, 4, 0.9), (2, 7, 8, 0.1)]
    assert solve(problem, "greedy") == pytest.approx(1.2)
    assert solve(problem, "exact") == pytest.approx(1.8)


def test_forty_equal_entities_competing_for_forty_equal_words() -> None:
    problem = [(e, w, w + 1, 0.5) for e in range(40) for w in range(40)]
    entity, start, end = (np.array([p[i] for p in problem], np.int64) for i in range(3))
    taken = assign.choose(entity, start, end, np.full(len(problem), 0.5), 40)
    assert sorted(start[taken].tolist()) == list(range(40))


def test_drop_overlaps_keeps_the_better() -> None:
    kept = assign.drop_overlaps(np.array([0, 2, 5]), np.array([3, 4, 6]), np.array([0.4, 0.9, 0.1]))
    assert list(kept) == [1, 2]
