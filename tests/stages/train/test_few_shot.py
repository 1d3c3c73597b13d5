"""A few gold sentences: who is drawn, what the curve tells."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.evaluate.few_shot import few_shot_pairs, few_shot_results, worth_of
from stages.evaluate.results import FewShotPoint, Summary
from stages.experiment import experiment
from stages.train.few_shot import drawn
from xlner.api import load_config, parse_config

ROOT = Path(__file__).parents[3]


def row(name: int, *types: str) -> dict[str, Any]:
    return {"id": str(name), "words": ["w"] * 4, "spans": [{"type": t} for t in types]}


ROWS = [row(i, *(["PER"] * (i % 3)), *(["LOC"] * (i % 7 == 0))) for i in range(60)]
ROWS += [{"id": "none", "words": [], "spans": []}]


@given(st.integers(0, 80), st.integers(0, 80), st.integers(0, 5))
def test_a_smaller_draw_begins_a_larger_one(few: int, more: int, seed: int) -> None:
    few, more = sorted((few, more))
    small, large = drawn(ROWS, few, seed), drawn(ROWS, more, seed)
    assert large[: len(small)] == small and len(large) == min(more, 60)
    assert len({r["id"] for r in large}) == len(large)


def test_types_are_balanced_and_seeds_differ() -> None:
    found = drawn(ROWS, 10, 1)
    counts = Counter(s["type"] for r in found for s in r["spans"])
    assert abs(counts["PER"] - counts["LOC"]) <= 2, "LOC is a fifth of the entities"
    assert [r["id"] for r in found] != [r["id"] for r in drawn(ROWS, 10, 2)]
    assert found == drawn(ROWS, 10, 1)


def test_too_few_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert len(drawn(ROWS, 61, 1, "gold/de")) == 60
    assert "gold/de: train.gold_sentences asks for 61 sentences, there are 60" in caplog.text


def points(*f1: tuple[int, float]) -> list[FewShotPoint]:
    return [FewShotPoint(sentences=k, f1=v, f1_low=v, f1_high=v) for k, v in f1]


@pytest.mark.parametrize(
    ("plain", "first", "worth", "told"),
    [
        ([(0, 0.2), (10, 0.3), (50, 0.5)], 0.3, 10.0, "about 10 gold sentences"),
        ([(0, 0.2), (9, 0.4)], 0.3, 10**0.5 - 1, "about 2 gold sentences"),
        ([(0, 0.4), (10, 0.5)], 0.3, 0.0, "nothing: it is no better without gold sentences"),
        ([(10, 0.4), (50, 0.5)], 0.3, None, "at most 10 gold sentences"),
        ([(0, 0.2), (10, 0.25)], 0.3, None, "more than 10 gold sentences"),
    ],
)
def test_what_projected_data_is_worth(
    plain: list[tuple[int, float]], first: float, worth: float | None, told: str
) -> None:
    found, words = worth_of(points(*plain), points((0, first), (10, 0.9)))
    assert words == told
    assert found == (worth if worth is None else pytest.approx(worth))


def test_the_config_that_ships_makes_two_curves() -> None:
    config = experiment(load_config("few_shot"))
    assert config.chosen_on_dev == [], "source dev does not choose how much gold data there is"
    assert few_shot_pairs(config.sweeps) == [
        (f"few_shot_projected-gold_sentences-{k}", f"few_shot-gold_sentences-{k}")
        for k in (0, 10, 50, 200)
    ]
    arm = config.recipes["few_shot-gold_sentences-10"]
    assert arm.settings == {"train.gold_repeat": 10.0, "train.gold_sentences": 10}
    assert config.informed("few_shot-gold_sentences-10")
    summary = [
        Summary(
            arm=f"{name}-gold_sentences-{k}",
            lang="de",
            type=None,
            seeds=[1],
            precision=0,
            precision_std=None,
            recall=0,
            recall_std=None,
            f1=f1 + k / 1000,
            f1_std=None,
            f1_low=0,
            f1_high=1,
            gold=1,
        )
        for name, f1 in (("few_shot", 0.2), ("few_shot_projected", 0.25))
        for k in (0, 10, 50, 200)
    ]
    (found,) = few_shot_results(config.sweeps, summary)
    assert [p.sentences for p in found.plain] == [0, 10, 50, 200]
    assert found.told == "about 50 gold sentences"


def test_gold_sentences_need_arms_with_gold_data() -> None:
    raw = {
        "name": "t",
        "languages": ["de"],
        "arms": ["supervised"],
        "train": {"gold_sentences": 5},
        "data": {"train": {"path": "t"}, "target_train": {"path": "x"}},
    }
    config = experiment(parse_config(raw))
    assert config.section("train", type(config.train)).gold_sentences == 5  # type: ignore[attr-defined]
