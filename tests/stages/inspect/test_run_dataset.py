"""What a run has made, as a data set that ``datasets`` opens and the hub takes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.artifacts import RunFolder
from pipeline.errors import ConfigError
from pipeline.stage import Ref
from stages.inspect.run_dataset import export_dataset, push_dataset
from tests.stages.predict.toys import make_runner
from tests.stages.train.toys import write_corpus
from tests.tiny.encoders import build_family


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    bert = build_family("bert", tmp_path_factory.mktemp("families"))
    stages = ["prepare", "translate", "align", "project", "synthesize"]
    synthesize = {"sentences": 10, "weights": {"translation": 1}}
    runner = make_runner(folder, bert, arms=[], stages=stages, synthesize=synthesize)
    runner.run()
    return runner.folder


def test_datasets_opens_it_with_its_features(run: RunFolder, tmp_path: Path) -> None:
    from datasets import load_dataset

    counts = export_dataset(run, tmp_path / "d")
    assert set(counts) == {"de/projected", "sw/projected", "de/synthetic", "sw/synthetic"}
    found: Any = load_dataset(str(tmp_path / "d"), "de", cache_dir=str(tmp_path / "cache"))
    assert set(found) == {"projected", "synthetic"}
    split = found["projected"]
    assert len(split) == counts["de/projected"]
    names = split.features["ner_tags"].feature.names
    assert names == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    stored = run.artifact(Ref("project", "de"))
    assert stored is not None
    rows = [r for r in stored.rows() if r["kept"] and r["words"]]
    assert [r["id"] for r in split] == [r["id"] for r in rows]
    for ours, theirs in zip(split, rows, strict=True):
        kept = [s for s in theirs["spans"] if s["kept"]]
        assert ours["tokens"] == theirs["words"] and len(ours["spans"]) == len(kept)
        for span in kept:
            assert names[ours["ner_tags"][span["start"]]] == f"B-{span['type']}"
        assert ours["source_tokens"] == theirs["source_words"]


def test_the_card_says_how_it_was_made_and_what_was_left_out(
    run: RunFolder, tmp_path: Path
) -> None:
    export_dataset(run, tmp_path / "d")
    card = (tmp_path / "d" / "README.md").read_text()
    stored = run.artifact(Ref("project", "de"))
    assert stored is not None
    dropped = stored.manifest.drops["rows"]
    assert dropped and all(f"{reason} {count:,}" in card for reason, count in dropped.items())
    assert "method `span`" in card and "- de, `project`:" in card and "## Licences" in card
    with pytest.raises(ConfigError, match="holds something already"):
        export_dataset(run, tmp_path / "d")


def test_it_is_pushed(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []

    class Api:
        def create_repo(self, name: str, **options: Any) -> None:
            calls.append((name, options))

        def upload_folder(self, **options: Any) -> Any:
            calls.append(("upload", options))
            return SimpleNamespace(commit_url="https://hub/commit")

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    assert push_dataset(tmp_path, "me/silver", private=True) == "https://hub/commit"
    assert calls == [
        ("me/silver", {"repo_type": "dataset", "private": True, "exist_ok": True}),
        ("upload", {"repo_id": "me/silver", "repo_type": "dataset", "folder_path": str(tmp_path)}),
    ]
