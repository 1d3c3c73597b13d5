"""Locating models by local folder or hub id, without loading them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import ModelError
from pipeline.models import locate

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def checkpoint(folder: Path, weights: str | None = "model.safetensors") -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    if weights:
        (folder / weights).write_bytes(b"weights")
    return folder


def hub_cache(home: Path, name: str) -> Path:
    """Lay out a hub cache as huggingface_hub does."""
    repo = home / "hub" / f"models--{name.replace('/', '--')}"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    return checkpoint(repo / "snapshots" / COMMIT)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path


def test_a_local_folder(tmp_path: Path) -> None:
    source = locate(str(checkpoint(tmp_path / "model")))
    assert source.path == tmp_path / "model"
    assert source.config == {"model_type": "bert"}
    assert source.identity == tmp_path / "model"
    source.require_weights()


def test_a_folder_relative_to_the_config(tmp_path: Path) -> None:
    checkpoint(tmp_path / "models" / "mine")
    assert locate("models/mine", tmp_path).path == tmp_path / "models" / "mine"


def test_a_folder_without_weights(tmp_path: Path) -> None:
    source = locate(str(checkpoint(tmp_path / "model", weights=None)))
    with pytest.raises(ModelError, match=r"model: a model folder without weights \(looked for "):
        source.require_weights()


def test_a_folder_without_config_or_with_a_broken_one(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(ModelError, match="no config.json: not a checkpoint folder"):
        _ = locate(str(tmp_path / "model")).config
    (tmp_path / "model" / "config.json").write_text("{")
    with pytest.raises(ModelError, match="config.json: not valid JSON"):
        _ = locate(str(tmp_path / "model")).config


def test_a_missing_folder_is_not_taken_for_a_hub_id(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="model folder not found: .*no/such/model"):
        locate("no/such/model", tmp_path)


def test_a_broken_link_or_a_file_is_not_taken_for_a_hub_id(tmp_path: Path) -> None:
    (tmp_path / "mine").symlink_to("gone")
    with pytest.raises(ModelError, match="model folder not found: .*mine is a link to gone$"):
        locate("mine", tmp_path)
    (tmp_path / "gone").touch()
    for name in ("mine", "gone"):
        with pytest.raises(ModelError, match=f"is a file, not a model folder: .*{name}$"):
            locate(name, tmp_path)


@pytest.mark.parametrize("name", ["bert-base-multilingual-cased", "Helsinki-NLP/opus-mt-en-de"])
def test_a_hub_id_in_the_local_cache(hub: Path, name: str) -> None:
    folder = hub_cache(hub, name)
    source = locate(name)
    assert source.path == folder
    assert source.download() == folder


def test_a_hub_id_that_is_not_there(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = locate("facebook/nllb-200-distilled-600M")
    assert source.path is None
    assert source.config is None
    assert source.identity == "hub:facebook/nllb-200-distilled-600M"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    told = (
        "neither a local folder nor in the local hub cache, .* while HF_HUB_OFFLINE is set; unset"
    )
    with pytest.raises(ModelError, match=told):
        source.download()
