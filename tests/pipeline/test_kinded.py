"""Sections some of whose keys belong to the kind that another key names."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from pydantic import Field, ValidationError, model_validator

from pipeline.config import ConfigModel, RunConfig, StageConfig, config_model, parse_config
from pipeline.errors import ConfigError
from pipeline.kinded import JoinedConfig, Kind, KindedConfig, NoOptions
from pipeline.kinds import Kinds
from stages.project.config import FilterConfig
from stages.synthesize.config import SynthesizeConfig


class WheelOptions(ConfigModel):
    spokes: int = Field(32, ge=3, description="how many")
    rim: str = "steel"


class SledOptions(ConfigModel):
    rim: float = 1.5
    inner: WheelOptions = WheelOptions()


class _Kind:
    def __init__(self, options: Any) -> None:
        self.options = options


class Wheel(_Kind):
    about = "rolls"
    Options = WheelOptions


class Sled(_Kind):
    about = "slides"
    Options = SledOptions


class Rope(_Kind):
    about = "pulls"
    Options = ConfigModel


here = __name__
CARRIERS: Kinds[Any] = Kinds(
    "carrier", "toys.carriers", {"wheel": f"{here}:Wheel", "sled": f"{here}:Sled"}
)
PULLERS: Kinds[Any] = Kinds("puller", "toys.pullers", {"rope": f"{here}:Rope"})


class CartConfig(KindedConfig, StageConfig):
    kinds: ClassVar[Mapping[str, Kinds[Any]]] = {"carrier": CARRIERS, "puller": PULLERS}
    neutral: ClassVar[frozenset[str]] = frozenset({"colour"})

    carrier: str = Field("wheel", description="what it goes on")
    puller: str = "rope"
    load: int = 3
    colour: str = "red"

    @model_validator(mode="after")
    def _light(self) -> CartConfig:
        if self.carrier == "sled" and self.load > 5:
            raise ValueError("too heavy for a sled")
        return self


MODEL: type[RunConfig] = config_model({"cart": CartConfig})


def read(**section: Any) -> CartConfig:
    found = parse_config({"name": "t", "cart": section}, model=MODEL)
    return found.section("cart", CartConfig)


def message(**section: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read(**section)
    return str(caught.value)


def test_a_section_takes_its_own_keys_and_those_of_its_kind() -> None:
    cart = read(load=2, spokes=8)
    assert (cart.load, cart.chosen("carrier")) == (2, WheelOptions(spokes=8))
    kind = cart.kind("carrier")
    assert isinstance(kind, Wheel) and kind.options.spokes == 8
    assert isinstance(CartConfig(carrier="sled", rim=2).kind("carrier"), Sled)
    assert CartConfig() == read() == pickle.loads(pickle.dumps(CartConfig()))
    assert CartConfig() != CartConfig(spokes=3)
    assert "spokes=8" in repr(cart)


def test_a_key_of_another_kind_is_refused_and_says_whose_it_is() -> None:
    found = message(carrier="sled", spokes=8)
    assert "cart.spokes: carrier 'sled' has no such key; the one that has it: wheel" in found
    assert "unknown key 'cart.spoks' (did you mean 'spokes'?); allowed: " in message(spoks=8)
    found = message(carrier="weel")
    assert "cart.carrier: 'weel' is not allowed (did you mean 'wheel'?); allowed: w" in found


def test_every_error_is_told_at_once_and_where_it_is() -> None:
    found = message(carrier="sled", load="x", rim="wide", inner={"spoks": 1})
    assert "cart.load: " in found and "cart.rim: " in found
    assert "unknown key 'cart.inner.spoks' (did you mean 'spokes'?); allowed: rim, spokes" in found
    assert "cart: too heavy for a sled" in message(carrier="sled", load=6)
    assert "cart.spokes: Input should be greater than or equal to 3" in message(spokes=1)


def test_only_what_counts_is_in_the_identity() -> None:
    assert read(carrier="sled", rim=2, colour="blue").identity() == {
        "carrier": "sled",
        "puller": "rope",
        "load": 3,
        "rim": 2.0,
        "inner": {"spokes": 32, "rim": "steel"},
    }
    assert read().identity() == {
        "carrier": "wheel",
        "puller": "rope",
        "load": 3,
        "spokes": 32,
        "rim": "steel",
    }
    assert read(spokes=4).model_dump(exclude_unset=True) == {"spokes": 4}


def test_copies_with_other_values() -> None:
    cart = read(spokes=8)
    assert cart.model_copy(update={"load": 1, "spokes": 9}) == read(load=1, spokes=9)
    assert cart.model_copy(update={"carrier": "sled", "rim": 2.0}) == read(carrier="sled", rim=2)
    assert cart == read(spokes=8)
    with pytest.raises(ConfigError, match="no such keys here: inner"):
        cart.model_copy(update={"inner": 3})
    whole = parse_config({"name": "t", "cart": {"spokes": 8, "load": 1}}, model=MODEL)
    sled = whole.with_settings({"cart.carrier": "sled", "cart.rim": 2}).section("cart", CartConfig)
    assert sled == read(carrier="sled", rim=2, load=1)
    with pytest.raises(ConfigError, match=r"cart.spokes: carrier 'sled' has no such key"):
        whole.with_settings({"cart.carrier": "sled", "cart.spokes": 3})
    with pytest.raises(ValidationError):
        cart.model_copy(update={"carrier": "boat"})


def test_the_json_schema_allows_what_is_allowed() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    check = jsonschema.Draft202012Validator(MODEL.model_json_schema())

    def fits(**section: Any) -> bool:
        return bool(check.is_valid({"name": "t", "cart": section}))

    assert fits() and fits(spokes=8) and fits(carrier="sled", rim=2.5, inner={"spokes": 8})
    assert not fits(carrier="sled", spokes=8) and not fits(carrier="boat") and not fits(x=1)
    assert not fits(spokes=1) and not fits(rim=2.5) and not fits(carrier="sled", inner={"x": 1})


DUMPS = ({"exclude_unset": True}, {"exclude_defaults": True}, {"exclude_none": True}, {})


@pytest.mark.parametrize("how", DUMPS, ids=str)
@pytest.mark.parametrize(
    "given",
    [
        pytest.param(CartConfig(carrier="wheel", spokes=8), id="one kind of several"),
        pytest.param(FilterConfig(min_score=0.4), id="all kinds"),
        pytest.param(SynthesizeConfig(translation={"sampling_topk": 5}), id="kinds with sections"),
    ],
)
def test_every_way_to_join_options_dumps_alike(given: JoinedConfig, how: dict[str, bool]) -> None:
    assert type(given).model_validate(given.model_dump(**how)) == given
    for key in given.model_dump():
        assert key not in given.model_dump(exclude={key}, **how)


def test_a_kind_has_the_options_that_its_class_is_given() -> None:
    class Plain(Kind[NoOptions]):
        about = "without"

    class Rolling(Kind[WheelOptions]):
        about = "with"

    class Narrow(Rolling):
        about = "as what it is made of"

    class Stated(Kind[WheelOptions]):
        about = "its own word goes first"
        Options = SledOptions

    assert [k.Options for k in (Plain, Rolling, Narrow, Stated)] == [
        NoOptions,
        WheelOptions,
        WheelOptions,
        SledOptions,
    ]
    assert Narrow(WheelOptions(spokes=3)).options.spokes == 3
