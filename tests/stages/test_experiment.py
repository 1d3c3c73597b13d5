"""The run-wide keys that know the arms."""

from __future__ import annotations

import pytest

from pipeline.errors import ConfigError
from xlner.api import parse_config


def test_an_unknown_arm_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"arms: unknown arm 'fussed' \(did you mean 'fused'\?\)"):
        parse_config({"name": "t", "arms": ["fussed"]})


def test_an_arm_named_twice() -> None:
    with pytest.raises(ConfigError, match="an arm is named twice"):
        parse_config({"name": "t", "arms": ["fused", "fused"]})
