"""Weights in blocks of 8 bits, in files small enough to be carried from machine to machine.

A matrix is cut into blocks of 32 numbers, each with a float16 scale; of one tensor all scales come
first. Vectors, and matrices whose width is not a multiple of 32, are float16. ``index.json`` says
which tensors follow each other in the bytes of ``weights-0.bin``, ``weights-1.bin``, …
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

WIDTH = 32
FILE_BYTES = 14 * 2**20


def write_blocks(folder: Path, tensors: Mapping[str, np.ndarray], note: str = "") -> None:
    """Write the tensors; what the folder held is replaced file by file, the index last."""
    index, parts = [], []
    for name, array in tensors.items():
        quantised = array.ndim == 2 and array.shape[1] % WIDTH == 0
        data = _eight_bits(array) if quantised else array.astype(np.float16).tobytes()
        index.append([name, "q8" if quantised else "f16", list(array.shape), len(data)])
        parts.append(data)
    data = b"".join(parts)
    files = []
    for start in range(0, len(data), FILE_BYTES):
        files.append(f"weights-{start // FILE_BYTES}.bin")
        _replace(folder / files[-1], data[start : start + FILE_BYTES])
    content = json.dumps({"note": note, "files": files, "tensors": index})
    _replace(folder / "index.json", content.encode())


def read_blocks(folder: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a folder, in float32.

    Raises:
        ValueError: If the files are shorter or longer than the index says.
    """
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    data = b"".join((folder / name).read_bytes() for name in index["files"])
    expected = sum(size for *_, size in index["tensors"])
    if len(data) != expected:
        raise ValueError(f"{folder}: {len(data)} bytes of weights, the index says {expected}")
    tensors, start = {}, 0
    for name, kind, shape, size in index["tensors"]:
        block = data[start : start + size]
        start += size
        if kind == "q8":
            blocks = math.prod(shape) // WIDTH
            scales = np.frombuffer(block, np.float16, blocks).astype(np.float32)
            numbers = np.frombuffer(block, np.int8, offset=2 * blocks).reshape(blocks, WIDTH)
            array = numbers * scales[:, None]
        else:
            array = np.frombuffer(block, np.float16).astype(np.float32)
        tensors[name] = array.reshape(shape)
    return tensors


def _eight_bits(array: np.ndarray) -> bytes:
    blocks = array.reshape(-1, WIDTH).astype(np.float32)
    scales = (np.abs(blocks).max(1, keepdims=True) / 127).astype(np.float16)
    safe = np.where(scales == 0, 1, scales).astype(np.float32)
    numbers = np.clip(np.round(blocks / safe), -127, 127).astype(np.int8)
    return scales.tobytes() + numbers.tobytes()


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.write_bytes(data)
    temporary.replace(path)
