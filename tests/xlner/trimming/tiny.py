"""Tiny encoders with tokenizers of all three kinds, made of sentences of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

SENTENCES = [
    "the cat saw the dog in the old house near the river",
    "der Hund sah die Katze in dem alten Haus am Fluss",
    "el perro vio al gato en la casa vieja junto al río",
    "paka alimwona mbwa katika nyumba ya zamani karibu na mto",
    "committees and governments negotiate internationally recognised agreements",
    "Ausschüsse und Regierungen verhandeln über Vereinbarungen",
    "Über Größe, Übermut & naïve Façades: «¿qué?» – 1,234.5!",
] * 4
KINDS = ("Unigram", "WordPiece", "BPE", "byte BPE")


def tokenizer_of(kind: str) -> Tokenizer:
    """A tokenizer trained on SENTENCES, with the special tokens of its family."""
    if kind == "WordPiece":
        made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        made.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        trainer: Any = trainers.WordPieceTrainer(vocab_size=260, special_tokens=special)
        made.decoder = decoders.WordPiece()
        cls, sep = "[CLS]", "[SEP]"
    elif kind == "Unigram":
        made = Tokenizer(models.Unigram())
        made.normalizer = normalizers.NFKC()
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        made.decoder = decoders.Metaspace()
        special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        trainer = trainers.UnigramTrainer(vocab_size=220, special_tokens=special, unk_token="<unk>")
        cls, sep = "<s>", "</s>"
    else:
        special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        made = Tokenizer(models.BPE(unk_token=None if kind == "byte BPE" else "<unk>"))
        alphabet: list[str] = []
        if kind == "byte BPE":
            made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
            made.decoder = decoders.ByteLevel()
            alphabet = pre_tokenizers.ByteLevel.alphabet()
        else:
            made.pre_tokenizer = pre_tokenizers.Metaspace()
            made.decoder = decoders.Metaspace()
        trainer = trainers.BpeTrainer(
            vocab_size=480, special_tokens=special, initial_alphabet=alphabet
        )
        cls, sep = "<s>", "</s>"
    made.train_from_iterator(SENTENCES, trainer)
    made.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} $B:1 {sep}:1",
        special_tokens=[(t, made.token_to_id(t)) for t in (cls, sep)],
    )
    return made


def encoder_folder(kind: str, folder: Path, *, spare_rows: int = 3) -> Path:
    """Write a tiny masked-LM encoder with a tokenizer of ``kind``; more rows than subwords."""
    from transformers import (
        BertConfig,
        BertForMaskedLM,
        PreTrainedTokenizerFast,
        RobertaConfig,
        RobertaForMaskedLM,
    )

    made = tokenizer_of(kind)
    bert = kind == "WordPiece"
    names = (
        ("[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]")
        if bert
        else ("<unk>", "<pad>", "<s>", "</s>", "<mask>")
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=made,
        **dict(
            zip(
                ("unk_token", "pad_token", "cls_token", "sep_token", "mask_token"),
                names,
                strict=True,
            )
        ),
    )
    # A token that was added after training, outside the model's own vocabulary.
    wrapped.add_tokens(["<entity>"], special_tokens=True)
    torch.manual_seed(1)
    shape: dict[str, Any] = {
        "vocab_size": len(wrapped) + spare_rows,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 64,
        "pad_token_id": wrapped.pad_token_id,
    }
    model: Any = (
        BertForMaskedLM(BertConfig(**shape))
        if bert
        else RobertaForMaskedLM(RobertaConfig(type_vocab_size=1, **shape))
    )
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.tie_weights()
    model.save_pretrained(folder)
    wrapped.save_pretrained(folder)
    return folder
