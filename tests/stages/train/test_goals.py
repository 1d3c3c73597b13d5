"""What a run is for: its taggers and its report, and nothing beyond."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xlner.api import Runner, load_config

ROWS = "Anna B-PER\nvisited O\nOslo B-LOC\n. O\n\n"


def planned(folder: Path, **keys: Any) -> list[str]:
    import json

    for name in ("train.en.conll", "test.de.conll", "de.conll"):
        (folder / name).write_text(ROWS, encoding="utf-8")
    raw: dict[str, Any] = {
        "name": "zs",
        "languages": ["hy"],
        "data": {"train": {"path": "train.en.conll"}, "dev": {"path": "train.en.conll"}},
        "arms": ["zero_shot", "fused"],
    }
    path = folder / "c.yaml"
    path.write_text(json.dumps(raw | keys), encoding="utf-8")
    runner = Runner(load_config(str(path)), folder / "runs")
    tasks = runner.tasks()
    runner.check(tasks)
    return [str(t.ref) for t in tasks]


def test_zero_shot_without_test_data_is_training_and_nothing_else(tmp_path: Path) -> None:
    """No translator is asked for a language that it does not know."""
    assert planned(tmp_path) == [
        "prepare/train/en",
        "prepare/dev/en",
        "train/zero_shot/seed-13",
        "train/fused/seed-13",
    ]


@pytest.mark.parametrize("arms", [["projected"], ["zero_shot", "projected_fused"]])
def test_what_an_arm_is_trained_on_is_made(tmp_path: Path, arms: list[str]) -> None:
    found = planned(tmp_path, languages=["de"], arms=arms)
    assert "project/de" in found and f"train/{arms[-1]}/seed-13" in found
    assert not any(ref.startswith("synthesize") for ref in found)


def test_with_parallel_text_but_no_test_data_the_arms_are_trained_too(tmp_path: Path) -> None:
    found = planned(
        tmp_path,
        languages=["de"],
        arms=["zero_shot", "projected"],
        data={
            "train": {"path": "train.en.conll"},
            "dev": {"path": "train.en.conll"},
            "parallel": {"de": {"path": "de.conll"}},
        },
    )
    assert {"report/all", "train/zero_shot/seed-13", "train/projected/seed-13"} <= set(found)


def test_without_arms_everything_is_made_that_nothing_else_reads(tmp_path: Path) -> None:
    found = planned(tmp_path, languages=["de"], arms=[])
    assert "project/de" in found and not any(ref.startswith("train/") for ref in found)
