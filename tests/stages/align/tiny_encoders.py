"""Builds tiny encoders (random weights, real tokenizers trained on the fly) in a folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def build_bert(
    folder: Path, text: Iterable[str], *, layers: int = 4, width: int = 48, positions: int = 512
) -> Path:
    """Build a BERT with a WordPiece vocabulary learnt from ``text``."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertModel

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=600, special_tokens=SPECIALS, limit_alphabet=120, show_progress=False
    )
    tokenizer.train_from_iterator(text, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    _save_tokenizer(tokenizer, folder, positions, SPECIALS)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=2 * width,
        max_position_embeddings=positions,
        # The usual 0.02 is made for widths of hundreds; so narrow, all states would be alike.
        initializer_range=0.2,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def build_xlmr(folder: Path, text: Iterable[str], *, layers: int = 3, positions: int = 40) -> Path:
    """Build an XLM-R-like encoder: Metaspace subwords, positions counted from the padding index."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import XLMRobertaConfig, XLMRobertaModel

    names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=400, special_tokens=names, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(text, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    _save_tokenizer(tokenizer, folder, positions, ["<pad>", "<unk>", "<s>", "</s>", "<mask>"])
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=positions + 2,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        initializer_range=0.2,
    )
    XLMRobertaModel(config).save_pretrained(folder)
    return folder


def _save_tokenizer(tokenizer: Any, folder: Path, limit: int, names: list[str]) -> None:
    from transformers import PreTrainedTokenizerFast

    pad, unk, cls, sep, mask = names
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=limit,
        pad_token=pad,
        unk_token=unk,
        cls_token=cls,
        sep_token=sep,
        mask_token=mask,
    ).save_pretrained(folder)
