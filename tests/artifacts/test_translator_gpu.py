"""The kit that trains the translator on a machine without this project."""

from __future__ import annotations

import argparse
import importlib.util
import json
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import MarianMTModel, MarianTokenizer

from tests.model_recipes.translator.test_translator_training import tiny_config

SCRIPTS = Path(__file__).resolve().parents[2] / "artifacts/models/build/translator_gpu"


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kit")
    arguments = argparse.Namespace(
        folder=folder / "kit", phrases=3, light_share=0.3, held_out=4, seed=1
    )
    config = tiny_config(folder, 1)
    parallel = tuple(s.model_copy(update={"hold_out": True}) for s in config.corpus.parallel)
    corpus = {"parallel": parallel, "held_out_per_mille": 100}
    config = config.model_copy(update={"corpus": config.corpus.model_copy(update=corpus)})
    loaded(SCRIPTS / "pack.py").pack(config, arguments)
    return folder / "kit"


def test_what_is_trained_there_is_an_ordinary_model_here(kit: Path, tmp_path: Path) -> None:
    command = [sys.executable, "run.py", "--smoke", "--device", "cpu", "--workers", "1"]
    done = subprocess.run(
        [*command, "--tokens", "200", "--out", str(tmp_path / "out")],
        cwd=kit,
        env={"OMP_NUM_THREADS": "1", "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["steps"] >= 10
    assert set(report["chrF"]) == {"en-de", "de-en", "en-es", "es-en"}
    folders = [str(folder) for folder in (kit, tmp_path / "out", tmp_path / "model")]
    subprocess.run([sys.executable, str(SCRIPTS.parent / "assemble.py"), *folders], check=True)
    tokenizer = MarianTokenizer.from_pretrained(tmp_path / "model")
    theirs = MarianMTModel.from_pretrained(tmp_path / "model").eval()
    batch = tokenizer([">>de<< Tom sees dog.", ">>es<< Mary"], return_tensors="pt", padding=True)
    pad = tokenizer.pad_token_id
    code = loaded(kit / "model.py")
    shape = json.loads((kit / "settings.json").read_text())["shape"]
    ours = code.Model(code.Shape(**shape), pad + 1, torch.device("cpu"), torch.float32)
    ours.training = False
    state = load_file(tmp_path / "out/weights-1.safetensors")
    state |= load_file(tmp_path / "out/weights-2.safetensors")
    # Whatever export calls a weight is where it was.
    numbered = torch.arange(ours.master.numel(), dtype=torch.float64)
    with torch.no_grad():
        for name, exported in _export64(ours, numbered).items():
            ours.master[exported.flatten().long()] = state[name].float().flatten()
    ours.sync()
    target = batch.input_ids
    start = torch.cat([torch.full_like(target[:, :1], pad), target[:, :-1]], 1)
    with torch.no_grad():
        logits = theirs(**batch, decoder_input_ids=start).logits[..., :pad]
        found = ours.logits(batch.input_ids, target)
    real = batch.attention_mask.bool()
    assert torch.allclose(found[real], logits[real], atol=1e-4)


def test_a_training_is_taken_up_where_it_was_stopped(kit: Path, tmp_path: Path) -> None:
    def leg() -> tuple[dict[str, Any], str]:
        command = [sys.executable, "run.py", "--smoke", "--device", "cpu", "--threads", "1"]
        running = subprocess.Popen(
            [*command, "--tokens", "200", "--of", "1", "--out", str(tmp_path)],
            cwd=kit,
            env={"OMP_NUM_THREADS": "1", "PATH": "/usr/bin"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert running.stdout is not None
        lines = []
        for line in running.stdout:
            lines.append(line)
            if " held " in line:
                running.send_signal(signal.SIGTERM)
        assert running.wait() == 0
        report: dict[str, Any] = json.loads((tmp_path / "report.json").read_text())
        return report, "".join(lines)

    first, said = leg()
    assert "goes on" not in said
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["trainer"]["steps"] == first["steps"] > 0
    second, said = leg()
    assert f"goes on at step {first['steps']}" in said
    assert second["steps"] > first["steps"]
    assert second["hours_of_training"] >= first["hours_of_training"]
    assert second["target_positions_with_padding"] > first["target_positions_with_padding"]


def test_a_restored_trainer_does_what_the_other_would_have_done(kit: Path, tmp_path: Path) -> None:
    model, trainer = loaded(kit / "model.py"), loaded(kit / "trainer.py")
    shape = json.loads((kit / "settings.json").read_text())["shape"] | {"dropout": 0.2}
    source = torch.tensor([[5, 6, 7, 0], [8, 9, 0, 49]])
    target = torch.tensor([[4, 6, 0], [9, 0, 49]])

    def fresh() -> Any:
        made = model.Model(model.Shape(**shape), 50, torch.device("cpu"), torch.float32)
        return trainer.Trainer(made, 1e-3, fused=True)

    one = fresh()
    for k in range(3):
        one.step(source, target, k / 10)
    trainer.write_state(tmp_path / "state.pt", one.state())
    for k in range(3, 5):
        one.step(source, target, k / 10)
    other = fresh()
    assert trainer.read_state(tmp_path / "none.pt") is None
    other.restore(trainer.read_state(tmp_path / "state.pt"))
    assert other.steps == 3
    for k in range(3, 5):
        other.step(source, target, k / 10)
    assert torch.equal(one.model.master, other.model.master)
    assert torch.equal(one.mean, other.mean)


def test_batches_made_here_go_on_in_the_middle_of_a_shard(kit: Path) -> None:
    code = """
import itertools, sys
sys.argv = ["run.py"]
from run import Made
whole = list(itertools.islice(Made(30, 100, (0, 0)), 12))
first = Made(30, 100, (0, 0))
begun = list(itertools.islice(first, 5))
rest = list(itertools.islice(Made(30, 100, first.place), 7))
assert first.place != (0, 0)
for a, b in zip(whole, begun + rest, strict=True):
    assert (a[0] == b[0]).all() and (a[1] == b[1]).all()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=kit, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _export64(model: object, flat: torch.Tensor) -> dict[str, torch.Tensor]:
    """What `export` does, in numbers that are large enough to be places."""
    halves = torch.Tensor.half, torch.Tensor.float
    torch.Tensor.half = torch.Tensor.float = lambda self: self  # type: ignore[assignment]
    try:
        found: dict[str, torch.Tensor] = model.export(flat)  # type: ignore[attr-defined]
        return found
    finally:
        torch.Tensor.half, torch.Tensor.float = halves  # type: ignore[method-assign]
