"""Each layer fusion has its own options; a key that would do nothing is refused."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.config import parse_config
from pipeline.errors import ConfigError
from stages.registry import STAGES
from stages.train.config import TrainConfig
from stages.train.fusions import FUSIONS
from stages.train.recipe import head_fields

MODEL = STAGES.config_type()


def message(**section: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config({"name": "t", "train": section}, model=MODEL)
    return str(caught.value)


def test_a_key_that_does_nothing_is_refused_with_the_fusions_that_have_it() -> None:
    assert (
        "train.fusion_layer: fusion 'none' has no such key; those that have it: dlfa_aif, "
        "dlfa_sum, concat" in message(fusion="none", fusion_layer=5)
    )
    assert "the one that has it: dlfa_aif" in message(fusion="concat", aif_ratio=1)
    assert "fusion_layer" not in TrainConfig(fusion="scalar_mix").identity()


@pytest.mark.parametrize("name", list(FUSIONS))
def test_every_fusion_says_what_it_is_and_builds_its_module(name: str) -> None:
    from stages.tagger.fusion import LayerFusion

    kind = FUSIONS[name]
    assert 10 < len(kind.about) < 90 and "\n" not in kind.about
    assert all(f.description for f in kind.Options.model_fields.values())
    head = head_fields(TrainConfig(fusion=name), fused=True)
    assert head.pop("fusion") == name
    names = {k: k.removeprefix("aif_").removeprefix("fusion_") for k in head}
    given = {"layer": 0} | {names[k]: v for k, v in head.items()}
    module = LayerFusion(name, 8, 4, **given)
    assert set(module.lower) == ({2} if "fusion_layer" in head else {0, 1, 2, 3}) or name == "none"
    assert head_fields(TrainConfig(fusion=name), fused=False) == {"fusion": "none"}
