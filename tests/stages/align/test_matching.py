"""The vectorised methods, against the definitions written out for one matrix at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stages.align import matching

Matrices = list[np.ndarray]

matrices = st.lists(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 7), st.integers(1, 7)),
        # Few distinct values: ties are what implementations differ in.
        elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 0.9, 1.0]),
    ),
    min_size=1,
    max_size=4,
)


def padded(sims: Matrices) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = np.array([s.shape[0] for s in sims])
    cols = np.array([s.shape[1] for s in sims])
    batch = np.full((len(sims), rows.max(), cols.max()), matching.PAD, dtype=np.float32)
    for k, sim in enumerate(sims):
        batch[k, : rows[k], : cols[k]] = sim
    return batch, rows, cols


def links(method: str, sims: Matrices) -> list[set[tuple[int, int]]]:
    pair, source, target = matching.METHODS[method](*padded(sims))
    found: list[set[tuple[int, int]]] = [set() for _ in sims]
    for p, i, j in zip(pair, source, target, strict=True):
        found[p].add((int(i), int(j)))
    assert len(pair) == sum(map(len, found))
    return found


@settings(max_examples=150)
@given(matrices)
def test_argmax_methods(sims: Matrices) -> None:
    for sim, ahead, back, both in zip(
        sims, links("forward", sims), links("reverse", sims), links("inter", sims), strict=True
    ):
        assert ahead == {(i, int(row.argmax())) for i, row in enumerate(sim)}
        assert back == {(int(column.argmax()), j) for j, column in enumerate(sim.T)}
        assert both == ahead & back


@settings(max_examples=150)
@given(matrices)
def test_itermax_as_simalign_defines_it(sims: Matrices) -> None:
    from simalign import SentenceAligner

    for sim, found in zip(sims, links("itermax", sims), strict=True):
        assert found == {(int(i), int(j)) for i, j in np.argwhere(SentenceAligner.iter_max(sim))}


@settings(max_examples=100)
@given(matrices)
def test_match_is_one_to_one_and_of_the_largest_weight(sims: Matrices) -> None:
    import networkx as nx

    for sim, found in zip(sims, links("match", sims), strict=True):
        assert len(found) == min(sim.shape)
        assert len({i for i, _ in found}) == len({j for _, j in found}) == len(found)
        graph = nx.Graph()
        for (i, j), weight in np.ndenumerate(sim):
            graph.add_edge(("s", i), ("t", j), weight=float(weight))
        best = nx.max_weight_matching(graph, maxcardinality=True)
        weight = sum(graph.edges[edge]["weight"] for edge in best)
        assert sum(float(sim[i, j]) for i, j in found) == pytest.approx(weight, abs=1e-6)


@settings(max_examples=60)
@given(matrices, st.sampled_from([0.1, 0.5, 1.0]))
def test_distortion_as_simalign_defines_it(sims: Matrices, ratio: float) -> None:
    from simalign import SentenceAligner

    batch, rows, cols = padded(sims)
    damped = matching.distort(batch, rows, cols, ratio)
    for k, sim in enumerate(sims):
        expected = SentenceAligner.apply_distortion(sim, ratio)
        assert np.array_equal(damped[k, : rows[k], : cols[k]], expected)


@settings(max_examples=60)
@given(matrices)
def test_directions_sum_to_one_and_are_zero_in_padding(sims: Matrices) -> None:
    batch, rows, cols = padded(sims)
    there, back = matching.directions(batch, rows, cols)
    for k, sim in enumerate(sims):
        m, n = sim.shape
        weights = np.exp(sim.astype(np.float64))
        assert there[k, :m, :n] == pytest.approx(weights / weights.sum(1, keepdims=True), rel=1e-5)
        assert back[k, :m, :n] == pytest.approx(weights / weights.sum(0, keepdims=True), rel=1e-5)
        assert there[k].sum() == pytest.approx(m) and back[k].sum() == pytest.approx(n)
