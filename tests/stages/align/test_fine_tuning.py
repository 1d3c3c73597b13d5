"""An encoder learns the links of the pairs at hand before it aligns."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pipeline.errors import ConfigError, ModelError
from pipeline.schema import Link
from stages.align import fine_tuning
from stages.align.build import _load, build, learn
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.fine_tuning import HALVES, Halves, half_of
from stages.align.kinds.base import PairsToLearn
from stages.align.layers import load_encoder
from stages.align.planning import Plan, plan, problems
from stages.word_alignment.aligner import WordPair, asserted
from tests.stages.align.fixed import Fixed

WORDS = ["house", "tree", "dog", "water", "bread", "night", "stone", "horse", "fish", "lamp"]
OTHERS = ["haus", "baum", "hund", "wasser", "brot", "nacht", "stein", "pferd", "fisch", "lampe"]


def mirrored(count: int) -> list[WordPair]:
    """Sentences of six different words, and their translations from the last word to the first."""
    rng = random.Random(1)
    rows = [rng.sample(range(len(WORDS)), 6) for _ in range(count)]
    return [([WORDS[k] for k in r], [OTHERS[k] for k in r[::-1]]) for r in rows]


PAIRS = mirrored(40)


def planned(encoder: Path, **options: Any) -> Plan:
    config = AlignConfig.model_validate({"model": str(encoder), "aligner": "softmax"} | options)
    return plan(config, AlignmentContext("en", "de"))


def ensemble(encoder: Path, **options: Any) -> Plan:
    softmax = {"aligner": "softmax", "model": str(encoder), "temperature": 0.05} | options
    members = [{"aligner": "statistical"}, softmax]
    config = {"aligner": "ensemble", "members": members}
    return plan(AlignConfig.model_validate(config), AlignmentContext("en", "de"))


def learnt(what: Plan, folder: Path, pairs: list[WordPair] = PAIRS) -> Path:
    learn(what, PairsToLearn(lambda: iter(pairs), lambda: iter(())), folder)
    return folder


def right(links: list[list[Link]]) -> float:
    """Share of the words whose link is there."""
    hits = [
        (k, 5 - k) in {(x.source, x.target) for x in asserted(r)} for r in links for k in range(6)
    ]
    return sum(hits) / len(hits)


@pytest.mark.parametrize("options", [{}, {"center": True}])
def test_an_encoder_learns_what_statistics_found(
    options: dict[str, Any], bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fine_tuning, "_RATE", 2e-3)  # for an encoder that knows nothing
    options |= {"layer": 1, "token_type": "word"}  # its subwords are letters
    plain = ensemble(bert, **options)
    before = right(_load(plain, 1, learnt(plain, tmp_path / "plain")).align(PAIRS))
    tuned = ensemble(bert, fine_tune=30, **options)
    after = right(_load(tuned, 1, learnt(tuned, tmp_path / "tuned")).align(PAIRS))
    # Whatever weights the encoder begins with: a sixth of the words is chance.
    assert after > max(1.5 * before, before + 0.15)


def test_no_pair_is_aligned_by_what_learnt_from_it(bert: Path, tmp_path: Path) -> None:
    mine = [p for p in PAIRS if half_of(p) == 0]
    folder = learnt(ensemble(bert, fine_tune=2), tmp_path, mine) / "1"
    own = dict(load_encoder(bert).named_parameters())
    first, second = (load_file(folder / f"half-{k}" / "learnt.safetensors") for k in range(HALVES))
    assert first and all(torch.equal(weight, own[name]) for name, weight in first.items())
    assert not any(torch.equal(weight, own[name]) for name, weight in second.items())


def test_halves_take_their_own_and_keep_the_order() -> None:
    aligner = Halves([Fixed("none", (0, 0, 0.9)), Fixed("one", (1, 1, 0.8))])
    told: list[int] = []
    found = aligner.align(PAIRS, told.append)
    assert {half_of(p) for p in PAIRS} == {0, 1} and sum(told) == len(PAIRS)
    assert [links[0].source for links in found] == [half_of(p) for p in PAIRS]


def test_twice_the_same_and_randomness_is_left_alone(bert: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    what = planned(bert, fine_tune=1)
    folders = [learnt(what, tmp_path / name) for name in "ab"]
    assert torch.equal(torch.rand(3), expected)
    files = [sorted(f.rglob("*.safetensors")) for f in folders]
    assert [p.read_bytes() for p in files[0]] == [p.read_bytes() for p in files[1]] != []
    assert build(what, folders[0]).align(PAIRS) == build(what, folders[1]).align(PAIRS)


def test_only_upper_layers_learn(bert: Path, tmp_path: Path) -> None:
    folder = learnt(planned(bert, fine_tune=1, layer=3), tmp_path) / "0" / "half-0"
    layers = {name.split(".")[2] for name in load_file(folder / "learnt.safetensors")}
    assert layers == {"1", "2"}


def test_an_encoder_that_is_not_trusted_does_not_learn(bert: Path, tmp_path: Path) -> None:
    what = ensemble(bert, fine_tune=1, by_agreement=True)
    # The random encoder agrees with nothing.
    assert not list(learnt(what, tmp_path).rglob("*.safetensors"))
    assert build(what, tmp_path).name == "statistical"


def test_long_and_empty_pairs(bert: Path, tmp_path: Path) -> None:
    pairs = [*PAIRS, ([], ["haus"]), (WORDS * 9, OTHERS * 9), (["\u200b"], ["haus"])]
    what = planned(bert, fine_tune=1, temperature=0.05)
    assert len(build(what, learnt(what, tmp_path / "a", pairs)).align(pairs)) == len(pairs)
    nothing = learnt(what, tmp_path / "b", [([], [])])
    assert build(what, nothing).align([([], [])]) == [[]]


def test_layer_0_has_nothing_that_learns(bert: Path) -> None:
    config = AlignConfig.model_validate(
        {"aligner": "softmax", "model": str(bert), "layer": 0, "fine_tune": 1}
    )
    (found,) = problems(config, AlignmentContext("en", "de"))
    assert "align.fine_tune: layer 0 has nothing that learns" in str(found)


def test_who_has_no_encoder_is_told() -> None:
    with pytest.raises((ConfigError, ValueError), match="fine_tune"):
        AlignConfig.model_validate({"aligner": "statistical", "fine_tune": 1})


def test_weights_of_another_model_are_refused(bert: Path, xlmr: Path, tmp_path: Path) -> None:
    what = planned(bert, fine_tune=1)
    folder = learnt(what, tmp_path)
    with pytest.raises(ModelError, match=r"learnt\.safetensors: weights of another model"):
        build(replace(what, folders=(xlmr,)), folder)
