"""An encoder's links guide the statistics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.schema import Link
from stages.align.agreement import hints, unguided
from stages.align.config import AlignConfig
from stages.word_alignment.aligner import WordPair
from stages.word_alignment.statistical.aligner import StatisticalAligner
from stages.word_alignment.statistical.hints import hinted
from tests.stages.align.fixed import Fixed

# Each word occurs once: which of them belong together cannot be told from the pairs.
ONCE: list[WordPair] = [
    (["tree", "lamp", "fish"], ["lampe", "poisson", "arbre"]),
    (["dog", "bread"], ["pain", "chien"]),
]
RIGHT = {0: [(0, 2), (1, 0), (2, 1)], 1: [(0, 1), (1, 0)]}


def links_of(aligner: StatisticalAligner) -> list[set[tuple[int, int]]]:
    return [{(k.source, k.target) for k in row} for row in aligner.align(ONCE)]


def test_words_seen_once_follow_the_hints() -> None:
    told = [(p, [Link(i, j, 0.9) for i, j in RIGHT[k]]) for k, p in enumerate(ONCE)]
    found = links_of(StatisticalAligner.fit(lambda: iter(ONCE), lambda: iter(()), hints=told))
    assert found == [set(RIGHT[0]), set(RIGHT[1])]
    plain = links_of(StatisticalAligner.fit(lambda: iter(ONCE), lambda: iter(())))
    assert plain != found, "else the hints told nothing"


def test_what_was_hinted_holds_for_new_pairs(tmp_path: Path) -> None:
    told = [(p, [Link(i, j, 0.9) for i, j in RIGHT[k]]) for k, p in enumerate(ONCE)]
    StatisticalAligner.fit(lambda: iter(ONCE), lambda: iter(()), hints=told).save(tmp_path)
    new = [(["bread", "fish"], ["poisson", "pain"])]
    found = StatisticalAligner.load(tmp_path).align(new)
    assert {(k.source, k.target) for k in found[0]} == {(0, 1), (1, 0)}


words = st.sampled_from(["a", "b", "c"])


@given(
    st.lists(
        st.tuples(st.lists(words, min_size=1, max_size=3), st.lists(words, min_size=1, max_size=3))
    ),
    st.lists(st.integers(0, 8), unique=True),
)
def test_hints_are_sums_for_known_pairs_of_words(
    pairs: list[tuple[list[str], list[str]]], known: list[int]
) -> None:
    told = [(p, [Link(len(p[0]) - 1, 0, 0.3)]) for p in pairs]
    source, target = {"a": 0, "b": 1}, {"a": 0, "b": 1}
    keys = np.array(sorted(known), dtype=np.int64)
    found = hinted(told, str.lower, source, target, keys)
    for key, value in zip(keys.tolist(), found.tolist(), strict=True):
        times = sum(
            (source.get(a[-1], 9), target.get(b[0], 9)) == (key // 3, key % 3) for a, b in pairs
        )
        assert value == pytest.approx(min(1, 0.3 * times))


def test_who_is_not_trusted_says_nothing() -> None:
    guides = {1: Fixed("knows", (0, 1, 0.8)), 2: Fixed("does not", (0, 0, 1.0))}
    found = hints(lambda: iter(ONCE), guides, {1: 0.5, 2: 0.0})
    assert [pair for pair, _ in found] == ONCE
    assert [list(links) for _, links in found] == [[Link(0, 1, 0.4)]] * 2
    assert unguided(lambda: iter(ONCE), lambda: iter(())).name == "statistical"


def test_a_guide_must_be_judged() -> None:
    members: list[dict[str, Any]] = [
        {"aligner": "statistical"},
        {"aligner": "softmax", "guides": True},
    ]
    with pytest.raises(ValueError, match="guides needs by_agreement"):
        AlignConfig.model_validate({"aligner": "ensemble", "members": members})
