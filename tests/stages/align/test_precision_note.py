"""The manifest of alignments says in which precision an encoder was computed on this machine."""

from __future__ import annotations

import pytest

from pipeline.registry import Registry
from stages import machine
from stages.registry import STAGES
from xlner.api import load_config


@pytest.mark.parametrize(
    ("options", "has", "told"),
    [
        ([], True, "bfloat16"),
        ([], False, "float32"),
        (["align.dtype=float32"], True, "float32"),
        (["align.dtype=int8", "align.device=cpu"], True, "int8"),
        (["align.aligner=statistical"], True, None),
    ],
)
def test_the_precision_of_this_machine(
    options: list[str], has: bool, told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "has_bfloat16", lambda device: has)
    registry: Registry = STAGES
    stage = registry["align"]
    config = load_config("default", options)
    (task,) = [t for t in stage.tasks(config) if t.unit == "de"]
    found = stage.facts(config, task)  # type: ignore[attr-defined]
    assert found == ({} if told is None else {"precision": told})
