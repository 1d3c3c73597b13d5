"""Both model-making stages, run by the runner from a configuration file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.errors import ConfigError
from tests.model_recipes.shared.toy_text import toy_corpus
from xlner.api import Runner, load_config


def write_config(folder: Path) -> Path:
    corpus = toy_corpus(folder).model_dump(mode="json")
    loop = {"max_steps": 4, "device": "cpu", "precision": "fp32", "threads": 1}
    shape = {"width": 16, "heads": 2, "feed_forward": 16, "max_positions": 64}
    path = folder / "tiny.yaml"
    sections = {
        "stages": ["train_translator", "pretrain_encoder"],
        "train_translator": {
            "corpus": corpus,
            "subwords": 320,
            "shape": {**shape, "encoder_layers": 1},
            "max_subwords": 40,
            "shard_examples": 100,
            "loop": loop,
        },
        "pretrain_encoder": {
            "corpus": corpus,
            "subwords": 420,
            "shape": {**shape, "layers": 2},
            "objective": {"alignment_layer": 1},
            "max_subwords": 40,
            "shard_examples": 100,
            "loop": loop,
        },
    }
    path.write_text(yaml.safe_dump(sections), encoding="utf-8")
    return path


def test_both_stages_run_and_are_then_up_to_date(tmp_path: Path) -> None:
    config = load_config(str(write_config(tmp_path)))
    result = Runner(config, tmp_path / "runs").run()
    assert {str(step.task.ref) for step in result.steps} == {
        "train_translator/all",
        "pretrain_encoder/all",
    }
    for artifact in result.done:
        assert (artifact.folder / "model.safetensors").is_file()
        assert (artifact.folder / "README.md").is_file()
        assert artifact.manifest.notes["steps"] == 4
        assert artifact.manifest.notes["hardware"]
    again = Runner(load_config(str(tmp_path / "tiny.yaml")), tmp_path / "runs").run()
    assert {step.state for step in again.steps} == {"up to date"}


def test_every_text_that_is_read_is_in_the_fingerprint(tmp_path: Path) -> None:
    sets = []
    for stage in ("train_translator", "pretrain_encoder"):
        for kind in ("monolingual", "evaluation"):
            (tmp_path / f"{kind}.txt").write_text("Ein Satz.\n", encoding="utf-8")
            source = {"path": str(tmp_path / f"{kind}.txt"), "format": "text", "languages": ["de"]}
            given = yaml.safe_dump([source], default_flow_style=True)
            sets.append(f"{stage}.corpus.{kind}={given}")
    config = load_config(str(write_config(tmp_path)), sets)
    runner = Runner(config, tmp_path / "runs")
    read = {tmp_path / name for name in ("en-de.tsv", "monolingual.txt", "evaluation.txt")}
    for task in runner.tasks():
        assert read <= set(runner.registry[task.stage].files(config, task).values())


def test_what_is_wrong_is_found_before_anything_is_trained(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    (tmp_path / "en-de.tsv").unlink()
    runner = Runner(load_config(str(path)), tmp_path / "runs")
    with pytest.raises(ConfigError) as error:
        runner.run()
    text = str(error.value)
    assert "train_translator.corpus.parallel[0].path: file not found" in text
    assert "pretrain_encoder.corpus.parallel[0].path: file not found" in text
    runner = Runner(
        load_config(str(path), ["train_translator.corpus.parallel=[]"]), tmp_path / "runs"
    )
    with pytest.raises(ConfigError, match="name at least one file of pairs"):
        runner.run()


def test_the_stages_import_without_heavy_libraries() -> None:
    code = (
        "import sys, model_recipes.translator, model_recipes.encoder\n"
        "heavy = {'torch', 'transformers', 'ctranslate2', 'sentencepiece'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, timeout=60)
