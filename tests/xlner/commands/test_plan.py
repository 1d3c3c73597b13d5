"""What ``--dry-run`` says about places and times."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from pipeline import capacity
from pipeline.estimates import Estimates
from pipeline.runner import Runner
from stages.registry import STAGES as REGISTRY
from tests.pipeline.test_runner import make_runner
from xlner.api import parse_config
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
    assert "GPU 0  0:00:00  3 s    prepare/train/en" in told
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


def test_models_of_the_hub_are_no_corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "en").write_text("Ann B-PER\nslept O\n", encoding="utf-8")
    models = {"encoder": "some/encoder", "translator": "Helsinki-NLP/opus-mt-{source}-{target}"}

    def seconds(train: dict[str, str]) -> dict[str, float]:
        config = parse_config(
            {
                "name": "t",
                "languages": ["de"],
                "arms": ["zero_shot", "projected"],
                "data": {"train": train},
                "models": models,
                "train": {"select": "last"},
            }
        )
        runner = Runner(config, tmp_path / "runs", None, REGISTRY)
        found = Estimates(runner, runner.plan(runner.tasks())).seconds
        return {str(ref): time for ref, time in found.items()}

    here = seconds({"path": str(tmp_path / "en")})
    assert here["translate/de"] < 5 and here["train/projected/seed-13"] < 10
    there = seconds({"hub": "some/corpus"})  # of which nothing is known
    assert there["translate/de"] > 60 and there["train/projected/seed-13"] > 600
