"""Arms from elsewhere in a run: predicted, scored, compared, teaching."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError, ModelError
from pipeline.schema import labels_of
from pipeline.stage import Ref
from stages.evaluate.results import load_results
from stages.external.loading import load_tagger
from tests.stages.predict import toys
from tests.stages.train.toys import make_config, write_corpus
from tests.tiny.text import toy_rows


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return folder


def ruled(pipeline: Path, **more: Any) -> dict[str, Any]:
    settings = {
        "external.tagger": "spacy",
        "external.model": str(pipeline),
        "external.map": {"PERSON": "PER", "GPE": "LOC"},
    }
    return {"like": "external", "set": {**settings, **more}}


def test_a_pipeline_is_scored_beside_ours_and_teaches(
    corpus: Path, bert: Path, pipeline: Path
) -> None:
    arms = [
        "zero_shot",
        {"rules": ruled(pipeline)},
        {"pupil_of_both": {"like": "synthetic", "teachers": ["rules", "zero_shot"]}},
    ]
    runner = toys.make_runner(
        corpus,
        bert,
        arms=arms,
        seeds=[1, 2],
        synthesize={"sentences": 8},
        name="beside",
        train={"max_steps": 4},
        languages=["de"],
    )
    runner.run()
    folder = runner.folder
    said = folder.artifact(Ref("external", "rules/de"))
    assert said is not None and folder.artifact(Ref("external", "rules/en")) is None
    assert said.manifest.notes == {
        "labels": {"GPE": "LOC", "PERSON": "PER"},
        "labels_left_out": ["DATE"],
        "types_never_given": [],
    }
    predicted = folder.artifact(Ref("predict", "rules/test/de"))
    assert predicted is not None and "spans_widened" not in predicted.manifest.notes
    assert labels_of(next(predicted.tables()).schema) == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    known = {"Paris", "New York", "Kisumu", "Bonn", "Accra"}
    known |= {"Anna Meier", "Juan", "Li Wei", "Olga Petrova"}
    for (words, gold), row in zip(toy_rows(23), predicted.rows(), strict=True):
        expected = [s for s in gold if " ".join(words[s.start : s.end]) in known]
        assert [(s["start"], s["end"], s["type"], s["score"]) for s in row["spans"]] == [
            (s.start, s.end, s.type, 1.0) for s in expected
        ]
    results = load_results(runner.folder.path)
    rules = results.of("rules", "de")
    assert rules is not None and rules.precision == 1.0 and 0.3 < rules.recall < 1.0
    assert rules.f1_std == 0.0, "the same whatever the seed"
    assert results.informed == results.outside == ["rules", "pupil_of_both"]
    compared = {(c.first, c.second) for c in results.comparisons}
    assert ("zero_shot", "rules") in compared
    student = folder.artifact(Ref("self_train", "pupil_of_both/seed-2"))
    assert student is not None and student.manifest.rows_in["synthetic/de"] == 8
    loaded = load_tagger(said.folder)
    (found,) = loaded.predict(["Anna Meier was in Bonn."])
    assert [(e.text, e.type, e.chars) for e in found] == [
        ("Anna Meier", "PER", (0, 10)),
        ("Bonn", "LOC", (18, 22)),
    ]


def problems(corpus: Path, bert: Path, **changes: Any) -> list[str]:
    from tests.stages.predict.toys import make_runner

    with pytest.raises(ConfigError) as error:
        make_runner(corpus, bert, **changes).run()
    return error.value.problems


def test_what_is_wrong_is_told_before_anything_runs(
    corpus: Path, bert: Path, pipeline: Path
) -> None:
    (told,) = problems(corpus, bert, arms=["external"])
    assert told == "external.model: name the tagger (arm external)"
    mine = ruled(pipeline, **{"external.model": {"de": str(pipeline)}})
    (told,) = problems(corpus, bert, arms=[{"mine": mine}])
    assert told == "external.model: names no tagger for 'sw' (arm mine)"
    with pytest.raises(ConfigError, match="a tagger of this kind has no such key|no such key"):
        make_config(corpus, bert, arms=[{"mine": ruled(pipeline, **{"external.scheme": "iob1"})}])
    taught = {"mine": {**ruled(pipeline), "teachers": ["zero_shot"]}}
    with pytest.raises(ConfigError, match="an arm of this kind has no teachers"):
        make_config(corpus, bert, arms=["zero_shot", taught])


def test_a_tagger_with_other_types_is_refused(corpus: Path, bert: Path, pipeline: Path) -> None:
    mine = ruled(pipeline, **{"external.map": {}})
    runner = toys.make_runner(corpus, bert, arms=[{"mine": mine}], name="other")
    with pytest.raises(ModelError, match="none of its labels .DATE, GPE, PERSON. is one of"):
        runner.run()


def test_the_command_takes_it_too(pipeline: Path, tmp_path: Path) -> None:
    from tests.calling import result_of
    from xlner.commands.tag_text import tag_text

    written = {
        "tagger": "spacy",
        "options": {},
        "model": str(pipeline),
        "lang": "de",
        "labels": ["O", "B-PER", "I-PER"],
        "map": {"PERSON": "PER"},
    }
    (tmp_path / "external.json").write_text(json.dumps(written))
    (tmp_path / "t.txt").write_text("Anna Meier was in Bonn.\n")
    done = result_of(tag_text, tmp_path, tmp_path / "t.txt", "--format", "text")
    assert "[PER Anna Meier] was in Bonn." in done.output, done.output


def test_the_version_of_a_package_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    from stages.external.kinds import spacy

    kind = spacy.Spacy(spacy.SpacyOptions())
    monkeypatch.setattr(spacy, "_version", lambda model: "3.8.0")
    assert kind.identity("xx_pipeline", None) == "xx_pipeline==3.8.0"


def test_it_offers_candidates_to_projection(pipeline: Path, tmp_path: Path) -> None:
    from stages.project.methods.candidates import CandidateOptions, CandidatesMethod
    from stages.project.tagger_candidates import TaggerCandidates

    written = {
        "tagger": "spacy",
        "options": {},
        "model": str(pipeline),
        "lang": "de",
        "labels": ["O", "B-LOC", "I-LOC"],
        "map": {"GPE": "LOC", "PERSON": "LOC"},
    }
    (tmp_path / "external.json").write_text(json.dumps(written))
    method = CandidatesMethod(CandidateOptions(candidate_tagger=str(tmp_path)))
    assert list(method.problems("none", None)) == []
    offers = TaggerCandidates(tmp_path)
    (spans,) = offers._loaded().predict([["Anna", "Meier", "in", "New", "York"]])
    assert [(s.start, s.end) for s in spans] == [(0, 2), (3, 5)]
