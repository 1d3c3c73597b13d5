"""Tiny encoders of five families, each with its kind of tokenizer, and toy data."""

from __future__ import annotations

from pathlib import Path

from pipeline.schema import Span

TYPES = ["LOC", "PER"]
LABELS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
FAMILIES = ("bert", "xlmr", "deberta", "distilbert", "modernbert")
DEPTH = 3

_PEOPLE = ["Anna Meier", "Juan", "Kofi Adu Mensah", "Li Wei", "Olga Petrova", "Tom"]
_PLACES = ["Paris", "New York", "Kisumu", "Rio de Janeiro", "Bonn", "Accra"]
_FRAMES = [
    "{p} lives in {l} .",
    "yesterday {p} flew from {l} to {k} with a friend",
    "in {l} it rains",
    "{p} met {q} !",
    "the weather is unbelievably extraordinary today , they said",
]


def toy_rows(count: int) -> list[tuple[list[str], list[Span]]]:
    """Return ``count`` sentences with their spans; the same ones every time."""
    rows = []
    for i in range(count):
        words: list[str] = []
        spans: list[Span] = []
        fill = {
            "{p}": ("PER", i),
            "{q}": ("PER", i + 3),
            "{l}": ("LOC", i // 2),
            "{k}": ("LOC", i + 1),
        }
        for token in _FRAMES[i % len(_FRAMES)].split():
            if token not in fill:
                words.append(token)
                continue
            kind, index = fill[token]
            pool = _PEOPLE if kind == "PER" else _PLACES
            name = pool[index % len(pool)].split()
            spans.append(Span(len(words), len(words) + len(name), kind))
            words += name
        rows.append((words, spans))
    return rows


def build_family(name: str, folder: Path) -> Path:
    """Write a tiny encoder of a family, with a tokenizer of its kind, and return its folder."""
    import torch
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from tokenizers.trainers import BpeTrainer, UnigramTrainer, WordPieceTrainer
    from transformers import (
        AutoModel,
        BertConfig,
        DebertaV2Config,
        DistilBertConfig,
        ModernBertConfig,
        PreTrainedTokenizerFast,
        XLMRobertaConfig,
    )

    text = [" ".join(words) for words, _ in toy_rows(60)]
    bert_like = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    roberta_like = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    if name in ("bert", "distilbert"):
        backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        backend.normalizer = normalizers.BertNormalizer(lowercase=False)
        backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = WordPieceTrainer(vocab_size=120, special_tokens=bert_like)
    elif name == "modernbert":
        backend = Tokenizer(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        trainer = BpeTrainer(
            vocab_size=330,
            special_tokens=bert_like,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )
    else:
        backend = Tokenizer(models.Unigram())
        backend.normalizer = normalizers.NFKC()
        backend.pre_tokenizer = pre_tokenizers.Metaspace()
        specials = roberta_like if name == "xlmr" else bert_like
        trainer = UnigramTrainer(
            vocab_size=140, special_tokens=specials, unk_token=specials[3 if name == "xlmr" else 1]
        )
    backend.train_from_iterator(text, trainer)
    if name == "xlmr":
        marks = {
            "cls_token": "<s>",
            "bos_token": "<s>",
            "sep_token": "</s>",
            "eos_token": "</s>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "mask_token": "<mask>",
        }
    else:
        names = ["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"]
        marks = dict(zip(names, bert_like, strict=True))
    first, last = marks["cls_token"], marks["sep_token"]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} $B {last}",
        special_tokens=[(t, backend.token_to_id(t)) for t in (first, last)],
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=64,
        model_input_names=["input_ids", "attention_mask"],
        **marks,
    )
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": DEPTH,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": 66 if name == "xlmr" else 64,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if name == "bert":
        config = BertConfig(**shape)
    elif name == "xlmr":
        config = XLMRobertaConfig(**shape)
    elif name == "deberta":
        config = DebertaV2Config(
            **shape,
            relative_attention=True,
            position_buckets=8,
            pos_att_type=["p2c", "c2p"],
            position_biased_input=False,
            type_vocab_size=0,
            norm_rel_ebd="layer_norm",
            share_att_key=True,
        )
    elif name == "distilbert":
        config = DistilBertConfig(
            vocab_size=shape["vocab_size"],
            dim=32,
            n_layers=DEPTH,
            n_heads=4,
            hidden_dim=48,
            max_position_embeddings=64,
            pad_token_id=shape["pad_token_id"],
        )
    else:
        ends = {"bos_token_id": tokenizer.cls_token_id, "eos_token_id": tokenizer.sep_token_id}
        config = ModernBertConfig(
            **shape,
            **ends,
            cls_token_id=tokenizer.cls_token_id,
            sep_token_id=tokenizer.sep_token_id,
        )
    torch.manual_seed(7)
    model = AutoModel.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():  # random weights of 0.02 hardly tell inputs apart
            if parameter.dim() > 1:
                parameter.mul_(5)
    target = folder / name
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    return target
