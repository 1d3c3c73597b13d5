"""The arms without a tagger of their own, in a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.schema import labels_of
from pipeline.stage import Ref
from stages.tagger.labels import LabelSet
from tests.stages.predict.toys import make_runner
from tests.stages.train.toys import write_corpus
from xlner.api import Runner

# One member of the last is called as what is projected back.
LAST: dict[str, Any] = {"like": "ensemble_train_test", "teachers": ["translate_test", "projected"]}
ARMS = ["translate_test", "ensemble_train_test", {"last": LAST}]
CHANGES: dict[str, Any] = {
    "arms": ARMS,
    "languages": ["de"],
    "train": {"max_steps": 80, "learning_rate": 5e-3},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return folder


@pytest.fixture(scope="module")
def run(corpus: Path, bert: Path) -> Runner:
    runner = make_runner(corpus, bert, **CHANGES)
    runner.run()
    return runner


def rows(run: Runner, unit: str, stage: str = "predict") -> list[dict[str, Any]]:
    artifact = run.folder.artifact(Ref(stage, unit))
    assert artifact is not None, unit
    return list(artifact.rows())


def test_the_arms_bring_along_what_they_need(corpus: Path, bert: Path) -> None:
    def units(*arms: str) -> set[str]:
        runner = make_runner(corpus, bert, arms=list(arms), languages=["de"])
        return {str(t.ref) for t in runner.tasks() if t.stage != "prepare"}

    needed = {
        "translate/to_source/de",
        "align/to_source/de",
        "train/fused/seed-13",
        "predict/fused/seed-13/to_source/de",
        "predict/translate_test/seed-13/projected/de",
        "predict/translate_test/seed-13/test/de",
    }
    both = units("ensemble_train_test")
    assert (
        needed
        | {
            "train/projected_fused/seed-13",
            "predict/projected_fused/seed-13/test/de",
            "predict/ensemble_train_test/seed-13/test/de",
        }
        <= both
    )
    assert "predict/fused/seed-13/test/de" not in both
    assert "translate/to_source/de" not in units("fused", "projected")


def test_entities_are_where_the_links_lead(run: Runner) -> None:
    """Every link leads from word i to the same word, so spans must be mirrored exactly."""
    tagged = rows(run, "fused/seed-13/to_source/de")
    found = rows(run, "translate_test/seed-13/test/de")
    gold = rows(run, "test/de", "prepare")
    assert [r["id"] for r in found] == [r["id"] for r in gold]
    entities = 0
    for number, (ours, there, row) in enumerate(zip(found, tagged, gold, strict=True)):
        assert ours["words"] == row["words"] and ours["lang"] == row["lang"] == "de"
        if number in (3, 5):
            continue
        size = len(row["words"])
        mirrored = [(size - s["end"], size - s["start"], s["type"]) for s in there["spans"]]
        assert [(s["start"], s["end"], s["type"]) for s in ours["spans"]] == mirrored[::-1]
        entities += len(mirrored)
    assert entities > 10


def test_sentences_that_cannot_be_projected_stay_and_are_counted(run: Runner) -> None:
    projected = run.folder.artifact(Ref("predict", "translate_test/seed-13/projected/de"))
    assert projected is not None
    by_number = {n: row for n, row in enumerate(projected.rows()) if row["reason"]}
    assert {n: r["reason"] for n, r in by_number.items()} == {
        3: "empty_translation",
        5: "unaligned",
    }
    assert not any(r["kept"] for r in by_number.values())
    assert projected.manifest.drops["rows"] == {"empty_translation": 1, "unaligned": 1}
    lost = [x["reason"] for x in by_number[5]["lost"]]
    assert set(lost) <= {"no_link"}
    found = rows(run, "translate_test/seed-13/test/de")
    assert len(found) == projected.num_rows == 23
    for number in (3, 5):
        assert found[number]["words"] and found[number]["spans"] == []
        assert all(p == [1, 0, 0, 0, 0] for p in found[number]["probs"])


@pytest.mark.parametrize(
    ("arm", "tagger"), [("ensemble_train_test", "projected_fused"), ("last", "projected")]
)
def test_the_ensemble_is_exactly_the_mean(run: Runner, arm: str, tagger: str) -> None:
    members = [rows(run, f"{member}/seed-13/test/de") for member in ("translate_test", tagger)]
    artifact = run.folder.artifact(Ref("predict", f"{arm}/seed-13/test/de"))
    assert artifact is not None
    labels = LabelSet(labels_of(next(artifact.tables()).schema))
    for number, row in enumerate(artifact.rows()):
        there, here = (np.array(m[number]["probs"], np.float32) for m in members)
        # Where nothing was translated or aligned, the tagger decides alone.
        expected = here if number in (3, 5) else (there + here) / np.float32(2)
        assert np.array_equal(np.array(row["probs"], np.float32), expected)
        (spans,) = labels.decode(expected, np.array([0, len(expected)]))
        assert [(s["start"], s["end"], s["type"]) for s in row["spans"]] == [
            (s.start, s.end, s.type) for s in spans
        ]
    different = [a["spans"] != b["spans"] for a, b in zip(*members, strict=True)]
    assert any(different)


def test_the_arms_are_skipped_and_resumed_like_others(
    run: Runner, corpus: Path, bert: Path
) -> None:
    again = make_runner(corpus, bert, **CHANGES)
    assert again.run().done == []
    stricter = make_runner(corpus, bert, **CHANGES, project={"filters": {"min_score": 0.9}})
    states = {str(s.task.ref): s.state for s in stricter.plan(stricter.tasks())}
    assert states["predict/translate_test/seed-13/projected/de"] == "decide"
    assert states["predict/fused/seed-13/to_source/de"] == "up to date"


def test_markers_cannot_project_back(corpus: Path, bert: Path) -> None:
    runner = make_runner(corpus, bert, arms=ARMS, project={"method": "markers"})
    with pytest.raises(ConfigError, match=r"project\.method: 'markers' cannot project"):
        runner.check(runner.tasks())


def test_the_source_language_needs_no_translation(corpus: Path, bert: Path) -> None:
    path = {"source_test": {"path": str(corpus / "dev.conll")}}
    runner = make_runner(corpus, bert, arms=["fused", *ARMS], data=path)
    units = {t.unit for t in runner.tasks() if t.stage == "predict"}
    assert "fused/seed-13/source_test/en" in units
    assert not any("translate_test" in u and "source_test" in u for u in units)
