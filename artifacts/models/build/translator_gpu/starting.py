"""Lets a packed kit start from a pretrained encoder (a BART's lower half), or from a translator.

    python artifacts/models/build/translator_gpu/pack.py FOLDER
    python artifacts/models/build/translator_gpu/starting.py FOLDER artifacts/models/encoder
    cd FOLDER && python3 run.py --device cpu --threads 1 --hours 2 --of 20 --hold --out OUT
    cd FOLDER && python3 run.py --device cpu --hold --cool OUT/state.pt --minutes 20 --out COOL

Writes into the kit `tokenizer.json`, the encoder's own with the subwords that the kit's text needs
most (and the languages, tags and slots), `start.safetensors`, the weights to start from, and the
shape. The encoder's lowest layers become the translator's encoder; a decoder layer begins as one of
them, with fresh attention to the source (Rothe, Narayan and Severyn 2020, TACL 8). Given a
translator of `train_translator`, or one that was made like this, it goes on from that instead, with
its shape and subwords.
"""

from __future__ import annotations

import argparse
import json
import lzma
import math
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_recipes.translator.sentencepieces import CHARACTER_MAP, LETTERS, tag
from model_recipes.translator.tags import tag_symbols
from xlner.trimming.selection import choose
from xlner.trimming.words import count_words

if TYPE_CHECKING:
    from torch import Tensor

RARE = 20
"""A character that is seen less often, and is none of `LETTERS`, gets no subword."""
_BERT = {
    "out": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "fc1": "intermediate.dense",
    "fc2": "output.dense",
    "norm3": "output.LayerNorm",
}
_QKV = [f"attention.self.{name}" for name in ("query", "key", "value")]


def main() -> None:
    """Write the tokenizer, the weights and the shape."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kit", type=Path)
    parser.add_argument(
        "encoder", type=Path, help="a BERT with a Unigram tokenizer.json, or a translator"
    )
    parser.add_argument("--layers", type=int, default=3, help="of the encoder, from the bottom")
    parser.add_argument("--decoder", type=int, nargs="+", default=[2], help="layers it copies")
    parser.add_argument("--subwords", type=int, default=11_500)
    parser.add_argument("--positions", type=int, default=256)
    arguments = parser.parse_args()
    kit: Path = arguments.kit
    settings = json.loads((kit / "settings.json").read_text(encoding="utf-8"))
    bert = json.loads((arguments.encoder / "config.json").read_text(encoding="utf-8"))
    if bert["model_type"] in ("marian", "bart"):
        go_on(kit, arguments.encoder, bert, settings)
        return
    found = json.loads((arguments.encoder / "tokenizer.json").read_text(encoding="utf-8"))
    texts = read_texts(kit, settings)
    tokenizer, old = cut_tokenizer(found, texts, settings, arguments.subwords)
    (kit / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    settings["family"] = "bart"
    settings["shape"] = {
        "width": bert["hidden_size"],
        "heads": bert["num_attention_heads"],
        "feed_forward": bert["intermediate_size"],
        "encoder_layers": arguments.layers,
        "decoder_layers": len(arguments.decoder),
        "dropout": 0.1,
        "max_positions": arguments.positions,
    }
    (kit / "settings.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
    write_start(kit, arguments, old, frequencies(tokenizer, texts))


def go_on(kit: Path, folder: Path, config: dict[str, Any], settings: dict[str, Any]) -> None:
    """Write subwords, shape and weights of a `MarianMTModel`, or of a BART that was made here."""
    import torch
    from bart import Bart
    from model import FUSED, PLAIN
    from safetensors.torch import load_file, save_file

    settings["shape"] = {
        "width": config["d_model"],
        "heads": config["encoder_attention_heads"],
        "feed_forward": config["encoder_ffn_dim"],
        "encoder_layers": config["encoder_layers"],
        "decoder_layers": config["decoder_layers"],
        "dropout": config["dropout"],
        "max_positions": config["max_position_embeddings"],
    }
    given = load_file(folder / "model.safetensors")
    found = {"embed": given["model.shared.weight"]}
    if config["model_type"] == "bart":
        settings["family"] = "bart"
        shutil.copyfile(folder / "tokenizer.json", kit / "tokenizer.json")
        found |= {ours: given[theirs] for ours, theirs in Bart.others.items()}
    else:
        shutil.copyfile(folder / "source.spm", kit / "pieces.model")
        (kit / "embeddings.npy").unlink(missing_ok=True)
    for part in ("encoder", "decoder"):
        for k in range(config[f"{part}_layers"]):
            before = f"model.{part}.layers.{k}"
            for kind in ("weight", "bias"):
                for unit, name in PLAIN.items():
                    if f"{before}.{name}.{kind}" in given:
                        found[f"{part}.{k}.{unit}.{kind}"] = given[f"{before}.{name}.{kind}"]
                for unit, names in FUSED.items():
                    if f"{before}.{names[0]}.{kind}" in given:
                        fused = [given[f"{before}.{name}.{kind}"] for name in names]
                        found[f"{part}.{k}.{unit}.{kind}"] = torch.cat(fused)
    save_file({k: v.contiguous() for k, v in found.items()}, kit / "start.safetensors")
    (kit / "settings.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")


def read_texts(kit: Path, settings: dict[str, Any]) -> dict[str, list[str]]:
    """The kit's text by language."""

    def unpack(name: str) -> list[str]:
        return lzma.decompress((kit / name).read_bytes()).decode().split("\n")

    codes = settings["languages"]
    return {settings["pivot"]: unpack("pivot.xz"), **{c: unpack(f"{c}.t.xz") for c in codes}}


def cut_tokenizer(
    tokenizer: dict[str, Any], texts: dict[str, list[str]], settings: dict[str, Any], size: int
) -> tuple[dict[str, Any], list[int | None]]:
    """The tokenizer with `size` subwords, and of each the old number, if it had one.

    Their order is Marian's: end, unknown, languages, subwords, padding. Quotation marks and dashes
    are unified and digits stand alone, as in the vocabulary that `train_translator` makes.
    """
    from tokenizers import Tokenizer

    cut = json.loads(json.dumps(tokenizer))
    rules = [
        {"type": "Replace", "pattern": {"String": a}, "content": b}
        for a, b in CHARACTER_MAP.items()
    ]
    cut["normalizer"]["normalizers"][:0] = rules
    special = {token["content"] for token in cut["added_tokens"]}
    model = cut["model"]
    numbers = {piece: number for number, (piece, _) in enumerate(model["vocab"])}

    def plain(piece: str) -> bool:
        bare = piece.removeprefix("\u2581")
        return piece not in special and (len(bare) == 1 or not any(c.isdigit() for c in bare))

    unknown = model["vocab"][model["unk_id"]]
    model["vocab"] = [unknown, *(entry for entry in model["vocab"] if plain(entry[0]))]
    model["unk_id"] = 0
    cut["added_tokens"] = []
    backend = Tokenizer.from_str(json.dumps({**cut, "post_processor": None}))
    counts = {code: count_words(rows, backend) for code, rows in texts.items()}
    characters: Counter[str] = Counter()
    for words in counts.values():
        for word, count in words.items():
            characters.update(dict.fromkeys(word, count))
    usual = {c for c, count in characters.items() if count >= RARE} | set(LETTERS)
    mixed: dict[str, float] = {}
    for words in counts.values():
        total = sum(words.values())
        for word, count in words.items():
            if set(word) <= usual:
                mixed[word] = mixed.get(word, 0.0) + count / total
    languages = [tag(code) for code in texts]
    symbols = tag_symbols()
    first, last = ["</s>", unknown[0], *languages], [*symbols, "<pad>"]
    known = {piece for piece, _ in model["vocab"]}
    required = {c for c in LETTERS if c in known} | {unknown[0], "\u2581"}
    room = size - len(first) - len(last) + 1
    kept = choose(cut, mixed, room, required=required) - {unknown[0]}
    pieces = [entry for entry in model["vocab"] if entry[0] in kept]
    # Symbols win against whatever else they could be cut into.
    new = [*([w, 0.0] for w in first), *pieces, *([w, 0.0] for w in last)]
    model["vocab"], model["unk_id"] = new, 1
    place = {entry[0]: number for number, entry in enumerate(new)}
    cut["added_tokens"] = [
        {
            "id": place[word],
            "content": word,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for word in (*first, "<pad>")
    ]
    end = {"</s>": {"id": "</s>", "ids": [0], "tokens": ["</s>"]}}
    single: list[Any] = [{"Sequence": {"id": "A", "type_id": 0}}]
    single.append({"SpecialToken": {"id": "</s>", "type_id": 0}})
    pair = [*single, {"Sequence": {"id": "B", "type_id": 0}}, single[1]]
    cut["post_processor"] = {
        "type": "TemplateProcessing",
        "single": single,
        "pair": pair,
        "special_tokens": end,
    }
    old = [numbers.get(entry[0]) for entry in new]
    start = numbers["<s>"]
    for word in languages:
        old[place[word]] = start  # what stands at the first place of a text
    return cut, old


def frequencies(tokenizer: dict[str, Any], texts: dict[str, list[str]]) -> list[float]:
    """Logarithms of how often subwords occur, English counting as all others together."""
    from tokenizers import Tokenizer

    backend = Tokenizer.from_str(json.dumps(tokenizer))
    size = len(tokenizer["model"]["vocab"])
    total = [0.0] * size
    pivot = next(iter(texts))
    for code, rows in texts.items():
        counts: Counter[int] = Counter()
        for encoded in backend.encode_batch(rows[:: max(1, len(rows) // 30_000)]):
            counts.update(encoded.ids)
        whole, weight = sum(counts.values()), (len(texts) - 1) * 3 / 7 if code == pivot else 1.0
        for number, count in counts.items():
            total[number] += weight * count / whole
    mass = sum(total)
    # One that is not seen counts as seen half as often as the rarest.
    least = min(x for x in total if x) / 2
    return [math.log((x or least) / mass) for x in total]


def write_start(
    kit: Path, arguments: argparse.Namespace, old: list[int | None], bias: list[float]
) -> None:
    """Write the weights by the names of `bart.py`, in float16."""
    import torch
    from bart import NEVER
    from safetensors.torch import load_file, save_file

    given = load_file(arguments.encoder / "model.safetensors")
    bert = {k.removeprefix("bert."): v.float() for k, v in given.items()}
    words = bert["embeddings.word_embeddings.weight"]
    generator = torch.Generator().manual_seed(1)
    spread = float(words.std())
    embed = torch.stack(
        [
            words[n] if n is not None else torch.randn(words.shape[1], generator=generator) * spread
            for n in old
        ]
    )
    embed[-1] = 0
    scores = torch.tensor([bias])
    scores -= scores.mean()
    scores[:, -1] = NEVER
    found = {"embed": embed, "bias": scores}
    # BART's positions start at 2, and its embeddings know no types.
    positions = bert["embeddings.position_embeddings.weight"][: arguments.positions]
    positions = positions + bert["embeddings.token_type_embeddings.weight"][0]
    positions = torch.cat([torch.zeros(2, positions.shape[1]), positions])
    for part in ("encoder", "decoder"):
        found[f"{part}.positions"] = positions
        for kind in ("weight", "bias"):
            found[f"{part}.embedded.{kind}"] = bert[f"embeddings.LayerNorm.{kind}"]
    for k in range(arguments.layers):
        found |= layer(bert, k, f"encoder.{k}")
    for k, copied in enumerate(arguments.decoder):
        found |= layer(bert, copied, f"decoder.{k}")
    save_file({k: v.half().contiguous() for k, v in found.items()}, kit / "start.safetensors")


def layer(bert: dict[str, Tensor], number: int, name: str) -> dict[str, Tensor]:
    """A layer of BERT by our names."""
    import torch

    before = f"encoder.layer.{number}"
    found = {}
    for kind in ("weight", "bias"):
        found[f"{name}.qkv.{kind}"] = torch.cat([bert[f"{before}.{x}.{kind}"] for x in _QKV])
        for ours, theirs in _BERT.items():
            found[f"{name}.{ours}.{kind}"] = bert[f"{before}.{theirs}.{kind}"]
    return found


if __name__ == "__main__":
    main()
