"""Sweeps: what they expand to, what is refused, and what comes of one in a run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.errors import ConfigError
from pipeline.progress import Progress
from pipeline.resources import shipped_root
from pipeline.stage import Ref
from stages.evaluate.results import load_results
from stages.evaluate.sweeps import sweep_pairs, sweep_result
from stages.experiment import Experiment, experiment
from stages.sweeps import Sweep
from tests.stages.train.toys import write_corpus
from tests.tiny.encoders import build_family
from xlner.api import Runner, load_config, parse_config

DATA = {"train": {"path": "t"}, "dev": {"path": "d"}, "test": {"path": "{lang}"}}
LAYERS = {"like": "fused", "over": {"train.fusion_layer": [1, 0]}}


def parse(**values: Any) -> Experiment:
    raw = {"name": "t", "languages": ["de"], "data": DATA, "arms": ["zero_shot"], **values}
    return experiment(parse_config(raw))


def test_a_sweep_stands_for_one_arm_per_combination() -> None:
    over = {"train.fusion_layer": [0, 2], "train.aif_norm": ["layer", "none"], "seed": [1, 2]}
    config = parse(sweep={"like": "fused", "over": over, "set": {"train.epochs": 2}})
    (sweep,) = config.sweeps
    assert sweep.points == {
        "fused-fusion_layer-0-aif_norm-layer": (0, "layer"),
        "fused-fusion_layer-0-aif_norm-none": (0, "none"),
        "fused-fusion_layer-2-aif_norm-layer": (2, "layer"),
        "fused-fusion_layer-2-aif_norm-none": (2, "none"),
    }
    assert sweep.against == "zero_shot"
    assert config.compared == ["zero_shot", *sweep.points]
    arm = config.recipes["fused-fusion_layer-2-aif_norm-none"]
    assert arm.settings == {
        "train.epochs": 2,
        "train.fusion_layer": 2,
        "train.aif_norm": "none",
    }
    # The only seeds that are named are those of the baseline, too.
    assert arm.seeds == (1, 2) and config.seeds == [1, 2]


def test_all_layers_and_negative_ones_are_counted_from_the_embeddings() -> None:
    every = parse(sweep={"like": "fused", "over": {"train.fusion_layer": "all"}})
    depth = len(every.sweeps[0].points)
    assert depth >= 4
    assert [v for (v,) in every.sweeps[0].points.values()] == list(range(depth))
    last = parse(sweep={"like": "fused", "over": {"train.fusion_layer": [-2, depth - 1, 0]}})
    assert list(last.sweeps[0].points) == [
        f"fused-fusion_layer-{depth - 1}",
        "fused-fusion_layer-0",
    ]


@pytest.mark.parametrize(
    ("sweep", "told"),
    [
        ({"like": "fussed", "over": {"train.epochs": [1]}}, "unknown arm 'fussed' (did you mean"),
        ({"like": "fused"}, "sweep.0.over: this key is required"),
        ({"like": "fused", "over": {"train.epochs": "all"}}, "only train.fusion_layer can be"),
        ({"like": "fused", "over": {"train.epochs": [1, 1]}}, "a value is named twice"),
        ({"like": "fused", "over": {"seed": [1]}}, "name an option beside seed"),
        ({"like": "fused", "over": {"train.epoch": [1]}}, "unknown key 'train.epoch' (did you me"),
        ({"like": "fused", "over": {"train.epochs": [-1]}}, "train.epochs: Input should be gre"),
        ({"like": "fused", "over": {"align.layer": [1]}}, "'align.layer' is not for one arm al"),
        ({"like": "fused", "over": {"train.fusion_layer": [99]}}, "fusion layer 99 does not"),
        ({**LAYERS, "against": "fused"}, "sweep.against: 'fused' is not among the arms"),
        ([LAYERS, LAYERS], "sweep: there is an arm 'fused-fusion_layer-1' already"),
        (
            {"like": "fused", "over": {"train.epochs": [1], "seed": [7]}},
            "sweep.over.seed: 'zero_shot', which the arms are compared with, has the seeds [13]",
        ),
    ],
)
def test_what_is_wrong_with_a_sweep_is_said(sweep: Any, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(sweep=sweep, seeds=[13])
    assert any(told in p for p in error.value.problems), error.value.problems


def test_the_layers_of_an_encoder_that_is_not_here_are_to_be_named() -> None:
    models = {"encoder": "some/encoder"}
    with pytest.raises(ConfigError, match=r"name the layers, counted from 0"):
        parse(models=models, sweep={"like": "fused", "over": {"train.fusion_layer": "all"}})
    named = parse(models=models, sweep=LAYERS)
    assert len(named.sweeps[0].points) == 2


def test_what_source_dev_chooses_is_compared_and_nothing_else() -> None:
    points = {"a": (1,), "b": (2,), "c": (3,)}
    sweep = Sweep("s", ("train.epochs",), points, {}, "zero_shot")
    dev = {
        "zero_shot": {1: 0.9, 2: 0.9},
        "a": {1: 0.5, 2: 0.5},
        "b": {1: 0.4, 2: 0.8},
        "c": {1: 0.6, 2: 0.6},
    }
    assert sweep_pairs([sweep], dev) == [("b", "zero_shot")], "the first of equals"
    assert sweep_pairs([sweep], {}) == [(x, "zero_shot") for x in points]
    result = sweep_result(sweep, [], [], dev, ["de"])
    assert result.chosen == "b"
    assert [(p.arm, p.values) for p in result.points] == [
        ("zero_shot", []),
        ("a", [1]),
        ("b", [2]),
        ("c", [3]),
    ]
    assert result.points[2].difference == pytest.approx(-0.3)


Family = Callable[[str], Path]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_family("bert", tmp_path_factory.mktemp("families"))


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
        "sweep.over": "{train.fusion_layer: [0, -2]}",
        "evaluate": "{rounds: 200, resamples: 100}",
    } | {key.replace("__", "."): value for key, value in changes.items()}
    config = load_config("fusion_sweep_conll", [f"{k}={v}" for k, v in settings.items()])
    return Runner(config, runs, Progress(Console(file=io.StringIO())))


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_sweep_in_a_run(bert: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path)
    runner = make_runner(tmp_path, bert, tmp_path / "runs")
    result = runner.run()
    done = {a.manifest.unit for a in result.done if a.manifest.stage == "train"}
    heads = ("zero_shot", "fused-fusion_layer-0", "fused-fusion_layer-2")
    assert done == {f"{head}/seed-{n}" for head in heads for n in (1, 2)}

    folder = runner.folder.folder(Ref("report", "all"))
    results = load_results(folder)
    (sweep,) = results.sweeps
    assert sweep.chosen in heads[1:] and sweep.against == "zero_shot"
    assert {(c.first, c.second) for c in results.comparisons} == {(sweep.chosen, "zero_shot")}
    rows = read(folder / "sweeps.csv")
    assert {(r["arm"], r["key"], r["lang"]) for r in rows} == {
        (head, key, lang)
        for head in heads
        for key, lang in (("dev", ""), ("test", "de"), ("test", "sw"), ("test", ""))
    }
    scores = read(folder / "scores.csv")
    for row in rows:
        if row["lang"]:
            mine = [
                float(s["f1"])
                for s in scores
                if (s["arm"], s["lang"], s["type"]) == (row["arm"], row["lang"], "")
            ]
            assert float(row["f1"]) == pytest.approx(sum(mine) / 2, abs=1e-5)
    svg = (folder / "sweep-fused.svg").read_text()
    assert svg.startswith("<svg xmlns=") and "German" in svg and "source dev" in svg
    assert '<section id="sweeps">' in (folder / "report.html").read_text()
    shown = Console(file=io.StringIO(), width=100)
    for item in runner.summaries(result.steps):
        shown.print(item)
    told = shown.file.getvalue()  # type: ignore[attr-defined]
    assert "fused: F1 by train.fusion_layer" in told and "source dev chooses" in told
    assert make_runner(tmp_path, bert, tmp_path / "runs").run().done == []

    # Another layer and seed: what is there is kept, what is missing is trained.
    more = {"sweep__over": "{train.fusion_layer: [0, 1, 2]}", "seeds": "[1,2,3]"}
    again = make_runner(tmp_path, bert, tmp_path / "runs", **more).run()
    assert {a.manifest.unit for a in again.done if a.manifest.stage == "train"} == {
        "fused-fusion_layer-1/seed-1",
        "fused-fusion_layer-1/seed-2",
        *(f"{h}/seed-3" for h in (*heads, "fused-fusion_layer-1")),
    }


@pytest.mark.parametrize("name", ["fusion_sweep_conll", "fusion_sweep_wikiann"])
def test_the_sweeps_that_ship_cover_every_layer_with_five_seeds(name: str) -> None:
    config = experiment(load_config(name, ["data.root=."]))
    (sweep,) = config.sweeps
    assert sweep.against == "zero_shot" and len(config.seeds) == 5
    encoder = json.loads((shipped_root() / "artifacts/models/encoder/config.json").read_text())
    assert len(sweep.points) == encoder["num_hidden_layers"]


@pytest.mark.parametrize(
    ("name", "pairs"), [("ablation", 9), ("benchmarks/tagger/what_helps.yaml", 17)]
)
def test_the_comparisons_that_ship_compare_all_that_they_train(name: str, pairs: int) -> None:
    config = experiment(load_config(name, ["data.root=."]))
    compared: Any = config.evaluate.pairs  # type: ignore[attr-defined]
    assert len(compared) == pairs == len(config.arms) - 1
    assert {arm for pair in compared for arm in pair} == set(config.arms)


def test_a_section_of_before_is_read_as_what_it_is_now(caplog: pytest.LogCaptureFixture) -> None:
    raw = {
        "arms": [],
        "stages": ["prepare", "sweep_fusion"],
        "sweep_fusion": {"fusions": ["none", "dlfa_aif", "scalar_mix"], "layers": [0, 2]},
        "report": {"fusion_curve": "x.csv", "html": False},
    }
    config = parse(**raw)
    assert config.stages is None and list(config.arms) == ["zero_shot", "scalar_mix"]
    (sweep,) = config.sweeps
    assert list(sweep.points) == ["dlfa_aif-fusion_layer-0", "dlfa_aif-fusion_layer-2"]
    assert sweep.against == "zero_shot"
    assert 'write: arms: ["zero_shot", {"scalar_mix"' in caplog.text
    assert "report.fusion_curve: a run draws its own sweeps" in caplog.text


def test_keys_of_before_are_read_by_their_new_names(caplog: pytest.LogCaptureFixture) -> None:
    raw = {
        "train": {"label_pieces": "all"},
        "arms": [{"mine": {"like": "zero_shot", "set": {"train.label_pieces": "first"}}}],
        "sweep": {"like": "zero_shot", "over": {"train.label_pieces": ["first", "all"]}},
    }
    config = parse(**raw)
    assert config.train.label_subwords == "all"  # type: ignore[attr-defined]
    assert config.arms["mine"].set == {"train.label_subwords": "first"}
    assert [p for s in config.sweeps for p in s.points] == [
        "zero_shot-label_subwords-first",
        "zero_shot-label_subwords-all",
    ]
    assert 'write: train.label_subwords: "all"' in caplog.text
    old = parse(pretrain_encoder={"pieces": 300, "max_pieces": 90})
    assert (old.pretrain_encoder.subwords, old.pretrain_encoder.max_subwords) == (300, 90)  # type: ignore[attr-defined]


def test_keys_that_are_gone_are_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    member = {"aligner": "simalign", "backend": "torch"}
    raw = {
        "align": {"aligner": "ensemble", "members": [member, {"aligner": "statistical"}]},
        "arms": [
            {"mine": {"like": "fused", "set": {"train.max_steps": 9, "align.backend": "auto"}}}
        ],
    }
    config = parse(**raw)
    assert config.arms["mine"].set == {"train.max_steps": 9}
    assert "members.backend: encoders are computed by torch" in caplog.text
    assert "align.backend: encoders are computed by torch" in caplog.text
    parse(align={"aligner": "simalign", "backend": "ctranslate2", "layer": 3})
