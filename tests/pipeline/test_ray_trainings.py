"""Trainings side by side on a Ray cluster of two nodes of one processor each."""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.config import parse_config
from pipeline.errors import XlnerError
from pipeline.progress import Progress
from tests.pipeline.probes import PROBES
from tests.pipeline.test_ray_engine import apart, cluster, connected
from tests.pipeline.test_side_by_side import pids, seen
from xlner.api import Runner

pytestmark = pytest.mark.slow
__all__ = ["apart", "cluster", "connected"]


def training(
    place: Path, does: dict[str, str], shown: io.StringIO | None = None, **keys: Any
) -> Runner:
    (place / "marks").mkdir(exist_ok=True)
    probe = {"marks": str(place / "marks"), "does": does, "kind": "model"}
    raw = {"name": "probes", "engine": "ray", "threads": 1, "probe": probe, **keys}
    config = parse_config(raw, model=PROBES.config_type())
    progress = Progress(Console(file=shown or io.StringIO(), width=200))
    return Runner(config, place / "runs", progress, PROBES)


def test_two_trainings_are_under_way_at_the_same_time(
    connected: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shown = io.StringIO()
    does = {"a": "meet b", "b": "meet a", "c": "warn"}
    with caplog.at_level(logging.WARNING, "stages"):
        result = training(tmp_path, does, shown).run()
    assert len(result.done) == 4
    found = pids(tmp_path)
    assert len({*found.values(), os.getpid()}) == 4
    assert {s["OMP_NUM_THREADS"] for s in seen(tmp_path).values()} == {"1"}
    assert "c warns" in caplog.text
    assert "probe/a (1 of 4: no output yet)" in shown.getvalue()


def test_one_job_trains_in_this_process(connected: None, tmp_path: Path) -> None:
    training(tmp_path, {"a": "sleep 0", "b": "sleep 0"}, jobs=1).run()
    assert set(pids(tmp_path).values()) == {os.getpid()}


def test_a_training_whose_process_was_killed_is_tried_once_more(
    connected: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = training(tmp_path, {"a": "die 1", "b": "sleep 0"}).run()
    assert len(result.done) == 3
    assert "probe/a: its process died (" in caplog.text
    assert {"a.0", "a.1", "b.0"} == set(pids(tmp_path))
    assert not list((tmp_path / "runs").rglob("*.tmp"))


def test_the_error_of_a_training_is_raised_as_it_is(connected: None, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a is bad") as error:
        training(tmp_path, {"a": "fail b", "b": "sleep 0.5"}).run()
    assert "in probe/a" in error.value.__notes__
    assert (tmp_path / "runs/probes/probe/b/seen.json").exists()


def test_a_training_that_no_node_can_take_is_an_error(connected: None, tmp_path: Path) -> None:
    runner = training(tmp_path, {"a": "sleep 0", "b": "sleep 0"}, ray={"cpus_per_training": 3})
    with pytest.raises(XlnerError, match="no node of the Ray cluster can take a training, which"):
        runner.run()
