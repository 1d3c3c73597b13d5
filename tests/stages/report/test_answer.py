from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from stages.evaluate.results import Results, load_results
from stages.report import STAGE
from stages.report.answer import answer
from stages.report.tables import results_table, shown
from tests.stages.inspect.fake_run import write_run
from tests.stages.inspect.stage_run import evaluated, make_config, run_stage


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_run(tmp_path_factory.mktemp("runs"))
    evaluated(folder)
    return folder


@pytest.fixture
def results(run: Path) -> Results:
    return load_results(run)


def rendered(item: object, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(item)
    return console.file.getvalue()  # type: ignore[attr-defined]


def with_verdict(results: Results, verdict: str, lang: str) -> Results:
    changed = [
        c.model_copy(update={"verdict": verdict}) if c.lang == lang else c
        for c in results.comparisons
    ]
    return results.model_copy(update={"comparisons": changed})


def test_the_table_shows_mean_deviation_and_interval(results: Results) -> None:
    text = rendered(results_table(results))
    summary = results.of("self_trained", "de")
    assert summary is not None and summary.f1_std is not None
    assert f"{100 * summary.f1:.1f} ± {100 * summary.f1_std:.1f}" in text
    assert f"{100 * summary.f1_low:.0f}–{100 * summary.f1_high:.0f}" in text
    assert text.splitlines()[1].split() == ["arm", "de", "sw", "mean"]


def test_the_answer_says_yes_by_how_much(results: Results) -> None:
    told = answer(with_verdict(results, "better", "de"))  # by itself, two seeds cannot tell
    assert told.pair == ("self_trained", "fused")
    assert [a.reply for a in told.languages] == ["yes", "yes", "yes"]
    difference = next(c.difference for c in results.comparisons if c.lang == "de")
    assert f"In German self_trained gains {100 * difference:.1f} points" in told.text
    assert "Yes for German and Swahili (self_trained against fused" in told.text


def test_the_answer_says_no_and_not_distinguishable(results: Results) -> None:
    told = answer(with_verdict(with_verdict(results, "worse", "de"), "same", "sw"))
    assert "No for German; not distinguishable for Swahili; on the mean yes (" in told.text
    assert "In Swahili the two cannot be told apart" in told.text
    assert "In German self_trained loses" in told.text


def test_without_synthetic_text_the_answer_speaks_of_projection(results: Results) -> None:
    less = [c for c in results.comparisons if c.first != "self_trained"]
    told = answer(results.model_copy(update={"comparisons": less}))
    assert told.pair == ("projected", "zero_shot")
    assert "projected labels (without synthetic text)" in told.text


def test_a_single_seed_small_data_and_a_better_arm_are_said(tmp_path: Path) -> None:
    run = write_run(tmp_path, arms=["fused", "self_trained", "zero_shot"], seeds=[13], tests=10)
    evaluated(run, arms=["fused", "self_trained", "zero_shot"], seeds=[13])
    told = answer(load_results(run))
    assert "All of this is from one seed" in told.text
    assert "The test data is too small to say much: German (" in told.text
    weak = load_results(run)
    summary = [
        s.model_copy(update={"f1": 0.999}) if (s.arm, s.type) == ("zero_shot", None) else s
        for s in weak.summary
    ]
    told = answer(weak.model_copy(update={"summary": summary}))
    assert "Another arm has the highest F1 in German: zero_shot (99.9)" in told.text


def test_nothing_scored_is_said(results: Results) -> None:
    empty = results.model_copy(update={"summary": [], "comparisons": [], "sets": []})
    assert answer(empty).text.startswith("Nothing was scored in this run")
    assert rendered(shown(empty)).split()[:3] == ["Nothing", "was", "scored"]  # and no empty table
    assert "no pair of arms" in answer(results.model_copy(update={"comparisons": []})).text


def test_the_stage_writes_tables_and_answer(tmp_path: Path) -> None:
    run = write_run(tmp_path, sentences=30, tests=30)
    evaluated(run)
    artifact = run_stage(STAGE, make_config(), run)
    assert (artifact.folder / "scores.json").is_file()
    assert (artifact.folder / "summary.csv").is_file()
    assert artifact.manifest.notes["answer"] in (artifact.folder / "answer.md").read_text()
    assert artifact.manifest.notes["headline"].startswith("self_trained F1 ")
    shown = rendered(STAGE.summary(make_config(), artifact))
    assert "self_trained − fused" in shown
    assert "cross-lingual" not in shown and "multilingual pre-training alone?" in shown


def test_the_upper_bound_is_no_rival(tmp_path: Path) -> None:
    arms = ["fused", "self_trained", "supervised", "translate_test"]
    run = write_run(tmp_path, arms=arms, sentences=20, tests=40)
    evaluated(run, arms=arms)
    results = load_results(run)
    best = [
        s.model_copy(update={"f1": 0.99}) if s.arm == "supervised" and not s.type else s
        for s in results.summary
    ]
    results = results.model_copy(update={"summary": best})
    told = answer(results)
    assert "supervised (99.0)" not in told.text
    assert "With gold labels of the target language (supervised) F1 is 99.0 on " in told.text
    from stages.report.writing import headline

    assert not headline(results).startswith("supervised")
    assert "translate_test" in rendered(results_table(results))


def test_a_tagger_from_elsewhere_is_no_upper_bound(results: Results) -> None:
    seen = results.model_copy(update={"informed": ["fused"], "outside": ["fused"]})
    told = answer(seen).text
    assert "With gold labels" not in told
    assert "What taggers from elsewhere were trained on is not known" in told
    assert f"fused {100 * mean_f1(results, 'fused'):.1f} on average" in told


def mean_f1(results: Results, arm: str) -> float:
    found = results.of(arm, None)
    assert found is not None
    return found.f1


def test_an_arm_that_is_as_good_is_not_ahead(results: Results) -> None:
    level = [s.model_copy(update={"f1": 0.5}) for s in results.summary]
    same = results.model_copy(update={"summary": level})
    assert "Another arm has the highest F1" not in answer(same).text
