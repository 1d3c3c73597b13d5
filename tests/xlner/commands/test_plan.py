"""What ``--dry-run`` says about places and times."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from pipeline import capacity
from tests.pipeline.test_runner import make_runner
from xlner.commands.plan import Placed, places_json, show_places


def shown(placed: Placed) -> str:
    text = io.StringIO()
    show_places(placed, Console(file=text, width=120))
    return text.getvalue()


def test_gpus_that_are_not_here_can_be_planned_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    runner = make_runner(tmp_path, devices=2, languages=["de", "es", "fr"])
    placed = Placed(runner, runner.plan(runner.tasks()))
    assert placed.names == ["GPU 0", "GPU 1"]
    by_place = {str(ref): entry["place"] for ref, entry in places_json(placed).items()}
    assert sorted(by_place) == [
        "align/de",
        "align/es",
        "align/fr",
        "prepare/train/en",
        "report/all",
    ]
    assert {by_place[f"align/{lang}"] for lang in ("de", "es", "fr")} == {"GPU 0", "GPU 1"}
    told = shown(placed)
    assert "GPU 0  0:00:00  2 s    prepare/train/en" in told
    assert "side by side: 2 at most, 1." in told
    assert "(5 by the sizes of data and models, to an order of magnitude)" in told


def test_times_are_those_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    make_runner(tmp_path).run()
    again = make_runner(tmp_path, align={"offset": 0}, name="other", jobs=1)
    told = shown(Placed(again, again.plan(again.tasks())))
    assert re.fullmatch(r"expected time: \d+ s \(4 tasks by what such took before\)", told.strip())


def test_nothing_is_said_where_nothing_is_to_do(tmp_path: Path) -> None:
    make_runner(tmp_path).run()
    again = make_runner(tmp_path)
    placed = Placed(again, again.plan(again.tasks()))
    assert shown(placed) == "" and places_json(placed) == {}


def test_more_jobs_than_gpus_share_them_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "visible_devices", lambda: ["0", "1"])
    runner = make_runner(tmp_path, jobs=4)
    placed = Placed(runner, runner.plan(runner.tasks()))
    assert placed.names == ["GPU 0", "GPU 1", "GPU 0", "GPU 1"]
