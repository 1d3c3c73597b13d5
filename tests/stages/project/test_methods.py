"""Each projection method has its own options; a key that would do nothing is refused."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from pipeline.config import parse_config
from pipeline.errors import ConfigError
from stages.project.config import ProjectConfig, method_of
from stages.project.methods import METHODS
from stages.registry import STAGES

MODEL = STAGES.config_type()


def message(**section: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config({"name": "t", "project": section}, model=MODEL)
    return str(caught.value)


def test_a_key_that_does_nothing_is_refused_with_the_methods_that_have_it() -> None:
    found = message(method="span", weights="x.json")
    assert (
        "project.weights: method 'span' has no such key; those that have it: candidates, markers"
        in found
    )
    found = message(method="ensemble", members=[{"method": "span", "solver": "exact"}, "published"])
    assert "project.members.0.solver: method 'span' has no such key" in found
    found = message(method="ensemble", members=["span", "ensemble"])
    assert "project.members.1.method: 'ensemble' is not allowed" in found
    assert "weights" not in ProjectConfig(method="span").identity()


def test_options_beside_the_members_of_an_ensemble_are_read_for_one_release(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        old = ProjectConfig(method="ensemble", members=["candidates", "span"], solver="greedy")
    shown = caplog.text.partition("members: ")[2].strip()
    assert json.loads(shown) == [{"method": "candidates", "solver": "greedy"}, {"method": "span"}]
    caplog.clear()
    assert ProjectConfig(method="ensemble", members=json.loads(shown)) == old
    assert not caplog.text
    assert "solver: those that have it" not in message(
        method="ensemble", members=["span"], solver="greedy"
    )


def test_what_is_done_once_for_a_corpus_goes_for_all_members() -> None:
    members = [{"method": "candidates", "weights": "x"}, {"method": "markers"}]
    assert "weights goes for all members" in message(method="ensemble", members=members)
    plain = method_of(ProjectConfig(method="ensemble", members=["span", "merged_runs"]))
    assert not plain.first_pass
    assert method_of(ProjectConfig(method="ensemble")).first_pass


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_says_what_it_is_and_what_its_options_are(name: str) -> None:
    kind = METHODS[name]
    assert 10 < len(kind.about) < 90 and "\n" not in kind.about
    assert all(f.description for f in kind.Options.model_fields.values())
    method = method_of(ProjectConfig(method=name))
    assert (name in ("candidates", "markers", "ensemble")) == method.first_pass
