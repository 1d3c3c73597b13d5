"""``run_pipeline list``: the state of a run, and its result in a few words."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pytest

from pipeline.listing import describe_runs
from stages.report import STAGE
from tests.stages.inspect.fake_run import write_run
from tests.stages.inspect.stage_run import evaluated, make_config, run_stage


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    setting: dict[str, Any] = {"languages": ["de"], "seeds": [13]}
    for name in ("done", "half"):
        run = write_run(tmp_path, name=name, sentences=20, tests=20, **setting)
        evaluated(run, **setting)
    run_stage(STAGE, make_config(report={"html": False}, **setting), tmp_path / "done")
    (tmp_path / "no run").mkdir()
    return tmp_path


def listed(runs: Path) -> dict[str, dict[str, Any]]:
    return {r["run"]: r for r in describe_runs(runs)}


def test_complete_and_partial(runs: Path) -> None:
    found = listed(runs)
    assert set(found) == {"done", "half"}
    assert (found["done"]["state"], found["half"]["state"]) == ("complete", "partial")
    assert found["done"]["headline"].startswith("self_trained F1 ")
    assert found["half"]["headline"] == ""
    assert found["done"]["tasks"] == found["half"]["tasks"] + 1
    assert found["done"]["changed"] == "2026-01-01 00:00"


def test_interrupted_and_running(runs: Path) -> None:
    (runs / "half" / "train" / "fused.partial").mkdir(parents=True)
    assert listed(runs)["half"]["state"] == "interrupted"
    with (runs / "half" / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert listed(runs)["half"]["state"] == "running"
    assert listed(runs)["half"]["state"] == "interrupted"


def test_a_damaged_manifest_hides_no_other_run(runs: Path) -> None:
    path = runs / "half" / "evaluate" / "all" / "_manifest.json"
    path.write_text("{")
    found = listed(runs)
    assert found["done"]["state"] == "complete"
    assert found["half"]["state"] == "damaged"
    assert "run_pipeline with its config" in found["half"]["headline"]


def test_an_empty_folder(tmp_path: Path) -> None:
    assert describe_runs(tmp_path) == describe_runs(tmp_path / "not there") == []
