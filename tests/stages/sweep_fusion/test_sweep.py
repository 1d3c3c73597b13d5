"""The fusion-layer sweep in a run."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from pipeline.errors import ConfigError
from pipeline.progress import Progress
from pipeline.stage import Ref
from stages.registry import STAGES
from stages.report.sections import fusion_figure
from stages.sweep_fusion.summary import Trial, best_layers, compare, layer_scores
from stages.train.tagger import Tagger
from tests.stages.train.toys import write_corpus
from xlner.api import Runner, load_config

Family = Callable[[str], Path]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return folder


def make_runner(folder: Path, encoder: Path, runs: Path, **changes: Any) -> Runner:
    settings: dict[str, Any] = {
        "name": "sweep",
        "seeds": "[1,2]",
        "languages": "[de,sw]",
        "models.encoder": encoder,
        "labels.map": "{}",
        "data.train": f"{{path: {folder}/train.conll}}",
        "data.dev": f"{{path: {folder}/dev.conll}}",
        "data.test": f"{{path: '{folder}/test.{{lang}}.conll'}}",
        "train": "{learning_rate: 3e-3, max_steps: 8, batch_size: 16, evaluations: 2}",
        "sweep_fusion.layers": "[0,-2]",
        "sweep_fusion.rounds": 200,
    } | {key.replace("__", "."): value for key, value in changes.items()}
    config = load_config("fusion_sweep_conll", [f"{k}={v}" for k, v in settings.items()])
    return Runner(config, runs, Progress(Console(file=io.StringIO())))


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_sweep_trains_every_layer_and_sums_up(
    corpus: Path, family: Family, tmp_path: Path
) -> None:
    runner = make_runner(corpus, family("bert"), tmp_path)
    result = runner.run()
    done = {a.manifest.unit for a in result.done if a.manifest.stage == "sweep_fusion"}
    heads = ("none", "dlfa_aif/layer-0", "dlfa_aif/layer-2")
    assert done == {f"{head}/seed-{n}" for head in heads for n in (1, 2)} | {"all"}

    summary = runner.folder.artifact(Ref("sweep_fusion", "all"))
    assert summary is not None
    rows = read(summary.folder / "sweep.csv")
    assert len(rows) == 6 * 3
    assert {r["set"] for r in rows} == {"dev/en", "test/de", "test/sw"}
    for row in rows:
        unit = row["fusion"] + (f"/layer-{row['layer']}" if row["layer"] else "")
        folder = runner.folder.folder(Ref("sweep_fusion", f"{unit}/seed-{row['seed']}"))
        scores = json.loads((folder / "scores.json").read_text())
        assert float(row["f1"]) == pytest.approx(scores["sets"][row["set"]]["f1"], abs=1e-6)
        assert not (folder / "model").exists()
        with np.load(folder / "counts.npz") as counts:
            assert len(counts["test/de"]) == 23 and len(counts["test/sw"]) == 12
    assert (summary.folder / "sweep.png").read_bytes().startswith(b"\x89PNG")
    layers = read(summary.folder / "layers.csv")
    assert {(r["fusion"], r["layer"], r["set"]) for r in layers} == {
        (f, n, s)
        for f, n in (("none", ""), ("dlfa_aif", "0"), ("dlfa_aif", "2"))
        for s in ("dev/en", "test/de", "test/sw", "mean")
    }
    compared = read(summary.folder / "comparison.csv")
    by_dev = [r for r in compared if r["chosen_by"] == "dev/en"]
    assert {r["set"] for r in by_dev} == {"dev/en", "test/de", "test/sw", "mean"}
    figure = fusion_figure(summary.folder / "fusion_curve.csv")
    assert "German" in str(figure.chart) and "Swahili" in str(figure.chart)
    shown = Console(file=io.StringIO(), width=80)
    for item in runner.summaries(result.steps):
        shown.print(item)
    assert "chosen on dev/en" in shown.file.getvalue()  # type: ignore[attr-defined]
    assert make_runner(corpus, family("bert"), tmp_path).run().done == []

    # Another layer and seed: what is there is kept, what is missing is trained.
    more = {"sweep_fusion__layers": "[0,1,2]", "seeds": "[1,2,3]", "train__fusion_layer": 1}
    shutil.rmtree(runner.folder.folder(Ref("sweep_fusion", "dlfa_aif/layer-2/seed-1")))
    again = make_runner(corpus, family("bert"), tmp_path, **more).run()
    assert {a.manifest.unit for a in again.done} == {
        "dlfa_aif/layer-2/seed-1",
        "dlfa_aif/layer-1/seed-1",
        "dlfa_aif/layer-1/seed-2",
        *(f"{h}/seed-3" for h in (*heads, "dlfa_aif/layer-1")),
        "all",
    }
    third = runner.folder.artifact(Ref("sweep_fusion", "dlfa_aif/layer-2/seed-1"))
    assert third is not None
    first = next(a for a in result.done if a.manifest.unit == "dlfa_aif/layer-2/seed-1")
    assert third.manifest.files == first.manifest.files  # the same training, the same bytes


def test_taggers_are_kept_if_asked_for(corpus: Path, family: Family, tmp_path: Path) -> None:
    changes = {"seeds": "[1]", "sweep_fusion__fusions": "[scalar_mix]"}
    runner = make_runner(
        corpus, family("bert"), tmp_path, sweep_fusion__keep_models=True, **changes
    )
    runner.run()
    kept = runner.folder.folder(Ref("sweep_fusion", "scalar_mix/seed-1")) / "model"
    assert Tagger.from_pretrained(kept).predict([["Anna"]]) is not None
    # Nothing to compare with, and no layer: the tables are there, and say so.
    folder = runner.folder.folder(Ref("sweep_fusion", "all"))
    assert read(folder / "comparison.csv") == [] and read(folder / "fusion_curve.csv") == []


def test_what_is_wrong_is_found_before_anything_is_loaded(
    corpus: Path, family: Family, tmp_path: Path
) -> None:
    def problems(**changes: Any) -> list[str]:
        runner = make_runner(corpus, family("bert"), tmp_path, **changes)
        with pytest.raises(ConfigError) as raised:
            runner.check(runner.tasks())
        return raised.value.problems

    found = problems(sweep_fusion__layers="[1,3]")
    assert len(found) == 1 and found[0].startswith("sweep_fusion.layers: fusion layer 3 does not")
    found = problems(data__test="null")
    assert found == ["data.test: a sweep needs test data in at least one target language"]
    found = problems(models__encoder="some/encoder", sweep_fusion__layers="null")
    assert len(found) == 1 and "name the layers, counted from 0" in found[0]
    with pytest.raises(ConfigError, match="named twice"):
        problems(sweep_fusion__fusions="[none,none]")


def trial(fusion: str, layer: int | None, seed: int, correct: float, noise: int = 0) -> Trial:
    rng = np.random.default_rng(noise)
    right = (rng.random(400) < correct).astype(np.int64)
    counts = np.stack([right, np.ones(400, np.int64), np.ones(400, np.int64)], axis=1)
    return Trial(fusion, layer, seed, {"dev/en": counts, "test/de": counts})


def test_the_layer_is_chosen_on_source_dev_and_tested_against_none() -> None:
    trials = [trial("none", None, s, 0.5, s) for s in range(5)]
    trials += [trial("dlfa_aif", 0, s, 0.4, 10 + s) for s in range(5)]
    trials += [trial("dlfa_aif", 3, s, 0.7, 20 + s) for s in range(5)]
    layers = layer_scores(trials)
    best = best_layers(layers)
    assert {(b.by, b.layer) for b in best} == {("dev/en", 3), ("test/de", 3)}
    found = compare(trials, best, "dev/en", 1000, 1)
    on_test = next(c for c in found if c.chosen_by == "dev/en" and c.set == "test/de")
    assert on_test.layer == 3 and on_test.seeds == 5
    base = [t.f1("test/de") for t in trials[:5]]
    ours = [t.f1("test/de") for t in trials[10:]]
    assert on_test.base_mean == pytest.approx(np.mean(base))
    assert on_test.base_sd == pytest.approx(np.std(base, ddof=1))
    assert on_test.difference == pytest.approx(np.mean(ours) - np.mean(base))
    assert on_test.p_seeds is not None and on_test.p_seeds < 0.01
    assert on_test.p_sentences < 0.01 and on_test.p_adjusted == on_test.p_sentences
    same = [*trials[:5], *(trial("dlfa_aif", 0, s, 0.5, s) for s in range(5))]
    [equal, _] = [
        c
        for c in compare(same, best_layers(layer_scores(same)), "dev/en", 1000, 1)
        if c.chosen_by == "dev/en"
    ]
    assert equal.difference == 0 and equal.p_seeds is None and equal.p_sentences == 1.0


def test_the_shipped_sweeps_cover_every_layer_with_five_seeds() -> None:
    for name, languages in (("conll", ["de", "es", "nl"]), ("wikiann", ["de", "fr", "nl"])):
        config = load_config(f"fusion_sweep_{name}")
        assert config.languages == languages and len(config.seeds) >= 5
        stage = STAGES["sweep_fusion"]
        options: Any = stage.options(config)
        assert options.layers is None and "none" in options.fusions
