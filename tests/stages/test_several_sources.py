"""Several source languages: what is planned, what is told, and a run from end to end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.artifacts import Artifact, RunFolder
from pipeline.config import parse_config
from pipeline.errors import ConfigError
from pipeline.resources import shipped_root
from pipeline.stage import Task
from stages.experiment import Experiment
from stages.registry import STAGES
from tests.reliability.tiny_run import build_models, write_config

SAMPLE = shipped_root() / "artifacts" / "sample"
PARALLEL = {"es": {"path": "es.conll"}}


def parse(**values: Any) -> Experiment:
    values = {
        "name": "x",
        "source": ["en", "de"],
        "languages": ["es", "nl"],
        "data": {"train": {"path": "{lang}.conll"}, "dev": {"path": "{lang}.dev.conll"}},
        **values,
    }
    config = parse_config(values, model=STAGES.config_type())
    assert isinstance(config, Experiment)
    return config


def tasks(config: Experiment, stage: str) -> dict[str, Task]:
    return {t.unit: t for t in STAGES[stage].tasks(config)}


def inputs(task: Task) -> dict[str, str]:
    return {name: f"{ref.stage}/{ref.unit}" for name, ref in task.inputs.items()}


def test_a_list_of_sources() -> None:
    config = parse()
    assert (config.source, config.sources) == ("en", ["en", "de"])
    again = parse_config(config.model_dump(mode="json"), model=STAGES.config_type())
    assert again.sources == config.sources
    assert parse(source="en", data={}).sources == ["en"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"source": ["en", "en"]}, "a source language is named twice: en, en"),
        ({"source": []}, "name at least one language"),
        ({"languages": ["de", "es"]}, "languages: de is a source language too"),
        ({"source": "en", "languages": ["en", "de"]}, "languages: en is a source language too"),
        ({"source": ["en"], "further_sources": ["de"]}, "leave out further_sources"),
        ({"arms": [{"from-de": {"like": "fused"}}]}, "the name of another folder"),
        ({"arms": [{"votes": {"like": "fused"}}]}, "the name of another folder"),
        ({"translate": {"sources": ["de"]}}, "translate.sources: the first source language, 'en'"),
        ({"translate": {"sources": ["fr"]}}, "translate.sources: 'fr' is no source language"),
        ({"train": {"sources": ["fr"]}}, "train.sources: 'fr' is no source language"),
        (
            {"arms": [{"x": {"like": "fused", "set": {"train.sources": ["fr"]}}}]},
            "arms.x.set.train.sources: 'fr' is no source language; they are: en, de",
        ),
        (
            {"sweep": {"like": "fused", "over": {"train.sources": [["en"], ["fr"]]}}},
            "sweep.over.train.sources: 'fr' is no source language",
        ),
    ],
)
def test_what_is_wrong_with_sources_is_told(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse(**values)


def test_every_source_is_read_translated_and_trained_on() -> None:
    config = parse(arms=["projected"])
    assert {"train/en", "train/de", "dev/en", "dev/de"} <= tasks(config, "prepare").keys()
    assert list(tasks(config, "translate")) == ["es", "nl", "from-de/es", "from-de/nl"]
    assert tasks(config, "translate")["from-de/nl"].pair == ("de", "nl")
    assert list(tasks(config, "project")) == ["es", "nl", "from-de/es", "from-de/nl"]
    (task,) = tasks(config, "train").values()
    assert inputs(task) == {
        "train": "prepare/train/en",
        "train/de": "prepare/train/de",
        "dev": "prepare/dev/en",
        "dev/de": "prepare/dev/de",
        "projected/es": "project/es",
        "projected/es/de": "project/from-de/es",
        "projected/nl": "project/nl",
        "projected/nl/de": "project/from-de/nl",
    }


def test_an_arm_learns_from_some_of_the_sources() -> None:
    config = parse(
        arms=["projected", {"german": {"like": "projected", "set": {"train.sources": ["de"]}}}],
        languages=["es"],
    )
    made = tasks(config, "train")
    assert inputs(made["german/seed-13"]) == {
        "train/de": "prepare/train/de",
        "dev": "prepare/dev/en",
        "dev/de": "prepare/dev/de",  # chosen on the same sentences, so that arms compare
        "projected/es/de": "project/from-de/es",
    }


def test_sources_that_are_not_translated_are_trained_on_as_they_are() -> None:
    config = parse(arms=["projected"], translate={"sources": ["en"]}, languages=["es"])
    assert list(tasks(config, "translate")) == ["es"]
    (task,) = tasks(config, "train").values()
    assert {"train", "train/de", "projected/es"} == inputs(task).keys() - {"dev", "dev/de"}


def test_one_translation_of_all_sources_is_voted_on() -> None:
    data = {"train": {"path": "{lang}.conll"}, "parallel": PARALLEL}
    strict = {"like": "projected", "set": {"project.filters.min_score": 0.5}}
    german = {"like": "projected", "set": {"train.sources": ["de"]}}
    config = parse(data=data, arms=["projected", {"strict": strict}, {"german": german}])
    made = tasks(config, "project")
    assert inputs(made["votes/es"]) == {
        "projected": "project/es",
        "projected/de": "project/from-de/es",
    }
    assert inputs(made["strict/votes/es"])["projected/de"] == "project/strict/from-de/es"
    assert "votes/nl" not in made  # which is translated
    trained = tasks(config, "train")
    assert inputs(trained["projected/seed-13"])["projected/es"] == "project/votes/es"
    assert inputs(trained["strict/seed-13"])["projected/es"] == "project/strict/votes/es"
    assert inputs(trained["german/seed-13"])["projected/es/de"] == "project/from-de/es"
    (evaluated,) = tasks(config, "evaluate").values()
    assert inputs(evaluated)["projected/es"] == "project/votes/es"


def test_a_run_with_one_source_has_the_names_that_it_had() -> None:
    config = parse(source="en", arms=["projected", "self_trained"])
    units = {f"{s}/{u}" for s in ("translate", "align", "project") for u in tasks(config, s)}
    assert units == {f"{s}/{x}" for s in ("translate", "align", "project") for x in ("es", "nl")}
    for task in tasks(config, "train").values():
        assert {n for n in task.inputs if n.startswith(("train", "dev"))} == {"train", "dev"}


@pytest.mark.parametrize(
    ("values", "stage", "told"),
    [
        (
            {"train": {"sources": ["de"]}, "translate": {"sources": ["en"]}},
            "train",
            "nothing is projected from de",
        ),
        (
            {"data": {"train": {"path": "en.conll"}}},
            "prepare",
            "the same data would stand for en, de",
        ),
    ],
)
def test_problems_name_the_sources(values: dict[str, Any], stage: str, told: str) -> None:
    config = parse(arms=["projected"], **values)
    made = STAGES[stage]
    assert any(told in str(p) for p in made.check(config, made.tasks(config)))


def run(python: Path, path: Path, *arguments: str) -> None:
    command = [python, str(Path(sys.executable).with_name("run_pipeline")), str(path), *arguments]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def write(folder: Path, **changes: Any) -> Path:
    models = build_models(folder)
    made = write_config(folder / "tiny.yaml", models, source=["en", "de"], languages=["es"])
    keys = json.loads(made.read_text(encoding="utf-8")) | changes
    made.write_text(json.dumps(keys), encoding="utf-8")
    return made


@pytest.mark.slow
def test_votes_from_end_to_end_and_the_choice_of_the_source(
    tmp_path: Path, warm_python: Path
) -> None:
    path = write(
        tmp_path,
        data={
            "train": {"path": f"{SAMPLE}/parallel/{{lang}}.conll", "limit": 20},
            "dev": {
                "en": {"path": f"{SAMPLE}/en/dev.conll", "limit": 6},
                "de": {"path": f"{SAMPLE}/de/test.conll", "limit": 6},
            },
            "parallel": {"path": f"{SAMPLE}/parallel/{{lang}}.conll"},
            "test": {"path": f"{SAMPLE}/{{lang}}/test.conll", "limit": 8},
        },
        arms=["zero_shot"],
        sweep={"like": "projected", "over": {"train.sources": [["en"], ["de"], ["en", "de"]]}},
    )
    run(warm_python, path)
    folder = RunFolder(tmp_path / "artifacts/runs/tiny")
    rows = {
        name: list(Artifact(folder.path / "project" / name).rows())
        for name in ("es", "from-de/es", "votes/es")
    }
    assert [len(r) for r in rows.values()] == [20, 20, 20]
    assert {r["source_lang"] for r in rows["from-de/es"]} == {"de"}
    for english, german, voted in zip(*rows.values(), strict=True):
        assert english["words"] == german["words"] == voted["words"]
        proposed = {(s["start"], s["end"]) for r in (english, german) for s in r["spans"]}
        assert {(s["start"], s["end"]) for s in voted["spans"]} <= proposed
    trained = {
        a.folder.relative_to(folder.path).as_posix(): a.manifest.counts
        for a in folder.artifacts()
        if a.manifest.stage == "train"
    }
    both = trained["train/projected-sources-en-de/seed-13"]
    assert both["sentences/train"] == both["sentences/train/de"] == 20
    german_only = trained["train/projected-sources-de/seed-13"]
    assert "sentences/train" not in german_only
    assert german_only["sentences/projected/es/de"] > 0
    results = json.loads((folder.path / "report/all/scores.json").read_text(encoding="utf-8"))
    (sweep,) = results["sweeps"]
    assert {p["arm"] for p in sweep["points"] if p["key"] == "dev"} == {
        "zero_shot",
        *(f"projected-sources-{s}" for s in ("en", "de", "en-de")),
    }
    assert sweep["chosen"].startswith("projected-sources-")


@pytest.mark.slow
def test_translation_from_every_source(tmp_path: Path, warm_python: Path) -> None:
    path = write(
        tmp_path,
        data={"train": {"path": f"{SAMPLE}/parallel/{{lang}}.conll", "limit": 6}},
        train={"select": "last"},
        arms=["projected"],
    )
    run(warm_python, path, "--until", "project")
    folder = tmp_path / "artifacts/runs/tiny/project"
    found = {u: list(Artifact(folder / u).rows()) for u in ("es", "from-de/es")}
    assert {u: {r["source_lang"] for r in rows} for u, rows in found.items()} == {
        "es": {"en"},
        "from-de/es": {"de"},
    }
    assert not (folder / "votes").exists()  # the translations are two texts
