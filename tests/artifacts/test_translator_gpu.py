"""The kit that trains the translator on a machine without this project."""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

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
    subprocess.run([sys.executable, str(SCRIPTS / "assemble.py"), *folders], check=True)
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


def _export64(model: object, flat: torch.Tensor) -> dict[str, torch.Tensor]:
    """What `export` does, in numbers that are large enough to be places."""
    halves = torch.Tensor.half, torch.Tensor.float
    torch.Tensor.half = torch.Tensor.float = lambda self: self  # type: ignore[assignment]
    try:
        found: dict[str, torch.Tensor] = model.export(flat)  # type: ignore[attr-defined]
        return found
    finally:
        torch.Tensor.half, torch.Tensor.float = halves  # type: ignore[method-assign]
