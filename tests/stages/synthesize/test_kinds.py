"""Each maker has its own options; a section that would do nothing is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.config import load_config, parse_config
from pipeline.errors import ConfigError
from pipeline.resources import shipped_configs
from stages.registry import STAGES
from stages.synthesize.config import SynthesizeConfig
from stages.synthesize.makers import MAKERS
from stages.synthesize.makers.infilling import InfillingConfig

MODEL = STAGES.config_type()


def read(**section: Any) -> Any:
    return parse_config({"name": "t", "synthesize": section}, model=MODEL)


def message(**section: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read(**section)
    return str(caught.value)


def test_a_section_of_a_maker_without_a_weight_is_refused() -> None:
    told = "synthesize.infilling: weights names no maker 'infilling', so that this would do nothing"
    assert told in message(infilling={"share": 0.3})
    assert "unknown key 'synthesize.infiling'" in message(infiling={})
    assert "unknown key 'synthesize.infilling.shar' (did you mean 'share'?)" in message(
        weights={"infilling": 1}, infilling={"shar": 0.3}
    )
    assert "synthesize.infilling.share: " in message(
        weights={"infilling": 1}, infilling={"share": 3}
    )
    assert "no maker named 'infiling' (did you mean 'infilling'?)" in message(
        weights={"infiling": 1}
    )
    assert "needs generation.model" in message(weights={"generation": 1})


def test_what_the_gate_asks_counts_too() -> None:
    section = SynthesizeConfig(gate={"perplexity": 900}, infilling={"model": "x"})
    assert section.maker("infilling").options == InfillingConfig(model="x")
    assert "infilling" in section.identity()
    assert "infilling" not in SynthesizeConfig().identity()
    SynthesizeConfig(weights={"substitution": 1}, gate={"round_trip": 0.5}, translation={})


def test_settings_that_name_other_makers_leave_their_sections_behind() -> None:
    config = read(weights={"infilling": 1}, infilling={"share": 0.3})
    other = config.with_settings({"synthesize.weights": {"substitution": 1}})
    assert "infilling" not in other.synthesize.identity()
    more = config.with_settings({"synthesize.infilling.topk": 5}).synthesize.maker("infilling")
    assert (more.options.share, more.options.topk) == (0.3, 5)


def test_the_json_schema_knows_the_sections() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    check = jsonschema.Draft202012Validator(MODEL.model_json_schema())

    def fits(**section: Any) -> bool:
        return bool(check.is_valid({"name": "t", "synthesize": section}))

    assert fits(weights={"infilling": 1}, infilling={"share": 0.3})
    assert not fits(weights={"infiling": 1}) and not fits(infilling={"shar": 1})


@pytest.mark.parametrize("name", list(MAKERS))
def test_every_maker_says_what_it_is_and_what_its_options_are(name: str) -> None:
    kind = MAKERS[name]
    assert 10 < len(kind.about) < 90 and "\n" not in kind.about
    assert all(f.description for f in kind.Options.model_fields.values())


@pytest.mark.parametrize("name", list(shipped_configs()))
def test_the_shipped_configs_are_read(name: str) -> None:
    load_config(name, model=MODEL)


def test_what_is_wrong_in_a_section_is_told_once() -> None:
    with pytest.raises(ValidationError) as caught:
        SynthesizeConfig(translation={"beam_size": 2})
    assert [error["loc"] for error in caught.value.errors()] == [("translation",)]
