"""Encoders are weighed by how far they agree with statistics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.schema import Link
from stages.align import build, planning
from stages.align.agreement import Agreement, compare, judge, trusts
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.inputs import read_word_pairs
from stages.align.kinds.base import PairsToLearn
from stages.word_alignment.aligner import WordPair
from tests.stages.align.fixed import Fixed

ENCODER = Path(__file__).resolve().parents[3] / "artifacts" / "models" / "encoder"


def test_names_numbers_signs_and_weak_links_tell_nothing() -> None:
    pairs: list[WordPair] = [
        (["Zoë", "7", ".", "house", "red", "old"], ["Zoe", "sieben", ".", "Haus", "rot", "alt"])
    ]
    sure = [[Link(k, k, 0.9) for k in range(5)] + [Link(5, 5, 0.4)]]
    other = [[Link(0, 0, 1.0), Link(3, 3, 0.5), Link(4, 4, 0.49), Link(5, 5, 1.0)]]
    assert compare(pairs, sure, other) == Agreement(asserted=2, shared=1)


def test_trust_grows_with_agreement_and_needs_evidence() -> None:
    assert Agreement(1000, 800).trust == 1 and Agreement(1000, 300).trust == 0
    assert 0 < Agreement(1000, 520).trust < Agreement(1000, 560).trust < 1
    # Nothing is known: most of the weight stays, and a few links do not decide.
    assert Agreement(0, 0).trust == pytest.approx(0.8)
    assert Agreement(2, 0).trust > 0 == Agreement(20, 0).trust


def test_what_is_judged_is_kept(tmp_path: Path) -> None:
    pairs: list[WordPair] = [(["house", str(k)], ["Haus", str(k)]) for k in range(40)]
    linked = Fixed("linked", (0, 0, 0.9))
    encoders = {2: linked, 3: Fixed("without")}
    judge(lambda: iter(pairs), linked, encoders, tmp_path)
    assert trusts(tmp_path) == {2: 1.0, 3: 0.0}
    text = json.loads((tmp_path / "trust.json").read_text(encoding="utf-8"))
    assert text["3"] == {"asserted": 40, "shared": 0, "trust": 0.0}


@pytest.mark.parametrize("script", ["latin", "georgian"])
def test_auto_leaves_out_an_encoder_that_does_not_know_the_script(
    script: str, tmp_path: Path
) -> None:
    sample = ENCODER.parents[1] / "sample" / "parallel"
    pairs = read_word_pairs(sample / "en.conll", sample / "de.conll")[:40]
    if script == "georgian":
        table = str.maketrans({chr(97 + k): chr(0x10D0 + k) for k in range(26)})
        pairs = [(a, [w.lower().translate(table) for w in b]) for a, b in pairs]
    # Statistics need some text to say anything.
    more = [([*a, str(k)], [*b, str(k)]) for k, (a, b) in enumerate(pairs)]
    planned = planning.plan(AlignConfig(), AlignmentContext("en", "und", str(ENCODER), None))
    build.learn(planned, PairsToLearn(lambda: iter(pairs), lambda: iter(more)), tmp_path)
    aligner = build.build(planned, tmp_path)
    assert all(aligner.align(pairs))
    knows = script == "latin"
    assert aligner.name == ("mean(statistical, softmax)" if knows else "statistical")
    assert (trusts(tmp_path)[1] > 0.9) == knows


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([{"aligner": "statistical"}, {"aligner": "eflomal", "by_agreement": True}], "eflomal"),
        ([{"aligner": "eflomal"}, {"aligner": "softmax", "by_agreement": True}], "needs a member"),
        (
            [
                {"aligner": "statistical", "weight_little": 0},
                {"aligner": "softmax", "by_agreement": True},
            ],
            "above 0",
        ),
    ],
)
def test_agreement_needs_statistics(members: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AlignConfig.model_validate({"aligner": "ensemble", "members": members})
