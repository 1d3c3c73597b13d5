"""Makes a Transformers folder of the weights that the `run.py` of a kit wrote.

    python artifacts/models/build/assemble.py KIT OUT MODEL

Of `encoder_gpu`: a `BertForMaskedLM` in float16 with config and tokenizer of the encoder that was
packed. Of `translator_gpu`: what `train_translator` writes, a `MarianMTModel` in float16 with a
`MarianTokenizer` and generation defaults; or, if it started from an encoder, a
`BartForConditionalGeneration` with a `tokenizer.json`. No card is written.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from encoder_gpu.blocks import read_blocks

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_COPIED = ("tokenizer.json", "tokenizer_config.json", "LICENSE")


def main() -> None:
    """Read, check, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kit", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("model", type=Path)
    arguments = parser.parse_args()
    translator = (arguments.kit / "settings.json").exists()
    make = make_translator if translator else make_encoder
    make(arguments.kit, arguments.weights, arguments.model)
    file = arguments.model / "tokenizer.json"
    if file.exists():  # a third of what Transformers writes is white space, and it ships
        compact = json.dumps(_read(file), ensure_ascii=False, separators=(",", ":"))
        file.write_text(compact + "\n", encoding="utf-8")


def make_encoder(kit: Path, weights: Path, folder: Path) -> None:
    """Write an encoder."""
    from transformers import BertConfig, BertForMaskedLM

    model = BertForMaskedLM(BertConfig(**_read(kit / "config.json")))
    state = {k: torch.from_numpy(v) for k, v in read_blocks(weights).items()}
    _fill(model, state, ("cls.predictions.decoder",))
    model.half().save_pretrained(folder)
    # Stored in half precision, loaded in single precision where nothing else is asked for.
    file = folder / "config.json"
    written = _read(file) | {"dtype": "float32"}
    file.write_text(json.dumps(written, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    for name in _COPIED:
        if (kit / name).exists():
            shutil.copyfile(kit / name, folder / name)


def make_translator(kit: Path, weights: Path, folder: Path) -> None:
    """Write a translator."""
    from safetensors.torch import load_file

    from model_recipes.translator.config import TrainTranslatorConfig
    from model_recipes.translator.sentencepieces import marian_vocabulary
    from model_recipes.translator.training import build_model, save_translator

    noted = _read(kit / "settings.json")
    files = [load_file(weights / f"weights-{number}.safetensors") for number in (1, 2)]
    state = {k: v.float() for file in files for k, v in file.items()}
    if noted.get("family") == "bart":
        make_bart(kit, noted, state, folder)
        return
    sentencepiece = kit / "pieces.model"
    vocabulary = marian_vocabulary(sentencepiece, [noted["pivot"], *noted["languages"]])
    # Kits that were packed before 0.2 say max_pieces.
    most = noted["max_subwords"] if "max_subwords" in noted else noted["max_pieces"]
    config = TrainTranslatorConfig.model_validate({"shape": noted["shape"], "max_subwords": most})
    model = build_model(config, vocabulary, seed=1)
    _fill(model, state, ("embed_tokens", "embed_positions", "lm_head", "final_logits_bias"))
    save_translator(model, sentencepiece, vocabulary, folder)


def make_bart(
    kit: Path, noted: dict[str, Any], state: dict[str, torch.Tensor], folder: Path
) -> None:
    """Write a translator that started from an encoder."""
    from transformers import (
        BartConfig,
        BartForConditionalGeneration,
        GenerationConfig,
        PreTrainedTokenizerFast,
    )

    from model_recipes.shared.saving import save_half

    shape = noted["shape"]
    size = len(state["model.shared.weight"])
    longest = shape["max_positions"]
    special = {"eos_token_id": 0, "bos_token_id": 0, "pad_token_id": size - 1}
    start = {"decoder_start_token_id": size - 1, "forced_eos_token_id": 0}
    config = BartConfig(
        vocab_size=size,
        d_model=shape["width"],
        max_position_embeddings=longest,
        encoder_layers=shape["encoder_layers"],
        decoder_layers=shape["decoder_layers"],
        encoder_attention_heads=shape["heads"],
        decoder_attention_heads=shape["heads"],
        encoder_ffn_dim=shape["feed_forward"],
        decoder_ffn_dim=shape["feed_forward"],
        dropout=shape["dropout"],
        activation_function="gelu",
        **special,
        **start,
    )
    model = BartForConditionalGeneration(config)
    _fill(model, state, ("embed_tokens", "lm_head"))
    model.generation_config = GenerationConfig(num_beams=4, max_length=longest, **special, **start)
    save_half(model, folder)
    PreTrainedTokenizerFast(
        tokenizer_file=str(kit / "tokenizer.json"),
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        additional_special_tokens=[f">>{c}<<" for c in (noted["pivot"], *noted["languages"])],
        model_max_length=longest,
    ).save_pretrained(folder)


def _fill(
    model: PreTrainedModel, state: dict[str, torch.Tensor], made_anew: tuple[str, ...]
) -> None:
    """Load weights; only those whose names hold one of ``made_anew`` may be missing."""
    found = model.load_state_dict(state, strict=False)
    absent = [k for k in found.missing_keys if not any(part in k for part in made_anew)]
    if absent or found.unexpected_keys:
        raise SystemExit(f"missing: {absent}; not known: {found.unexpected_keys}")
    model.tie_weights()


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    main()
