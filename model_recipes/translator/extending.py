"""A model that has not learnt tags and slots yet gets them as further subwords."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from pathlib import Path

import sentencepiece
import torch
from transformers import MarianMTModel

from model_recipes.shared.saving import save_half
from model_recipes.translator.sentencepieces import marian_vocabulary, write_tokenizer

_USER_DEFINED = 4


def with_subwords(model: bytes, symbols: Iterable[str]) -> bytes:
    """A SentencePiece model with further subwords that are never cut; known ones are left alone.

    They come last, so that all others keep their numbers. (A serialised protocol buffer may be
    lengthened by further entries of a repeated field, here `pieces`.)
    """
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    known = {processor.id_to_piece(i) for i in range(processor.get_piece_size())}
    for symbol in symbols:
        if symbol in known:
            continue
        text = symbol.encode()
        entry = b"\x0a" + bytes([len(text)]) + text
        entry += b"\x15" + struct.pack("<f", 0.0) + b"\x18" + bytes([_USER_DEFINED])
        model += b"\x0a" + bytes([len(entry)]) + entry
    return model


def extend_model(folder: Path, symbols: Iterable[str], output: Path, seed: int) -> Path:
    """A Marian folder with further subwords; their embeddings are small random vectors.

    Args:
        folder: What `train_translator` made.
        symbols: The subwords.
        output: The new folder.
        seed: Decides the vectors.

    Returns:
        `output`; or `folder`, if its vocabulary has all of the subwords.
    """
    old_subwords = (folder / "source.spm").read_bytes()
    new_subwords = with_subwords(old_subwords, symbols)
    if new_subwords == old_subwords:
        return folder
    output.mkdir(parents=True, exist_ok=True)
    (output / "source.spm").write_bytes(new_subwords)
    model = MarianMTModel.from_pretrained(str(folder), dtype=torch.float32)
    languages = _languages(folder)
    vocabulary = marian_vocabulary(output / "source.spm", languages)
    old = model.model.shared.weight.detach()
    size, width = len(vocabulary), old.shape[1]
    added = size - old.shape[0]
    generator = torch.Generator().manual_seed(seed)
    # The padding stays last, and zero.
    fresh = torch.randn(added, width, generator=generator) * width**-0.5
    weight = torch.cat([old[:-1], fresh, old[-1:]])
    model.config.vocab_size = model.config.decoder_vocab_size = size
    model.model.shared = torch.nn.Embedding(size, width, padding_idx=size - 1)
    model.model.shared.weight = torch.nn.Parameter(weight)
    model.model.encoder.embed_tokens = model.model.decoder.embed_tokens = model.model.shared
    model.lm_head = torch.nn.Linear(width, size, bias=False)
    model.lm_head.weight = model.model.shared.weight
    model.register_buffer("final_logits_bias", torch.zeros(1, size))
    pad = vocabulary["<pad>"]
    for settings in (model.config, model.generation_config):
        settings.pad_token_id = settings.decoder_start_token_id = pad
    model.generation_config.bad_words_ids = [[pad]]
    save_half(model, output)
    write_tokenizer(output / "source.spm", vocabulary, output)
    return output


def _languages(folder: Path) -> list[str]:
    """The tags of a Marian vocabulary in their order, without `>>` and `<<`."""
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    ordered = sorted(vocabulary, key=vocabulary.__getitem__)
    return [word[2:-2] for word in ordered if word.startswith(">>") and word.endswith("<<")]
