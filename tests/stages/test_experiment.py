"""The arms of an experiment: those that ship, a configuration's own, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.config import RunConfig
from pipeline.errors import ConfigError
from stages.arms import ARMS
from stages.experiment import Experiment, experiment
from xlner.api import load_config, parse_config

DATA = {"train": {"path": "t"}, "dev": {"path": "d"}, "test": {"path": "{lang}"}}


def parse(**values: Any) -> Experiment:
    raw = {"name": "t", "languages": ["de"], "data": DATA, **values}
    return experiment(parse_config(raw))


def problems(**values: Any) -> list[str]:
    with pytest.raises(ConfigError) as error:
        parse(**values)
    return error.value.problems


def test_a_list_of_names_is_what_it_was() -> None:
    config = parse(arms=["zero_shot", "self_trained"])
    assert list(config.arms) == config.compared == ["zero_shot", "self_trained"]
    assert config.model_dump(mode="json")["arms"] == ["zero_shot", "self_trained"]
    assert config.with_teachers() == ["zero_shot", "projected_fused", "self_trained"]
    assert config.recipes == ARMS


MINE = {"like": "fused", "set": {"train.fusion_layer": 4}}


@pytest.mark.parametrize(
    "arms",
    [
        ["zero_shot", "fused", {"mine": MINE}],
        {"zero_shot": None, "fused": None, "mine": MINE},
        {"zero_shot": None, "fused": None, "mine": {**MINE, "set": {"train": {"fusion_layer": 4}}}},
    ],
)
def test_an_own_arm_is_like_another_but_for_what_it_sets(arms: Any) -> None:
    config = parse(arms=arms)
    assert config.compared == ["zero_shot", "fused", "mine"]
    mine = config.recipes["mine"]
    assert (mine.kind, mine.data, mine.fused) == ("train", ("source",), True)
    assert mine.settings == {"train.fusion_layer": 4}
    assert mine.about.endswith("layer-fused; train.fusion_layer 4")
    assert config.for_arm("mine").train.identity()["fusion_layer"] == 4  # type: ignore[attr-defined]
    assert config.for_arm("fused") is config
    assert config.pairs()[-1] == ("mine", "fused")
    again = parse(arms=config.model_dump(mode="json")["arms"])
    assert again.recipes == config.recipes


def test_like_chains_and_teachers_follow() -> None:
    config = parse(
        arms={
            "teacher": {"like": "projected_fused", "set": {"train.epochs": 9}, "seeds": [1, 2]},
            "pupil": {"like": "self_trained", "teachers": ["teacher"], "set": {"train.epochs": 5}},
            "late": {"like": "pupil", "set": {"self_train.labels": "hard"}, "about": "as told"},
        },
        seeds=[2, 3],
    )
    late = config.recipes["late"]
    assert late.settings == {"train.epochs": 5, "self_train.labels": "hard"}
    assert (late.teachers, late.about) == (("teacher",), "as told")
    assert config.with_teachers() == ["teacher", "pupil", "late"]
    # What a student is made with, its teacher must be trained with, too.
    assert config.trained_seeds() == {"teacher": [1, 2, 3], "pupil": [2, 3], "late": [2, 3]}
    assert config.seeds_of("teacher") == [1, 2]


def test_units_and_fingerprints_of_an_own_arm_are_its_own() -> None:
    from stages.registry import STAGES

    own = {"like": "projected", "set": {"project.filters.min_score": 0.5, "train.epochs": 2}}
    config = parse(arms=["projected", {"strict": own}])
    tasks = {str(t.ref): t for name in STAGES.names for t in STAGES[name].tasks(config)}
    theirs, ours = tasks["train/projected/seed-13"], tasks["train/strict/seed-13"]
    assert str(theirs.inputs["projected/de"]) == "project/de"
    assert str(ours.inputs["projected/de"]) == "project/strict/de"
    assert tasks["project/strict/de"].inputs == tasks["project/de"].inputs
    assert tasks["project/strict/de"].seeded_as == "de"
    assert not theirs.settings and ours.settings == own["set"]
    assert "predict/strict/seed-13/test/de" in tasks
    plain = parse(arms=["projected"])
    before = {str(t.ref): t for name in STAGES.names for t in STAGES[name].tasks(plain)}
    for name in ("train/projected/seed-13", "project/de", "predict/projected/seed-13/test/de"):
        assert before[name] == tasks[name], "an own arm changes nothing for others"


def test_options_of_synthesize_make_text_of_its_own() -> None:
    from stages.registry import STAGES

    own = {"like": "self_trained", "set": {"synthesize.weights": {"translation": 1}}}
    config = parse(arms=["self_trained", {"sampled": own}])
    tasks = {str(t.ref): t for t in STAGES["synthesize"].tasks(config)}
    assert list(tasks) == ["synthesize/de", "synthesize/sampled/de"]
    assert "projected" in tasks["synthesize/de"].inputs
    assert "projected" not in tasks["synthesize/sampled/de"].inputs
    students = {str(t.ref): t for t in STAGES["self_train"].tasks(config)}
    assert (
        str(students["self_train/sampled/seed-13"].inputs["synthetic/de"])
        == "synthesize/sampled/de"
    )


@pytest.mark.parametrize(
    ("arms", "told"),
    [
        (["fussed"], "arms: unknown arm 'fussed' (did you mean 'fused'?); allowed: zero_shot"),
        ([{"mine": {"like": "fussed"}}], "arms.mine.like: unknown arm 'fussed' (did you mean"),
        ([{"mine": {}}], "arms.mine.like: this key is required"),
        (
            [{"mine": {"like": "fused", "sets": {}}}],
            "unknown key 'arms.mine.sets' (did you mean 'set'?); allowed: about, like, rival, ",
        ),
        (
            [{"mine": {"like": "fused", "set": {"train.fusion_layr": 3}}}],
            "arms.mine.set: unknown key 'train.fusion_layr' (did you mean 'fusion_layer'?)",
        ),
        (
            [{"mine": {"like": "fused", "set": {"train.learning_rate": -1}}}],
            "arms.mine.set: train.learning_rate: Input should be greater than 0",
        ),
        (
            [{"mine": {"like": "fused", "set": {"align.layer": 3}}}],
            "arms.mine.set: 'align.layer' is not for one arm alone; this arm may set options of "
            "adapt, train, predict; set it once for the whole run",
        ),
        ([{"mine": {"like": "fused", "set": {"self_train.rounds": 3}}}], "'self_train.rounds' is"),
        (
            [{"mine": {"like": "projected", "set": {"train.fusion_layer": 3}}}],
            "arms.mine.set: 'train.fusion_layer' does nothing for an arm with the last layer alone",
        ),
        ([{"mine": {"like": "fused", "set": {"predict.source_test": False}}}], "source_test"),
        ([{"fused": {"like": "zero_shot"}}], "arms.fused: this is the name of an arm that ships"),
        ([{"a/b": {"like": "fused"}}], "arms: 'a/b' cannot be a folder; use letters, digits"),
        ([{"de": {"like": "fused"}}], "arms: 'de' is the name of another folder of a run"),
        ([{"A": MINE}, {"a": MINE}], "arms: 'A' and 'a' differ in their case alone"),
        (
            [{"a": {"like": "b"}}, {"b": {"like": "a"}}],
            "arms.a.like leads back to itself: a → b → a",
        ),
        (
            [{"a": {"like": "self_trained", "teachers": ["a"]}}],
            "arms.a.teachers: 'a' would be its own teacher",
        ),
        (
            [{"a": {"like": "self_trained", "teachers": ["translate_test"]}}],
            "arms.a.teachers: 'translate_test' has no tagger of its own that could teach",
        ),
        ([{"a": {"like": "fused", "teachers": ["fused"]}}], "an arm of this kind has no teachers"),
        (
            [{"a": {"like": "ensemble_train_test", "teachers": ["fused"]}}],
            "arms.a.teachers: one of the members must go by translation",
        ),
    ],
)
def test_what_is_wrong_with_an_arm_is_said(arms: Any, told: str) -> None:
    found = problems(arms=arms)
    assert any(told in p for p in found), found


def test_an_arm_named_twice() -> None:
    with pytest.raises(ConfigError, match="an arm is named twice"):
        parse_config({"name": "t", "arms": ["fused", "fused"]})


def test_one_key_of_an_own_arm_can_be_overridden(tmp_path: Any) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("arms: {mine: {like: fused, set: {train.epochs: 2}}}")
    config: RunConfig = load_config(str(path), ["arms.mine.set.train.fusion_layer=2"])
    assert experiment(config).recipes["mine"].settings == {
        "train.epochs": 2,
        "train.fusion_layer": 2,
    }
