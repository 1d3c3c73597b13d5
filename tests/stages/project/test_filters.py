"""Filters are kinds whose keys stand side by side in one section."""

from __future__ import annotations

import pickle

import pytest
from pydantic import ValidationError

from stages.project import STAGE
from stages.project.config import FilterConfig, PairFilters, ProjectConfig
from stages.project.filters import FILTERS


def test_the_section_has_the_keys_of_all_filters() -> None:
    found = FilterConfig.model_validate({"comp_source": True, "pairs": {"max_copied": None}})
    assert list(found.kinds) == ["low_score", "comp_source"] and found.needs_links
    assert found.pairs is not None and "copied" not in found.pairs.kinds
    dumped = found.model_dump()
    assert FilterConfig.model_validate(dumped) == found
    assert dumped["min_score"] == 0.2 and dumped["pairs"]["max_lost_names"] == 0.8
    assert found.model_dump(exclude_unset=True) == {
        "comp_source": True,
        "pairs": {"max_copied": None},
    }
    assert pickle.loads(pickle.dumps(found)) == found
    assert found.model_copy(update={"comp_source": False}).needs_links is False


def test_what_is_wrong_is_said_with_what_is_meant() -> None:
    with pytest.raises(ValidationError) as caught:
        ProjectConfig.model_validate(
            {"filters": {"min_scor": 0.5, "comp_source": 7, "pairs": {"max_copied": 2}}}
        )
    says = {".".join(map(str, e["loc"])): e["msg"] for e in caught.value.errors()}
    assert "did you mean 'min_score'" in says["filters.min_scor"]
    assert says.keys() == {"filters.min_scor", "filters.comp_source", "filters.pairs.max_copied"}


@pytest.mark.parametrize("name", FILTERS.own)
def test_every_filter_says_why_and_can_be_off(name: str) -> None:
    kind = FILTERS[name]
    assert STAGE.reasons[kind.reason] == kind.says and kind.about
    for key, field in kind.Options.model_fields.items():
        assert field.description, key
        off = None if field.default is not False else False
        if name != "low_score":
            assert not kind(kind.Options.model_validate({key: off})).on


def test_parts_of_a_section() -> None:
    found = FilterConfig.model_validate(
        {"min_score": 0.4, "comp_target": True, "require_all": True, "restrict_target": True}
    )
    assert list(found.spans_only().kinds) == ["low_score", "restrict_target"]
    assert found.spans_only().pairs is None
    assert list(found.without_links().kinds) == ["low_score", "restrict_target", "require_all"]
    assert found.without_links().pairs == found.pairs


def test_the_schema_names_every_key() -> None:
    properties = FilterConfig.model_json_schema()["properties"]
    assert {"min_score", "comp_target", "pairs"} <= properties.keys()
    assert "max_copied" in PairFilters.model_json_schema()["properties"]
