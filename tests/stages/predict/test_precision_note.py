"""The manifest of predictions says in which precision they were computed on this machine."""

from __future__ import annotations

import pytest

from pipeline.registry import Registry
from stages import machine
from stages.registry import STAGES
from xlner.api import load_config


@pytest.mark.parametrize(
    ("dtype", "has", "told"),
    [
        ("auto", True, "bfloat16"),
        ("auto", False, "float32"),
        ("float32", True, "float32"),
        ("bfloat16", False, "bfloat16"),
    ],
)
def test_the_precision_of_this_machine(
    dtype: str, has: bool, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "has_bfloat16", lambda device: has)
    registry: Registry = STAGES
    stage = registry["predict"]
    config = load_config("default", [f"predict.dtype={dtype}", "arms=[fused, translate_test]"])
    found = {t.unit: stage.facts(config, t) for t in stage.tasks(config)}  # type: ignore[attr-defined]
    assert found["fused/seed-13/test/de"] == {"precision": told}
    assert found["translate_test/seed-13/test/de"] == {}
