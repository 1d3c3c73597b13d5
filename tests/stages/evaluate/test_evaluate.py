from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.artifacts import RunFolder
from pipeline.errors import DataError
from pipeline.stage import Ref
from stages.evaluate import STAGE
from stages.evaluate.results import load_results
from stages.report.answer import answer
from stages.report.tables import shown
from tests.stages.inspect.fake_run import write_run
from tests.stages.inspect.stage_run import evaluated, make_config, run_stage
from tests.stages.report.test_answer import rendered

PARALLEL = {
    "train": {"path": "train.txt"},
    "test": {"path": "{lang}.txt"},
    "parallel": {"de": {"path": "de.txt"}},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_run(tmp_path_factory.mktemp("runs"), parallel_gold=["de"])
    evaluated(folder, data=PARALLEL)
    return folder


def test_every_arm_language_seed_and_type_has_a_score(run: Path) -> None:
    results = load_results(run)
    found = {(s.arm, s.lang, s.seed, s.type) for s in results.scores}
    arms = ("zero_shot", "fused", "projected", "self_trained")
    expected = {
        (arm, lang, seed, kind)
        for arm in arms
        for lang in ("de", "sw")
        for seed in (13, 14)
        for kind in (None, "LOC", "ORG", "PER")
    } | {("projection", "de", None, kind) for kind in (None, "LOC", "ORG", "PER")}
    assert found == expected
    assert results.scored_arms() == [*arms, "projection"]


def test_means_and_deviations_are_those_of_the_seeds(run: Path) -> None:
    results = load_results(run)
    by_seed = [s.f1 for s in results.scores if (s.arm, s.lang, s.type) == ("fused", "sw", None)]
    summary = results.of("fused", "sw")
    assert summary is not None and summary.f1_std is not None
    assert summary.f1 == pytest.approx(sum(by_seed) / 2)
    assert summary.f1_std == pytest.approx(abs(by_seed[0] - by_seed[1]) / 2**0.5)
    assert summary.f1_low < summary.f1 < summary.f1_high
    both = [results.of("fused", lang) for lang in ("de", "sw")]
    mean = results.of("fused", None)
    assert mean is not None
    assert mean.f1 == pytest.approx(sum(s.f1 for s in both if s) / 2)


def test_the_comparison_finds_the_better_tagger(run: Path) -> None:
    results = load_results(run)
    pairs = [(c.first, c.second, c.lang) for c in results.comparisons]
    expected = [("self_trained", "fused"), ("projected", "zero_shot"), ("fused", "zero_shot")]
    assert pairs == [(*pair, lang) for pair in expected for lang in ("de", "sw", None)]
    unsteady, best = results.comparisons[:2]
    assert best.verdict == "better" and best.low > 0.1 and best.p_adjusted < 0.05
    # A larger difference, but the two seeds are seven points apart: no two can tell.
    assert unsteady.difference > best.difference and unsteady.verdict == "same"
    assert unsteady.difference_std > 5 * best.difference_std  # type: ignore[operator]
    assert all(c.p_adjusted >= c.p for c in results.comparisons)


def test_errors_add_up_to_what_is_not_found(run: Path) -> None:
    results = load_results(run)
    for score in results.scores:
        if score.type is not None:
            continue
        mine = [
            e
            for e in results.errors
            if (e.arm, e.lang, e.seed) == (score.arm, score.lang, score.seed)
        ]
        lost = sum(e.count for e in mine if e.category != "spurious")
        extra = sum(e.count for e in mine if e.category != "missed")
        assert lost == score.gold - score.tp
        assert extra == score.predicted - score.tp


def test_seen_and_unseen_add_up_to_all(run: Path) -> None:
    results = load_results(run)
    for score in (s for s in results.scores if s.type is None):
        mine = [
            f
            for f in results.familiarity
            if (f.arm, f.lang, f.seed) == (score.arm, score.lang, score.seed)
        ]
        assert sum(f.gold for f in mine) == score.gold
        assert sum(f.tp for f in mine) == score.tp


def test_projection_is_scored_by_its_kept_spans(run: Path) -> None:
    results = load_results(run)
    statistics = next(p for p in results.projection if p.lang == "de")
    score = next(s for s in results.scores if s.arm == "projection" and s.type is None)
    assert score.predicted == statistics.spans.kept == score.tp
    assert score.gold == statistics.spans.source
    reasons = {(b.stage, b.reason): b.count for b in results.blame}
    assert reasons == {
        ("filter", "low_score"): statistics.spans_dropped["low_score"],
        ("align", "no_link"): statistics.spans_lost["no_link"],
    }


def test_the_tables_say_the_same(run: Path) -> None:
    folder = run / "evaluate" / "all"
    results = load_results(folder)
    with (folder / "scores.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(results.scores)
    assert float(rows[0]["f1"]) == pytest.approx(results.scores[0].f1, abs=1e-5)
    with (folder / "significance.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(results.comparisons)
    mistakes = pq.read_table(folder / "mistakes.parquet")
    assert mistakes.num_rows == sum(e.count for e in results.errors)
    assert json.loads((folder / "_manifest.json").read_text())["notes"]["headline"]["fused/de"] > 0


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        run = write_run(tmp_path / name, sentences=20, tests=20)
        folder = evaluated(run).folder
        written.append({p.name: p.read_bytes() for p in folder.iterdir()})
    assert written[0].keys() == written[1].keys()
    for name in written[0].keys() - {"_manifest.json"}:
        assert written[0][name] == written[1][name], name


def test_parallel_text_without_labels_is_not_scored(tmp_path: Path) -> None:
    run = write_run(tmp_path, sentences=20, tests=20, parallel_gold=["de"])

    from pipeline.artifacts import write_part
    from pipeline.manifest import write_manifest
    from pipeline.schema import LABELLED

    artifact = RunFolder(run).artifact(Ref("prepare", "parallel/de"))
    assert artifact is not None
    bare = [row | {"spans": []} for row in artifact.rows()]
    part = write_part(pa.Table.from_pylist(bare, schema=LABELLED), artifact.parts[0])
    write_manifest(artifact.folder, artifact.manifest.model_copy(update={"parts": [part]}))
    evaluated(run, data=PARALLEL)
    assert "projection" not in load_results(run).scored_arms()


def test_a_projection_run_needs_no_arms() -> None:
    data = {"train": {"path": "en"}, "parallel": {"path": "{lang}"}}
    (task,) = STAGE.tasks(make_config(arms=[], data=data))
    assert set(map(str, task.inputs.values())) == {
        "prepare/train/en",
        "prepare/parallel/de",
        "prepare/parallel/sw",
        "project/de",
        "project/sw",
    }


def test_predict_units_are_those_of_the_arms_and_seeds() -> None:
    (task,) = STAGE.tasks(make_config(arms=["fused"], languages=["de"], seeds=[1, 2]))
    assert set(map(str, task.inputs.values())) == {
        "prepare/train/en",
        "prepare/test/de",
        "predict/fused/seed-1/test/de",
        "predict/fused/seed-2/test/de",
    }


def test_a_pair_must_name_arms() -> None:
    config = make_config(evaluate={"pairs": [["projectd", "fused"], ["fused", "fused"]]})
    messages = [str(p) for p in STAGE.check(config, [])]
    assert messages[0].startswith(
        "evaluate.pairs: unknown arm 'projectd' (did you mean 'projected'?); allowed: zero_shot"
    )
    assert messages[1] == "evaluate.pairs: 'fused' is compared with itself"


def test_pairs_that_ask_twice_or_for_what_is_not_there() -> None:
    pairs = [["fused", "zero_shot"], ["zero_shot", "fused"], ["projected", "zero_shot"]]
    config = make_config(arms=["zero_shot", "fused"], evaluate={"pairs": pairs})
    assert [str(p) for p in STAGE.check(config, [])] == [
        "evaluate.pairs: 'zero_shot' and 'fused' are compared twice"
    ]
    assert list(STAGE.notices(config, [])) == [
        "evaluate.pairs: projected and zero_shot are not compared: the run has no arm 'projected'"
    ]
    assert not list(STAGE.notices(make_config(arms=["zero_shot"]), []))


def test_results_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no scores\.json here; the stage evaluate writes it"):
        load_results(tmp_path)


def test_the_source_language_is_scored_but_not_in_the_mean(tmp_path: Path) -> None:
    from pydantic import Field

    from pipeline.config import StageConfig, config_model, parse_config
    from stages.evaluate.config import EvaluateConfig
    from stages.experiment import Experiment

    class PredictSection(StageConfig):
        source_test: bool = Field(True)

    run = write_run(tmp_path, sentences=10, tests=20, languages=["de", "sw", "en"], seeds=[13])
    (run / "prepare" / "test" / "en").rename(run / "prepare" / "source_test_en")
    (run / "prepare" / "source_test").mkdir()
    (run / "prepare" / "source_test_en").rename(run / "prepare" / "source_test" / "en")
    for folder in run.glob("predict/*/seed-13"):
        (folder / "source_test").mkdir()
        (folder / "test" / "en").rename(folder / "source_test" / "en")
    raw = make_config(seeds=[13]).model_dump(mode="json", exclude={"report"})
    raw["data"]["source_test"] = {"path": "en.txt"}
    sections = {"evaluate": EvaluateConfig, "predict": PredictSection}
    config = parse_config(raw, model=config_model(sections, Experiment))
    run_stage(STAGE, config, run)
    results = load_results(run)
    assert results.scored_languages() == ["de", "sw", "en"]
    targets = [results.of("fused", lang) for lang in ("de", "sw")]
    mean = results.of("fused", None)
    assert mean and mean.f1 == pytest.approx(sum(s.f1 for s in targets if s) / 2)
    assert "en" not in {c.lang for c in results.comparisons}


@pytest.mark.parametrize("bare", [["de"], ["de", "sw"]])
def test_a_test_set_without_gold_entities_gives_a_sentence_and_no_score(
    tmp_path: Path, bare: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_run(tmp_path, test_types={lang: [] for lang in bare})
    out = evaluated(folder).folder
    results = load_results(folder)
    scored = [lang for lang in ("de", "sw") if lang not in bare]
    assert {s.lang for s in results.scores} == set(scored)
    assert {s.lang for s in results.summary} == set(scored), "no mean over one language"
    told = "the German test set has no labelled entity in its 150 sentences"
    assert any(told in line for line in results.unscored()) and told in caplog.text
    text = answer(results).text
    assert told[1:] in text and "too small" not in text
    shown_text = rendered(shown(results))
    assert told[1:] in " ".join(shown_text.split())
    for written in [shown_text, text, *(p.read_text() for p in out.glob("*.csv"))]:
        assert "nan" not in written.lower().replace("names no arms", "")
    assert scored or "0.0" not in shown_text


def test_a_type_that_the_gold_data_lacks_has_no_score_of_its_own(tmp_path: Path) -> None:
    folder = write_run(tmp_path, test_types={"de": ["LOC", "PER"]})
    evaluated(folder)
    results = load_results(folder)
    assert results.of("fused", "de", "ORG") is None and results.of("fused", "sw", "ORG")
    assert results.of("fused", None, "ORG") is None, "no mean of one language"
    assert results.of("fused", None, "PER") and results.of("fused", "de")
