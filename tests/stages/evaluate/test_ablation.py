"""The shares of components."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.artifacts import RunFolder
from pipeline.errors import DataError
from pipeline.stage import Ref
from stages.evaluate.ablation import clone_run, compare_runs, variants
from tests.stages.inspect.fake_run import write_run
from tests.stages.inspect.stage_run import make_config
from xlner.api import load_config


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs"), sentences=10)


def test_shares_are_the_differences_to_the_whole_system(run: Path) -> None:
    folder = RunFolder(run)
    systems = {
        "full": (folder, "self_trained"),
        "synthetic": (folder, "projected"),
        "nothing": (folder, "self_trained"),
    }
    summary, shares = compare_runs(make_config(), systems)
    f1 = {(s.arm, s.lang): s.f1 for s in summary}
    assert set(f1) == {(name, lang) for name in systems for lang in ("de", "sw", None)}
    for share in shares:
        assert share.first == "full"
        expected = f1["full", share.lang] - f1[share.second, share.lang]
        assert share.difference == pytest.approx(expected)
        assert share.low <= share.difference <= share.high
        assert share.seeds == [13, 14]
    found = {(s.second, s.lang): s for s in shares}
    assert found["synthetic", None].verdict == "better" and found["synthetic", None].low > 0
    nothing = found["nothing", None]
    assert (nothing.difference, nothing.low, nothing.high) == (0, 0, 0)
    assert nothing.verdict == "same"


def test_every_component_of_the_comparison_can_be_switched_off() -> None:
    config = load_config("comparison", ["data.root=."])
    found = {v.name: v for v in variants(config)}
    assert list(found) == [
        "self-training",
        "fusion",
        "projection",
        "maker translation",
        "maker substitution",
        "maker infilling",
        "soft labels",
        "disagreement weighting",
        "further rounds",
    ]
    for variant in found.values():
        changed = load_config("comparison", ["data.root=.", *variant.overrides])
        assert variant.arm in config.arms
        assert (changed.model_dump() != config.model_dump()) == bool(variant.overrides)
    without = load_config("comparison", list(found["projection"].overrides))
    assert without.synthesize.weights == {"translation": 2}  # type: ignore[attr-defined]
    bare = ["self_train.rounds=1", "self_train.labels=hard", "synthesize.weights={translation: 1}"]
    names = {v.name for v in variants(load_config("comparison", bare))}
    assert not names & {"further rounds", "soft labels", "maker translation"}
    assert {"projection", "fusion", "disagreement weighting"} <= names


def test_a_clone_has_the_same_artifacts_and_a_life_of_its_own(run: Path, tmp_path: Path) -> None:
    (run / ".lock").touch()
    (run / "train.partial").mkdir()
    (run / "train.partial" / "half").touch()
    target = tmp_path / "clone"
    clone_run(run, target)
    ref = Ref("predict", "fused/seed-13/test/de")
    ours, theirs = RunFolder(target).artifact(ref), RunFolder(run).artifact(ref)
    assert ours is not None and theirs is not None
    assert list(ours.rows()) == list(theirs.rows())
    assert not (target / ".lock").exists() and not list(target.rglob("*.partial"))
    ours.parts[0].unlink()
    assert theirs.parts[0].is_file()
    clone_run(run, target)  # what is there stays as it is
    assert not ours.parts[0].exists()
    clone_run(tmp_path / "none", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_missing_predictions_are_named(run: Path) -> None:
    folder = RunFolder(run)
    systems = {"full": (folder, "self_trained"), "other": (folder, "crop")}
    with pytest.raises(DataError, match="there is no predict/crop/seed-13/test/de to compare"):
        compare_runs(make_config(), systems)
