"""``run_pipeline init``: the config that it writes says what the folder holds, and loads."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pipeline.errors import ConfigError, DataError
from pipeline.scaffold import look_into, write_config


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("Berlin B-LOC\n")


def test_splits_and_languages_are_told_from_names(tmp_path: Path) -> None:
    touch(tmp_path, "en/train.txt", "dev.en.conll", "masakha/swa/test.txt", "de-test.tsv", "x.txt")
    touch(tmp_path, "README.txt", ".hidden/de/test.txt")
    found = look_into(tmp_path)
    assert found.files == {
        ("train", "en"): "en/train.txt",
        ("dev", "en"): "dev.en.conll",
        ("test", "sw"): "masakha/swa/test.txt",
        ("test", "de"): "de-test.tsv",
    }
    assert found.unclear == ["x.txt"]


def test_the_config_is_valid_and_complete(tmp_path: Path) -> None:
    touch(tmp_path, "train.txt", "de/train.txt", "de/test: final.txt", "yor/test.txt", "odd.txt")
    path = write_config(tmp_path)
    raw = yaml.safe_load(path.read_text())
    assert raw["languages"] == ["de", "yo"]
    assert raw["data"]["train"] == {"path": "train.txt"}
    assert raw["data"]["target_train"] == {"de": {"path": "de/train.txt"}}
    assert raw["data"]["test"]["yo"] == {"path": "yor/test.txt"}
    assert raw["arms"][-1] == "supervised"
    assert "#   odd.txt" in path.read_text()


def test_an_empty_folder_gives_a_config_to_fill_in(tmp_path: Path) -> None:
    raw = yaml.safe_load(write_config(tmp_path).read_text())
    assert raw["languages"] == []
    assert raw["data"] is None


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write_config(tmp_path)
    with pytest.raises(ConfigError, match="exists already"):
        write_config(tmp_path)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="folder not found"):
        write_config(tmp_path / "no")
