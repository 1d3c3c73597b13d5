"""Inputs are found by what they are."""

from __future__ import annotations

import pytest

from pipeline.errors import XlnerError
from pipeline.inputs import Inputs

FOUND = Inputs(
    {
        "train": 1,
        "projected/de": 2,
        "projected/sw": 3,
        "teacher/fused": 4,
        "teacher/mine/de": 5,
        "predicted/test/de/fused/13": 6,
    }
)


def test_by_name_step_by_step() -> None:
    assert FOUND.one("train") == 1
    assert FOUND.one("predicted", "test", "de", "fused", 13) == 6
    assert FOUND.maybe("projected", "fr") is None
    with pytest.raises(XlnerError, match="no input 'projected/fr'; there are: train, projected/de"):
        FOUND.one("projected", "fr")


def test_several() -> None:
    assert FOUND.by_lang("projected") == {"de": 2, "sw": 3}
    assert FOUND.by_lang("train") == {}
    assert FOUND.all("teacher") == {("fused",): 4, ("mine", "de"): 5}
    assert FOUND.all("train") == {(): 1}
    assert FOUND.all("predicted", "test", "de") == {("fused", "13"): 6}
    assert FOUND.all("project") == {}
    assert list(FOUND.only("teacher", "train")) == ["train", "teacher/fused", "teacher/mine/de"]
