"""Several aligners as one, what auto chooses, and the scores of alignments."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError, DataError
from pipeline.formats import PharaohLine
from pipeline.schema import Link
from stages.align import build, planning
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.kinds import auto
from stages.align.kinds.base import PairsToLearn
from stages.align.kinds.ensemble import Ensemble
from stages.align.kinds.member import LITTLE, MUCH
from stages.align.scoring import score
from stages.word_alignment.aligner import WordPair
from tests.stages.align.fixed import Fixed

A = Fixed("a", (0, 0, 0.9), (1, 1, 0.6), (2, 2, 0.3))
B = Fixed("b", (0, 0, 0.7), (1, 2, 0.8), (2, 2, 0.9))
C = Fixed("c", (1, 2, 0.5), (3, 3, 1.0))


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("union", {(0, 0): 0.9, (1, 1): 0.6, (1, 2): 0.8, (2, 2): 0.9, (3, 3): 1.0}),
        ("intersection", {}),
        ("vote", {(0, 0): 0.533333, (1, 2): 0.5}),
        ("mean", {(0, 0): 0.533333}),
    ],
)
def test_combinations_of_three(how: Any, expected: dict[tuple[int, int], float]) -> None:
    told: list[int] = []
    (found,) = Ensemble([A, B, C], how).align([(["x"] * 4, ["y"] * 4)], told.append)
    assert {(k.source, k.target): round(k.prob, 6) for k in found} == expected
    assert found == sorted(found, key=lambda k: (k.source, k.target)) and told == [1]


def test_intersection_of_two_and_weights() -> None:
    pair = [(["x"] * 4, ["y"] * 4)]
    (found,) = Ensemble([A, B], "intersection").align(pair)
    assert [(k.source, k.target, k.prob) for k in found] == [(0, 0, 0.7)]
    (found,) = Ensemble([A, B], "mean", [3, 1]).align(pair)
    assert [(k.source, k.target, round(k.prob, 6)) for k in found] == [(0, 0, 0.85)]
    assert Ensemble([A, B], "mean").name == "mean(a, b)"


@pytest.mark.parametrize("how", ["intersection", "vote"])
def test_soft_links_that_miss_the_mark_stay_below_it(how: Any) -> None:
    (found,) = Ensemble([A, B, C], how, floor=0.05).align([(["x"] * 4, ["y"] * 4)])
    probs = {(k.source, k.target): k.prob for k in found}
    assert probs[3, 3] < 0.5 and probs[1, 1] < 0.5 and set(probs) >= {(3, 3), (1, 1)}


def test_an_ensemble_of_real_aligners(bert: Path, made_up: Any) -> None:
    config = AlignConfig.model_validate(
        {
            "aligner": "ensemble",
            "combine": "union",
            "soft": False,
            "members": [
                {"aligner": "simalign", "model": str(bert)},
                {"aligner": "simalign", "model": str(bert), "method": "forward"},
            ],
        }
    )
    around = AlignmentContext("en", "de")
    together = build.build(planning.plan(config, around)).align(made_up[:10])
    forward = AlignConfig(aligner="simalign", model=str(bert), method="forward", soft=False)
    alone = build.build(planning.plan(forward, around)).align(made_up[:10])
    assert together == alone  # inter is a part of forward


def test_auto_takes_the_first_rule_whose_needs_are_met(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = (
        auto.Rule(frozenset({"large_encoder", "encoder"}), (auto.Share("softmax", 2.0),)),
        auto.Rule(frozenset({"encoder"}), (auto.Share("simalign", 1.0),)),
        auto.Rule(frozenset(), (auto.Share("statistical", 1.0),)),
    )
    monkeypatch.setattr(auto, "AUTO", rules)

    def names(encoder: str | None) -> list[str]:
        around = AlignmentContext("en", "de", encoder)
        return [m.aligner for m in planning.resolve(AlignConfig(), around).members]

    assert names("bert-base-multilingual-cased") == ["softmax"]
    assert names(str(bert)) == ["simalign"]
    assert names(None) == names("/no/such/folder") == ["statistical"]
    monkeypatch.setattr(auto, "AUTO", rules[:1])
    with pytest.raises(ConfigError, match="auto finds no aligner"):
        names(None)


def test_the_shipped_rules_go_by_what_is_there(bert: Path, tmp_path: Path) -> None:
    from tests.tiny.translators import build_marian

    def names(encoder: str | None, translator: Path | None = None, **options: Any) -> list[str]:
        around = AlignmentContext("en", "de", encoder, str(translator) if translator else None)
        return [m.aligner for m in planning.resolve(AlignConfig(**options), around).members]

    both = build_marian(tmp_path / "both", tags=(">>de<<", ">>en<<"), pair=None)
    one_way = build_marian(tmp_path / "one", pair=("en", "de"))
    assert names(str(bert), both) == ["statistical", "translator", "simalign"]
    assert names(str(bert)) == names(str(bert), one_way) == ["statistical", "simalign"]
    assert names(str(bert), model=str(bert)) == ["softmax", "statistical"]
    assert names("bert-base-multilingual-cased", both) == ["softmax", "statistical"]
    assert names(None, both) == ["statistical", "translator"]
    assert names(None, one_way) == names("no/such/folder") == ["statistical"]


def test_statistics_of_little_text_weigh_less(
    bert: Path, made_up: list[WordPair], tmp_path: Path
) -> None:
    simalign = {"aligner": "simalign", "model": str(bert), "weight": 0, "weight_little": 3}
    config = AlignConfig.model_validate(
        {"aligner": "ensemble", "members": [{"aligner": "statistical"}, simalign]}
    )
    members = planning.resolve(config, AlignmentContext("en", "de")).members
    member = members[1]
    between = math.sqrt(LITTLE * MUCH)
    weights = [member.weight_at(words) for words in (1, LITTLE, round(between), MUCH, 10**9)]
    assert weights == pytest.approx([3, 3, 1.5, 0, 0], abs=1e-3)
    assert members[0].weight_at(1) == 1
    planned = planning.plan(config, AlignmentContext("en", "de"))
    few = made_up[:5]
    more = [pair for k in range(20) for pair in ([[*a, str(k)], b] for a, b in made_up)]
    assert sum(len(a) for a, _ in more) > MUCH
    names = {}
    for title, further in (("few", []), ("more", more)):
        folder = tmp_path / title
        build.learn(planned, PairsToLearn(lambda: iter(few), lambda f=further: iter(f)), folder)
        aligner = build.build(planned, folder)
        names[title] = aligner.name
        assert all(aligner.align(few))
    # What has no weight is not computed.
    assert names == {"few": "mean(statistical, simalign-inter)", "more": "statistical"}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([{"aligner": "statistical", "weight": 0}, {"aligner": "eflomal", "weight": 0}], "every"),
        (
            [
                {"aligner": "statistical", "weight": 0},
                {"aligner": "simalign", "weight": 1, "weight_little": 0},
            ],
            "every weight_little",
        ),
        ([{"aligner": "eflomal"}, {"aligner": "simalign", "weight_little": 1}], "needs a member"),
    ],
)
def test_weights_that_mean_nothing(members: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AlignConfig.model_validate({"aligner": "ensemble", "members": members})


def test_the_shipped_rules_always_find_something() -> None:
    assert not auto.AUTO[-1].needs
    assert planning.resolve(AlignConfig(), AlignmentContext(None, None)).members


def test_eflomal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("eflomal", reason="the optional package eflomal is not installed")
    from stages.align.eflomal_aligner import EflomalAligner

    words = ["ba", "du", "ko", "mi", "nelu", "sora", "tanik", "vesto"]
    pairs = [
        ([words[i % 8], words[(i * 3 + 1) % 8]], [words[i % 8] + "x", words[(i * 3 + 1) % 8] + "x"])
        for i in range(60)
    ]
    pairs.insert(3, ([], ["a"]))
    EflomalAligner.fit(lambda: iter(pairs), lambda: iter([]), tmp_path)
    found = EflomalAligner.load(tmp_path, floor=0.05).align([*pairs, (["never"], ["seen"])])
    assert found[3] == found[-1] == []
    diagonal = sum((k.source, k.target) in {(0, 0), (1, 1)} for f in found for k in f)
    assert diagonal > 0.8 * sum(map(len, found))


def test_scores_are_those_of_och_and_ney() -> None:
    gold = [
        PharaohLine([Link(0, 0, 1), Link(1, 1, 1)], [Link(1, 2, 1)]),
        PharaohLine([], [Link(0, 0, 1)]),
    ]
    links = [[Link(0, 0, 1), Link(1, 2, 1), Link(2, 2, 1)], [Link(0, 0, 1)]]
    result = score(links, gold)
    assert (result.precision, result.recall) == (0.75, 0.5)
    assert result.aer == pytest.approx(1 - (1 + 3) / (4 + 2))
    with pytest.raises(DataError, match="1 aligned pairs but 2 lines"):
        score(links[:1], gold)
