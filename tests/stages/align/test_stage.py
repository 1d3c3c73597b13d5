"""The stage: its rows, its reasons, and what it finds wrong before any weight is loaded."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import RunConfig, config_model
from pipeline.schema import table
from pipeline.stage import Part, Problem
from stages.align import STAGE
from stages.align.build import NOTHING
from stages.align.config import AlignConfig
from stages.align.worker import AlignWorker
from stages.experiment import Experiment
from stages.translate.config import TranslateConfig
from stages.translate.worker import translation_row


def run_config(encoder: Path | str, **align: Any) -> RunConfig:
    model = config_model({"align": AlignConfig, "translate": TranslateConfig}, Experiment)
    return model.model_validate(
        {
            "name": "t",
            "languages": ["de", "sw"],
            "models": {"encoder": str(encoder), "translator": "no/such/folder/here"},
            "align": align,
        }
    )


def rows(pairs: list[tuple[list[str], list[str], str | None]]) -> Any:
    made = []
    for i, (source, target, reason) in enumerate(pairs):
        row = {"id": f"s-{i}", "words": source, "spans": []}
        made.append(
            translation_row(row, "en", "de", text="", words=target, score=None, reason=reason)
        )
    return table("translations", made)


def problems(config: RunConfig) -> list[Problem]:
    return list(dict.fromkeys(STAGE.check(config, STAGE.tasks(config))))


def worker(config: RunConfig) -> AlignWorker:
    factory = STAGE.worker(config, STAGE.tasks(config)[0], {"collected": NOTHING})
    built = pickle.loads(pickle.dumps(factory))()
    assert isinstance(built, AlignWorker)
    return built


def test_a_row_for_every_translation_with_its_reason(bert: Path) -> None:
    data = rows(
        [
            (["Der", "Kaba"], ["kaba", "der"], None),
            (["a", "b"], [], "empty_translation"),
            ([], [], "empty_source"),
            (["\u200b"], ["a"], None),
            (["ba"], ["ba"], None),
        ]
    )
    told: list[int] = []
    out = worker(run_config(bert, aligner="simalign"))(
        {"translations": data}, Part(0, 1, told.append)
    )
    assert out.column("id").to_pylist() == [f"s-{i}" for i in range(5)]
    assert out.column("reason").to_pylist() == [
        None, "empty_translation", "empty_source", "unaligned", None,
    ]  # fmt: skip
    links = out.column("links").to_pylist()
    assert [bool(found) for found in links] == [True, False, False, False, True]
    assert [(k["source"], k["target"]) for k in links[4]] == [(0, 0)]
    assert set(out.column("aligner").to_pylist()) == {"simalign-inter"}
    assert out.column("lang").to_pylist() == ["de"] * 5
    assert sum(told) == 5


def test_one_task_per_translated_unit(bert: Path) -> None:
    tasks = STAGE.tasks(run_config(bert))
    assert [t.unit for t in tasks] == ["de", "sw"]
    assert [str(t.inputs["translations"]) for t in tasks] == ["translate/de", "translate/sw"]
    assert tasks[0].options["members"][0]["aligner"]


def test_a_layer_that_does_not_exist_is_found_without_weights(tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"num_hidden_layers": 12}))
    (folder / "model.safetensors").write_bytes(b"not weights at all")
    found = problems(run_config(folder, aligner="simalign", layer=13))
    assert [str(p) for p in found] == [
        f"align.layer: layer 13 does not exist: {folder} has 12 layers; "
        "allowed: 0 (the embeddings) to 12"
    ]
    assert not problems(run_config(folder, aligner="simalign", layer=12))


def test_a_folder_without_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"num_hidden_layers": 12}))
    (problem,) = problems(run_config(tmp_path, aligner="softmax"))
    assert problem.key == "models.encoder" and "without weights" in problem.message


def test_a_missing_model_is_named_by_its_key(tmp_path: Path) -> None:
    config = run_config(tmp_path, aligner="simalign", model=str(tmp_path / "missing"))
    (problem,) = problems(config)
    assert problem.key == "align.model" and "not found" in problem.message


def test_int8_on_a_gpu(bert: Path) -> None:
    (problem,) = problems(run_config(bert, aligner="simalign", dtype="int8", device="cuda"))
    assert problem.key == "align.dtype"


def test_members_of_an_ensemble_are_checked_one_by_one(bert: Path) -> None:
    config = run_config(
        bert,
        aligner="ensemble",
        members=[{"aligner": "simalign"}, {"aligner": "softmax", "layer": 7}],
    )
    (problem,) = problems(config)
    assert problem.key == "align.members.1.layer"


def test_options_that_contradict_each_other() -> None:
    with pytest.raises(ValueError, match="members\n  Field required"):
        AlignConfig(aligner="ensemble")
    with pytest.raises(ValueError, match="no such key; the one that has it: ensemble"):
        AlignConfig.model_validate({"aligner": "simalign", "members": [{"aligner": "softmax"}]})


def test_the_stage_imports_no_heavy_library() -> None:
    code = "import sys, stages.align; print({'torch', 'transformers', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_missing_parallel_text_is_found_before_anything_runs(bert: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.tsv"
    there.write_text("a\tb\n")
    sources = [
        {"path": str(path), "format": "tsv", "languages": ["en", "de"]}
        for path in (there, tmp_path / "missing.tsv")
    ]
    (problem,) = problems(run_config(bert, aligner="statistical", parallel=sources))
    assert problem.key == "align.parallel.1" and "missing.tsv: no such file" in problem.message
