"""The stages train, self_train and predict in a run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.schema import labels_of
from pipeline.stage import Ref
from stages.tagger.tagger import Tagger
from tests.stages.train.toys import make_runner, write_corpus
from xlner.api import Runner

Family = Callable[[str], Path]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return folder


def units(folder: Path, encoder: Path, **changes: object) -> set[str]:
    runner = make_runner(folder, encoder, **changes)
    return {str(t.ref) for t in runner.tasks() if t.stage != "prepare"}


def test_tasks_follow_arms_seeds_and_languages(corpus: Path, family: Family) -> None:
    found = units(corpus, family("bert"), arms=["self_trained", "fused"], seeds=[1, 2])
    assert found == {
        "project/de",
        "project/sw",
        "synthesize/de",
        "synthesize/sw",
        *(f"train/{arm}/seed-{n}" for arm in ("fused", "projected_fused") for n in (1, 2)),
        *(f"self_train/self_trained/seed-{n}" for n in (1, 2)),
        *(
            f"predict/{arm}/seed-{n}/test/{lang}"
            for arm in ("fused", "self_trained")
            for n in (1, 2)
            for lang in ("de", "sw")
        ),
    }
    each = units(corpus, family("bert"), arms=["synthetic"], train={"per_language": True})
    assert {u for u in each if "train/" in u} == {
        "train/zero_shot/seed-13",
        "self_train/synthetic/de/seed-13",
        "self_train/synthetic/sw/seed-13",
    }
    assert "predict/synthetic/seed-13/test/de" in each


def test_a_run_trains_and_predicts_every_arm(corpus: Path, family: Family) -> None:
    arms = ["zero_shot", "projected", "synthetic", "self_trained"]
    changes = {
        "arms": arms,
        "self_train": {
            "rounds": 2,
            "disagreement": "weight",
            "teacher_share": 0.2,
            "temperature": 1.5,
        },
    }
    runner = make_runner(corpus, family("bert"), **changes)
    result = runner.run()
    assert all(a.manifest.stage for a in result.done)
    folder = runner.folder

    joint = folder.artifact(Ref("train", "projected/seed-13"))
    assert joint is not None
    counts = joint.manifest.counts
    assert counts["sentences/train"] == 60
    assert counts["sentences/projected/de"] == counts["sentences/projected/sw"] == 32
    assert counts["sentences"] == 124
    assert joint.manifest.notes["steps"] == 24
    card = (joint.folder / "README.md").read_text()
    assert "- sw" in card and "Arm `projected`" in card
    fused = folder.artifact(Ref("train", "projected_fused/seed-13"))
    assert fused is not None
    config = json.loads((fused.folder / "config.json").read_text())
    assert (config["fusion"], config["fusion_layer"]) == ("dlfa_aif", 1)
    assert json.loads((joint.folder / "config.json").read_text())["fusion"] == "none"

    student = folder.artifact(Ref("self_train", "self_trained/seed-13"))
    assert student is not None
    counts = student.manifest.counts
    assert counts["sentences/synthetic/sw"] == counts["pseudo_labelled"] - 32 == 32
    assert counts["soft_words"] > 0 and counts["projected_down_weighted"] > 0
    assert 1 <= len(student.manifest.notes["rounds"]) <= 2
    only = folder.artifact(Ref("self_train", "synthetic/seed-13"))
    assert only is not None and "sentences/projected/de" not in only.manifest.counts

    for arm in arms:
        for lang, rows in (("de", 23), ("sw", 12)):
            predicted = folder.artifact(Ref("predict", f"{arm}/seed-13/test/{lang}"))
            gold = folder.artifact(Ref("prepare", f"test/{lang}"))
            assert predicted is not None and gold is not None
            assert predicted.num_rows == gold.num_rows == rows
            for ours, theirs in zip(predicted.rows(), gold.rows(), strict=True):
                assert (ours["id"], ours["words"]) == (theirs["id"], theirs["words"])
                probs = np.array(ours["probs"])
                assert probs.shape == (len(ours["words"]), 5)
                np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)
            assert labels_of(next(predicted.tables()).schema) == [
                "O",
                "B-LOC",
                "I-LOC",
                "B-PER",
                "I-PER",
            ]
    tagger = Tagger.from_pretrained(fused.folder)
    assert tagger.labels[0] == "O"

    again = make_runner(corpus, family("bert"), **changes)
    assert again.run().done == []


def test_the_source_test_set_is_labelled_too(corpus: Path, family: Family) -> None:
    path = str(corpus / "dev.conll")
    changes = {"data": {"source_test": {"path": path}}}
    found = units(corpus, family("bert"), **changes)
    assert "predict/zero_shot/seed-13/source_test/en" in found
    without = units(corpus, family("bert"), **changes, predict={"source_test": False})
    assert "predict/zero_shot/seed-13/source_test/en" not in without


def problems(folder: Path, encoder: Path, **changes: object) -> list[str]:
    runner = make_runner(folder, encoder, **changes)
    with pytest.raises(ConfigError) as raised:
        runner.check(runner.tasks())
    return raised.value.problems


def test_no_tagger_learns_an_ignored_type(corpus: Path, family: Family) -> None:
    changes = {
        "name": "ignoring",
        "arms": ["projected", "self_trained"],
        "labels": {"ignore": ["LOC"]},
        "self_train": {"disagreement": "weight", "teacher_share": 0.2},
    }
    runner = make_runner(corpus, family("bert"), **changes)
    runner.run()
    for stage, arm in (("train", "projected"), ("self_train", "self_trained")):
        trained = runner.folder.artifact(Ref(stage, f"{arm}/seed-13"))
        assert trained is not None
        tagger = Tagger.from_pretrained(trained.folder)
        assert "PER" in tagger.label_set.types and "LOC" not in tagger.label_set.types


def test_data_that_nothing_reads_is_told(corpus: Path, family: Family) -> None:
    def told(arm: str, **changes: object) -> list[str]:
        path = {"path": str(corpus / "test.{lang}.conll")}
        data = {"target_train": path, "unlabelled": {"de": path}}
        runner = make_runner(corpus, family("bert"), arms=[arm], data=data, **changes)
        tasks = [t for t in runner.tasks() if t.stage == "prepare"]
        lines = runner.registry["prepare"].preview(runner.config, tasks)
        return [line for line in lines if "nothing in this run reads it" in line]

    found = told("fused")
    assert [line.partition(":")[0] for line in found] == ["data.target_train", "data.unlabelled"]
    assert "gold target training data, for the arms supervised, few_shot" in found[0]
    assert [line.partition(":")[0] for line in told("few_shot")] == ["data.unlabelled"]
    assert told("fused", stages=["prepare"]) == []  # what is asked for is wanted


def test_what_is_wrong_is_found_before_anything_is_loaded(
    corpus: Path, family: Family, tmp_path: Path
) -> None:
    bert = family("bert")
    found = problems(corpus, bert, arms=["fused"], train={"fusion_layer": 7})
    assert found == [
        "train.fusion_layer: fusion layer 7 does not exist below the last layer of an encoder with "
        f"3 layers; allowed: 0 (embeddings) to 2, or -4 to -2 ({bert})"
    ]
    with pytest.raises(
        ConfigError, match=r"needs prepare/target_dev/de.*data\.target_dev is not set"
    ):
        units(corpus, bert, arms=["fused"], train={"select": "target_dev"})
    with pytest.raises(ConfigError, match=r"data\.dev is not set; .*unless train\.select is last"):
        units(corpus, bert, data={"train": {"path": "en.train"}, "dev": None})
    gold = {"de": {"path": "de.test"}}
    with pytest.raises(ConfigError, match=r"data\.target_train has none for sw; .*supervised"):
        units(corpus, bert, arms=["supervised"], data={"target_train": gold})
    assert problems(corpus, bert, arms=["projected"], languages=[]) == [
        "languages: the arms need at least one target language"
    ]
    empty = tmp_path / "empty"
    empty.mkdir()
    shutil.copy(bert / "config.json", empty)
    assert "a model folder without weights" in problems(corpus, empty)[0]
    decoder = tmp_path / "decoder"
    shutil.copytree(bert, decoder)
    (decoder / "config.json").write_text('{"model_type": "marian", "is_encoder_decoder": true}')
    assert problems(corpus, decoder) == [
        f"models.encoder: {decoder} is a 'marian' checkpoint, not an encoder; give one such as "
        "BERT, XLM-R or mDeBERTa"
    ]
    with pytest.raises(ConfigError, match="unknown key 'train.fusion_layr'"):
        make_runner(corpus, bert, train={"fusion_layr": 1})
    with pytest.raises(ConfigError, match=r"'dlfa' is not allowed .*dlfa_aif"):
        make_runner(corpus, bert, train={"fusion": "dlfa"})
    found = problems(
        corpus,
        bert,
        arms=["synthetic"],
        labels={"types": ["LOC", "PER"]},
        self_train={"confidence": {"PERS": 0.5}},
    )
    assert found == ["self_train.confidence: unknown entity type 'PERS'; allowed: LOC, PER"]


def weights(runner: Runner, unit: str, stage: str = "train") -> str:
    artifact = runner.folder.artifact(Ref(stage, unit))
    assert artifact is not None
    return artifact.manifest.files["model.safetensors"]


def test_an_own_arm_is_what_a_run_with_its_settings_gives(
    corpus: Path, family: Callable[[str], Path]
) -> None:
    """Its settings reach its own tagger and no other, and nothing else tells the two apart."""
    bert = family("bert")
    own: list[Any] = [
        "self_trained",
        {"late": {"like": "fused", "set": {"train.fusion_layer": 0}}},
        {"hard": {"like": "self_trained", "set": {"self_train.labels": "hard"}}},
        {"pupil": {"like": "self_trained", "teachers": ["late"]}},
    ]
    both = make_runner(corpus, bert, arms=own, name="both", languages=["de"])
    both.run()
    unit = "self_trained/seed-13"

    def alone(arm: str, **changes: Any) -> Runner:
        """One run, which makes anew what other settings change."""
        runner = make_runner(corpus, bert, arms=[arm], name="alone", languages=["de"], **changes)
        runner.run()
        return runner

    plain = weights(alone("self_trained"), unit, "self_train")
    hard = weights(alone("self_trained", self_train={"labels": "hard"}), unit, "self_train")
    late = weights(alone("fused", train={"fusion_layer": 0}), "fused/seed-13")
    assert weights(both, unit, "self_train") == plain
    assert weights(both, "late/seed-13") == late
    assert weights(both, "hard/seed-13", "self_train") == hard != plain
    assert weights(both, "pupil/seed-13", "self_train") != plain
    # A new arm in a finished run trains itself and nothing else.
    more = [*own, {"later": {"like": "late", "set": {"train.max_steps": 12}}}]
    again = make_runner(corpus, bert, arms=more, name="both", languages=["de"]).run()
    done = [a.manifest.unit for a in again.done if a.manifest.stage in ("train", "self_train")]
    assert done == ["later/seed-13"]
