"""A whole run on given translations, in both directions, with no translator there."""

from __future__ import annotations

from collections import Counter
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.artifacts import Artifact, RunFolder
from pipeline.errors import ConfigError
from pipeline.plan import Selection
from pipeline.progress import Progress
from pipeline.resources import shipped_root
from stages.inspect.reading import views
from tests.tiny.encoders import build_family
from xlner.api import Runner, parse_config

SAMPLE = shipped_root() / "artifacts" / "sample" / "parallel"
SIZE = 24
OURS = ["projected", "only_good", "only_bad"]
ARMS = [
    "zero_shot",
    "projected",
    {"only_good": {"like": "projected", "set": {"project.systems": ["good"]}}},
    {"only_bad": {"like": "projected", "set": {"project.systems": ["bad"]}}},
    {"theirs": {"like": "projected", "rival": "theirs"}},
    "translate_test",
    "ensemble_train_test",
    "crop",
]


def raw(encoder: Path, **more: Any) -> dict[str, Any]:
    german, english = str(SAMPLE / "de.conll"), str(SAMPLE / "en.conll")
    return {
        "name": "given",
        "languages": ["de"],
        "part_rows": 10,
        "data": {
            "train": {"path": english, "limit": SIZE},
            "parallel": [
                {"system": "good", "path": german},
                {"system": "bad", "path": german, "damage": 1.0},
            ],
            "rivals": {"theirs": {"path": german}},
            "test": {"path": german, "limit": SIZE},
            "test_parallel": {"path": english},
            "unlabelled": {"path": german, "limit": SIZE},
            "unlabelled_parallel": {"path": english},
        },
        "models": {"encoder": str(encoder), "translator": {}},
        "align": {"aligner": "statistical"},
        "train": {"max_steps": 2, "batch_size": 4, "select": "last", "fusion_layer": 1},
        "self_train": {"rounds": 1},
        "arms": ARMS,
        **more,
    }


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_family("bert", tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, encoder: Path) -> Path:
    home = tmp_path_factory.mktemp("home")
    config = parse_config(raw(encoder))
    Runner(config, home, Progress(Console(file=StringIO()))).run()
    return home / "given"


def rows(run: Path, unit: str) -> list[dict[str, Any]]:
    return list(Artifact(run / unit).rows())


def test_translations_of_two_systems_are_projected_side_by_side(done: Path) -> None:
    translated = rows(done, "translate/de")
    assert [r["rank"] for r in translated] == [0, 1] * SIZE
    assert [r["id"] for r in translated[:2]] == [translated[0]["source_id"], translated[1]["id"]]
    assert translated[1]["id"] == f"{translated[0]['source_id']}#1"
    assert {r["reason"] for r in rows(done, "project/de")} <= {
        None, "lost_names", "length_ratio", "doubled_names", "copied_source", "repetition"
    }  # fmt: skip


def test_an_arm_takes_the_translations_of_a_system(done: Path) -> None:
    good, bad = rows(done, "project/only_good/de"), rows(done, "project/only_bad/de")
    assert (
        [r["id"] for r in good]
        == [r["id"] for r in bad]
        == [r["id"] for r in rows(done, "project/de")]
    )
    for rank, (of, other) in enumerate([(good, bad), (bad, good)]):
        mine, rest = of[rank::2], of[1 - rank :: 2]
        assert {r["reason"] for r in rest} == {"other_system"} and not any(r["kept"] for r in rest)
        assert all(r["reason"] != "other_system" for r in mine)
        assert sum(len(r["spans"]) for r in mine) > 0 == sum(len(r["spans"]) for r in rest)
        assert [r["words"] for r in of] == [r["words"] for r in other]
    sentences = Artifact(done / "train/only_good/seed-13").manifest.counts
    assert sentences["sentences/projected/de"] <= SIZE


def test_labels_of_rivals_are_trained_on_as_they_are(done: Path) -> None:
    found = rows(done, "project/theirs/de")
    gold = rows(done, "prepare/rivals/theirs/de")
    places = ("start", "end", "type")
    assert [[{k: s[k] for k in places} for s in r["spans"]] for r in found] == [
        [{k: s[k] for k in places} for s in r["spans"]] for r in gold
    ]
    assert all(s["method"] == "theirs" and s["kept"] for r in found for s in r["spans"])
    assert Counter(r["kept"] for r in found)[True] > SIZE / 2
    assert (done / "predict/theirs/seed-13/test/de").is_dir()


def test_projections_of_arms_can_be_looked_at(done: Path) -> None:
    run = RunFolder(done)
    theirs = list(views(run, "project", "theirs/de"))
    assert len(theirs) == SIZE and any(v.spans for v in theirs) and not any(v.links for v in theirs)
    good = list(views(run, "project", "only_good/de"))
    assert len(good) == 2 * SIZE and any(v.links for v in good)


def test_the_other_direction_needs_no_translator_either(done: Path) -> None:
    back = rows(done, "translate/to_source/de")
    assert [r["rank"] for r in back] == [0] * SIZE and all(r["lang"] == "en" for r in back)
    assert not any(r["source_spans"] for r in back)  # labels of test data go nowhere
    for arm in ("translate_test", "ensemble_train_test", "crop"):
        assert len(rows(done, f"predict/{arm}/seed-13/test/de")) == SIZE


def test_thresholds_are_decided_anew_for_systems_too(done: Path, encoder: Path) -> None:
    moved = {"filters": {"min_score": 0.9, "require_all": True}}
    config = parse_config(raw(encoder, project=moved))
    runner = Runner(config, done.parent, Progress(Console(file=StringIO())))
    steps = runner.plan(runner.tasks())
    states = {s.task.unit: s.state for s in steps if s.task.stage == "project"}
    assert states["only_good/de"] == states["de"] == "decide"
    assert states["theirs/de"] != "decide"
    fresh = parse_config({**raw(encoder, project=moved), "name": "fresh"})
    progress = Progress(Console(file=StringIO()))
    Runner(config, done.parent, progress).run(Selection(last="project"))
    Runner(fresh, done.parent, progress).run(Selection(last="project"))
    assert rows(done, "project/only_bad/de") == rows(done.parent / "fresh", "project/only_bad/de")


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ({"rival": "thiers"}, "arms.x.rival: unknown rival 'thiers' (did you mean 'theirs'?)"),
        ({"rival": "theirs", "like": "fused"}, "trains on no projected labels"),
        ({"set": {"project.systems": ["god"]}}, "no translations by 'god' for 'de' (did you mean"),
        ({"rival": "theirs", "set": {"project.min_link": 0.3}}, "is not for one arm alone"),
    ],
)
def test_what_an_arm_cannot_have(
    arm: dict[str, Any], message: str, encoder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as error:
        config = parse_config(raw(encoder, arms=[{"x": {"like": "projected", **arm}}]))
        runner = Runner(config, tmp_path, Progress(Console(file=StringIO())))
        runner.check(runner.tasks())
    assert message in str(error.value)
