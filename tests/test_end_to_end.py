"""The whole pipeline, from the command line, on the sample corpus with tiny random models."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.artifacts import RunFolder
from pipeline.config import DataSource
from pipeline.formats.reading import read_labelled
from pipeline.plan import Selection
from pipeline.resources import shipped_configs, shipped_root
from tests.reliability.tiny_run import STAGES
from tests.shared_data import shared_data
from tests.tiny.encoders import build_family
from tests.tiny.translators import build_marian
from xlner.api import Runner, load_config

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ONE_LANGUAGE = ["--set", "arms=[projected]", "--set", "languages=[de]"]


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    build_marian(folder / "translator", tags=(">>de<<", ">>es<<"), pair=None)
    build_family("bert", folder).rename(folder / "encoder")
    return folder


@pytest.fixture
def config(tmp_path: Path, tiny_models: Path) -> Path:
    return write_tiny_config(tmp_path, tiny_models)


def write_tiny_config(folder: Path, tiny_models: Path) -> Path:
    sample = shipped_root() / "artifacts" / "sample"
    path = folder / "tiny.yaml"
    write_config(
        path,
        languages=["de", "es"],
        data={
            "train": {"path": f"{sample}/en/train.conll", "limit": 60},
            "dev": {"path": f"{sample}/en/dev.conll", "limit": 20},
            "test": {"path": f"{sample}/{{lang}}/test.conll", "limit": 20},
        },
        models={
            "encoder": str(tiny_models / "encoder"),
            "translator": str(tiny_models / "translator"),
        },
        # Random encoders align badly; every projected sentence is wanted here.
        align={"aligner": "simalign", "layer": 1},
        synthesize={"sentences": 100},
        train={"max_steps": 6, "batch_size": 8},
        part_rows=16,
        arms=["zero_shot", "fused", "projected", "self_trained"],
    )
    return path


def write_config(path: Path, **keys: Any) -> None:
    path.write_text(json.dumps(keys), encoding="utf-8")


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "COLUMNS": "200"}


def call(
    name: str, *args: str, cwd: Path, python: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command; with a warm Python where it does not matter how one starts."""
    command = [str(Path(sys.executable).with_name(name)), *args]
    if python is not None:
        command.insert(0, str(python))
    return subprocess.run(
        command, cwd=cwd, env=environment(), capture_output=True, text=True, check=False
    )


def projected(run: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(run)): p.read_bytes()
        for stage in ("prepare", "translate", "align", "project")
        for p in sorted((run / stage).rglob("*.parquet"))
    }


@pytest.mark.slow
def test_the_whole_pipeline_and_a_second_run(config: Path, warm_python: Path) -> None:
    """In one process; ``reliability/test_kills.py`` has all of it in two."""
    folder = config.parent
    first = call("run_pipeline", str(config), "--jobs", "1", cwd=folder, python=warm_python)
    assert first.returncode == 0, first.stderr
    for word in (
        "zero_shot",
        "fused",
        "projected",
        "self_trained",
        "de",
        "es",
        "Written:",
        "inspect_labels tiny",
    ):
        assert word in first.stdout
    run = folder / "artifacts/runs/tiny"
    found = {a.manifest.stage for a in RunFolder(run).artifacts()}
    assert found == set(STAGES)
    for artifact in RunFolder(run).artifacts():
        for table in artifact.tables():
            assert table.num_rows > 0 or artifact.manifest.stage == "synthesize"

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    second = call("run_pipeline", str(config), cwd=folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Processor time, so that the test means the same on a busy machine.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3
    assert second.returncode == 0, second.stderr
    assert "0 tasks done" in second.stdout

    plan = call("run_pipeline", str(config), "--dry-run", "--json", cwd=folder, python=warm_python)
    assert {s["state"] for s in json.loads(plan.stdout)} == {"up to date"}

    changed = ["--set", "project.filters.min_score=0.99", "--dry-run", "--json"]
    plan = call("run_pipeline", str(config), *changed, cwd=folder, python=warm_python)
    assert plan.returncode == 0, plan.stderr
    states = {s["task"]: s["state"] for s in json.loads(plan.stdout)}
    assert states["align/de"] == "up to date"
    assert states["project/de"] == "decide"
    assert states["train/zero_shot/seed-13"] == "up to date"
    assert states["train/projected/seed-13"] == "run"

    words = ("tiny", "--lang", "de", "--sample", "3")
    labels = call("inspect_labels", *words, cwd=folder, python=warm_python)
    assert labels.returncode == 0, labels.stderr
    assert labels.stdout.strip()


@pytest.mark.slow
def test_ctrl_c_stops_a_run_and_the_next_one_ends_with_the_same_data(
    config: Path, warm_python: Path
) -> None:
    """With all that the command loads; ``reliability/test_kills.py`` has every stage and signal."""
    folder = config.parent
    words = [str(config), *ONE_LANGUAGE, "--until", "project"]
    command = [str(Path(sys.executable).with_name("run_pipeline")), *words]
    process = subprocess.Popen(
        command, cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True
    )
    run = folder / "artifacts/runs/tiny"
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if list((run / "align").rglob("*.partial")):
            break
        time.sleep(0.002)
    assert process.poll() is None, "the run ended before align was seen"
    process.send_signal(signal.SIGINT)
    _, told = process.communicate()
    assert process.returncode == -signal.SIGINT
    assert "stopped; what is finished is kept, run the same command again" in told
    assert "Traceback" not in told
    again = call("run_pipeline", *words, "--jobs", "1", cwd=folder, python=warm_python)
    assert again.returncode == 0, again.stderr

    never_stopped = Runner(load_config(str(config), ONE_LANGUAGE[1::2]), folder / "whole")
    never_stopped.run(Selection(last="project"))
    assert projected(run)
    assert projected(run) == projected(never_stopped.folder.path)


@pytest.mark.slow
def test_hub_ids_are_found_in_the_local_hub_cache(
    tmp_path: Path, tiny_models: Path, warm_python: Path, hub_cache: Path
) -> None:
    """The large config, as it stands, with small checkpoints under the real ids."""
    lay_out(hub_cache, "bert-base-multilingual-cased", tiny_models / "encoder")
    build_marian(tmp_path / "en-de")
    lay_out(hub_cache, "Helsinki-NLP/opus-mt-en-de", tmp_path / "en-de")
    corpus = tmp_path / "corpora" / "conll"
    sample = shipped_root() / "artifacts" / "sample"
    for lang, split, name in (
        ("en", "train", "train"),
        ("en", "dev", "dev"),
        ("de", "test", "test"),
    ):
        (corpus / lang).mkdir(parents=True, exist_ok=True)
        shutil.copy(sample / lang / f"{name}.conll", corpus / lang / f"{split}.txt")
    done = call(
        "run_pipeline",
        "conll_large",
        "--jobs=1",
        "--until=train",
        *(f"--set={s}" for s in (
            f"data.root={tmp_path / 'corpora'}",
            "languages=[de]",
            "seeds=[13]",
            "data.train.limit=40",
            "data.dev.limit=10",
            "data.test.de.limit=10",
            "train.max_steps=4",
            "train.fusion_layer=1",
            "align.layer=1",
            "align.aligner=simalign",
            "arms=[projected]",
        )),
        cwd=tmp_path,
        python=warm_python,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    manifest = RunFolder(tmp_path / "artifacts/runs/conll_large")
    trained = next(a for a in manifest.artifacts() if a.manifest.stage == "train")
    assert trained.manifest.identity["files"] == {
        "encoder": f"commit:models--bert-base-multilingual-cased@{COMMIT}"
    }


THREE_WAYS = """
import json, sys
from simalign import SentenceAligner
from xlner.commands.align_words import main
pairs, *commands = json.load(sys.stdin)
aligner = SentenceAligner(matching_methods="a")
links = [sorted(aligner.get_word_aligns(*pair)["inter"]) for pair in pairs]
for command in commands:
    sys.argv = ["align_words", *command]
    try:
        main()
    except SystemExit as left:
        assert not left.code, command
print(json.dumps(links))
"""


@pytest.mark.slow
def test_simalign_finds_its_default_model_in_the_local_hub_cache(
    tmp_path: Path, tiny_models: Path, warm_python: Path, hub_cache: Path
) -> None:
    """simalign's own name for it, ours, and our batched links: one checkpoint, the same links."""
    import torch
    from transformers import AutoConfig, AutoModel

    from model_recipes.encoder.wordpieces import save_wordpiece, train_wordpiece

    texts = [shipped_root() / f"artifacts/sample/parallel/{lang}.conll" for lang in ("en", "de")]
    sides = [
        [row.words for row in read_labelled(DataSource(), path.stem, path=path)] for path in texts
    ]
    pairs = list(zip(*sides, strict=True))
    checkpoint = tmp_path / "mbert"
    text = [
        (path.stem, " ".join(words))
        for path, side in zip(texts, sides, strict=True)
        for words in side
    ]
    vocabulary = train_wordpiece(text, subwords=600, per_language=100, seed=1)
    save_wordpiece(vocabulary, checkpoint, 512)
    shape = AutoConfig.from_pretrained(tiny_models / "encoder")
    shape.num_hidden_layers, shape.max_position_embeddings, shape.vocab_size = 12, 512, 600
    torch.manual_seed(1)
    AutoModel.from_config(shape).save_pretrained(checkpoint)
    lay_out(hub_cache, "bert-base-multilingual-cased", checkpoint)
    # Its precision is float32; ours is the machine's by default.
    ways = {"simalign_reference": [], "simalign": ["--dtype=float32"]}
    commands = [
        [
            *map(str, texts), "--target-lang=de", *precision, f"--aligner={aligner}",
            "--model=bert-base-multilingual-cased", "-o", aligner,
        ]
        for aligner, precision in ways.items()
    ]  # fmt: skip
    done = subprocess.run(
        [warm_python, "-c", THREE_WAYS],
        input=json.dumps([pairs, *commands]),
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    wanted = json.loads(done.stdout.splitlines()[-1])
    assert sum(map(len, wanted)) > 100
    for aligner in ways:
        lines = (tmp_path / aligner).read_text(encoding="utf-8").splitlines()
        found = [sorted([int(n) for n in k.split("-")] for k in line.split()) for line in lines]
        assert found == wanted


def lay_out(hub_cache: Path, name: str, checkpoint: Path) -> None:
    repo = hub_cache / f"models--{name.replace('/', '--')}"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    shutil.copytree(checkpoint, repo / "snapshots" / COMMIT)


@pytest.mark.parametrize("name", sorted(shipped_configs()))
def test_every_shipped_config_is_valid(name: str) -> None:
    config = load_config(name)
    assert config.name == name
    assert name in {"build_models"} or config.languages


@pytest.mark.parametrize("name", ["conll", "wikiann", "masakhaner2", "europarl_projection"])
def test_the_small_configs_plan_on_the_real_corpora(
    name: str, tmp_path: Path, tiny_models: Path, warm_python: Path
) -> None:
    root = shared_data("ner")
    languages = load_config(name).languages
    translator = tmp_path / "translator"
    build_marian(translator, tags=tuple(f">>{code}<<" for code in languages), pair=None)
    settings = {
        "data.root": root,
        "models.encoder": tiny_models / "encoder",
        "models.translator": translator,
        "train.fusion_layer": 1,
    }
    options = [f"--set={key}={value}" for key, value in settings.items()]
    words = (name, *options, "--dry-run", "--json")
    plan = call("run_pipeline", *words, cwd=tmp_path, python=warm_python)
    assert plan.returncode == 0, plan.stderr
    tasks = {s["task"] for s in json.loads(plan.stdout)}
    assert {f"project/{code}" for code in languages} <= tasks
    assert "report/all" in tasks


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["defualt"], 2, "no config named 'defualt' (did you mean 'default'?)"),
        (["default", "--set", "seeed=3"], 2, "unknown key 'seeed' (did you mean 'seed'?)"),
        (["default", "--from", "algin"], 2, "no stage named 'algin' (did you mean 'align'?)"),
        (["default", "--set", "models.encoder=no/such/dir"], 2, "model folder not found"),
        (["default", "--set", "languages=[de, ja]"], 2, "ja"),
        (["default", "--set", "data.train.path=nowhere.conll"], 2, "nowhere.conll"),
        (["default", "--set", "train.fusion_layer=99"], 2, "train.fusion_layer"),
        (["default", "--no-such-option"], 2, "No such option"),
    ],
)
def test_bad_usage_and_config_leave_with_2_before_anything_runs(
    tmp_path: Path, args: list[str], code: int, message: str, warm_python: Path
) -> None:
    result = call("run_pipeline", *args, cwd=tmp_path, python=warm_python)
    assert result.returncode == code, result.stderr
    assert message in result.stderr
    assert not (tmp_path / "artifacts").exists()
