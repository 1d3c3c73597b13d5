"""Builds tiny translators (random weights, real SentencePiece tokenisers) in a folder.

They have the files, configuration and special tokens of the real families, so that loading,
conversion and the language codes are exercised as they are with hub checkpoints.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.tiny.text import sentences

SHAPE: dict[str, Any] = {
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": 64,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
    "init_std": 0.4,
}
"""Of the tiny models of the M2M100 and mBART families, and their special tokens."""


def greedy(model: Any, blocked: list[int], **inputs: Any) -> Any:
    """Translate with transformers as CTranslate2 does greedily, in at most twelve subwords."""
    return model.generate(
        **inputs,
        do_sample=False,
        num_beams=1,
        min_new_tokens=1,
        max_new_tokens=12,
        bad_words_ids=[[number] for number in blocked],
        forced_eos_token_id=None,
    )


def train_sentencepiece(folder: Path, name: str, vocab_size: int = 160) -> Path:
    """Train a SentencePiece model on :func:`sentences`; returns its path."""
    import sentencepiece as spm

    text = folder / f"{name}.txt"
    extra = ["[ ] ( ) 0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrstuvwxyz äöü"] * 20
    text.write_text("\n".join(sentences(400) + extra), encoding="utf-8")
    spm.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(folder / name),
        vocab_size=vocab_size,
        character_coverage=1.0,
        num_threads=1,
        minloglevel=2,
    )
    text.unlink()
    return folder / f"{name}.model"


def _subwords(model: Path) -> list[str]:
    import sentencepiece as spm

    processor = spm.SentencePieceProcessor(model_file=str(model))
    return [processor.id_to_piece(i) for i in range(processor.get_piece_size())]


def _dump(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


def build_marian(
    folder: Path,
    tags: tuple[str, ...] = (),
    pair: tuple[str, str] | None = ("en", "de"),
    max_positions: int = 64,
    seed: int = 1,
    layers: int = 1,
    width: int = 32,
    eos_bias: float = 7.0,
) -> Path:
    """Build a Marian checkpoint; ``tags`` such as ``>>de<<`` make it multilingual."""
    import torch
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    folder.mkdir(parents=True)
    train_sentencepiece(folder, "source").rename(folder / "source.spm")
    (folder / "target.spm").write_bytes((folder / "source.spm").read_bytes())
    (folder / "source.vocab").unlink()
    subwords = [p for p in _subwords(folder / "source.spm") if p not in ("<unk>", "<s>", "</s>")]
    names = ["</s>", "<unk>", *tags, *subwords, "<pad>"]
    _dump(folder / "vocab.json", {name: i for i, name in enumerate(names)})
    options = {"source_lang": pair[0], "target_lang": pair[1]} if pair else {}
    tokenizer = MarianTokenizer(
        str(folder / "source.spm"),
        str(folder / "target.spm"),
        str(folder / "vocab.json"),
        model_max_length=max_positions,
        **options,
    )
    tokenizer.save_pretrained(folder)
    pad = names.index("<pad>")
    config = MarianConfig(
        vocab_size=len(names),
        d_model=width,
        encoder_layers=layers,
        decoder_layers=layers,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=2 * width,
        decoder_ffn_dim=2 * width,
        max_position_embeddings=max_positions,
        pad_token_id=pad,
        eos_token_id=0,
        forced_eos_token_id=0,
        decoder_start_token_id=pad,
        scale_embedding=True,
        static_position_embeddings=True,
        activation_function="swish",
        init_std=0.4,
    )
    torch.manual_seed(seed)
    model = MarianMTModel(config)
    # Without it, random weights hardly ever end a sentence.
    model.final_logits_bias[0, 0] = eos_bias
    model.save_pretrained(folder)
    return folder


def build_m2m100(folder: Path, seed: int = 2) -> Path:
    """Build an M2M100 checkpoint with its ``__xx__`` language tokens."""
    import torch
    from transformers import M2M100Config, M2M100ForConditionalGeneration, M2M100Tokenizer
    from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

    folder.mkdir(parents=True)
    train_sentencepiece(folder, "spm").rename(folder / "sentencepiece.bpe.model")
    (folder / "spm.vocab").unlink()
    subwords = [
        p
        for p in _subwords(folder / "sentencepiece.bpe.model")
        if p not in ("<unk>", "<s>", "</s>")
    ]
    names = ["<s>", "<pad>", "</s>", "<unk>", *subwords]
    _dump(folder / "vocab.json", {name: i for i, name in enumerate(names)})
    # Hub folders list the language tokens; transformers 5 does not add them by itself.
    tokenizer = M2M100Tokenizer(
        vocab_file=str(folder / "vocab.json"),
        spm_file=str(folder / "sentencepiece.bpe.model"),
        additional_special_tokens=[f"__{c}__" for c in FAIRSEQ_LANGUAGE_CODES["m2m100"]],
    )
    tokenizer.save_pretrained(folder)
    config = M2M100Config(
        vocab_size=len(tokenizer) + tokenizer.num_madeup_words,
        **SHAPE,
    )
    torch.manual_seed(seed)
    model = M2M100ForConditionalGeneration(config)
    # The filler words at the end of the vocabulary never come out of a trained model.
    model.model.shared.weight.data[-tokenizer.num_madeup_words :] = 0
    model.save_pretrained(folder)
    return folder


def build_nllb(folder: Path, seed: int = 3) -> Path:
    """Build an NLLB checkpoint (an M2M100 model with the NLLB tokeniser)."""
    import torch
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    folder.mkdir(parents=True)
    model = train_sentencepiece(folder, "spm")
    names = ["<s>", "<pad>", "</s>", "<unk>"]
    names += [p for p in _subwords(model) if p not in names]
    (folder / "spm.vocab").unlink()
    model.unlink()
    # Byte-pair merges over the same characters: the tokeniser's own vocabulary format.
    characters = sorted({c for p in names[4:] for c in p})
    vocab = {n: i for i, n in enumerate(names[:4] + characters)}
    merges: list[tuple[str, str]] = []
    for subword in names[4:]:
        for cut in range(1, len(subword)):
            left, right = subword[:cut], subword[cut:]
            if left in vocab and right in vocab and subword not in vocab:
                vocab[subword] = len(vocab)
                merges.append((left, right))
                break
    tokenizer = NllbTokenizer(vocab=vocab, merges=merges)
    tokenizer.save_pretrained(folder)
    config = M2M100Config(
        vocab_size=len(tokenizer),
        **SHAPE,
    )
    torch.manual_seed(seed)
    M2M100ForConditionalGeneration(config).save_pretrained(folder)
    return folder


def _scored(folder: Path) -> list[tuple[str, float]]:
    """Return trained pieces with their scores, without special ones; removes the model."""
    import sentencepiece as spm

    path = train_sentencepiece(folder, "spm")
    model = spm.SentencePieceProcessor(model_file=str(path))
    path.unlink()
    (folder / "spm.vocab").unlink()
    return [
        (model.id_to_piece(i), model.get_score(i))
        for i in range(model.get_piece_size())
        if not (model.is_control(i) or model.is_unknown(i))
    ]


def build_mbart50(folder: Path, seed: int = 4) -> Path:
    """Build an mBART-50 checkpoint with its ``de_DE`` language tokens."""
    import torch
    from transformers import MBart50Tokenizer, MBartConfig, MBartForConditionalGeneration

    folder.mkdir(parents=True)
    special = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0)]
    tokenizer = MBart50Tokenizer(vocab=[*special, *_scored(folder)])
    tokenizer.save_pretrained(folder)
    config = MBartConfig(
        vocab_size=len(tokenizer),
        **SHAPE,
        scale_embedding=True,
    )
    torch.manual_seed(seed)
    MBartForConditionalGeneration(config).save_pretrained(folder)
    return folder


def build_bart(
    folder: Path,
    tags: tuple[str, ...] = (">>de<<", ">>swa<<", ">>en<<"),
    symbols: tuple[str, ...] = ("\u2581<a>", "\u2581</a>"),
    seed: int = 6,
) -> Path:
    """Build a BART checkpoint with language tokens, tags and an output bias, as ours can have.

    Its subwords are in Marian's order, and decoding starts from the padding.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import BartConfig, BartForConditionalGeneration, PreTrainedTokenizerFast

    folder.mkdir(parents=True)
    special = ["</s>", "<unk>", *tags]
    pieces = [*((s, 0.0) for s in special), *_scored(folder), *((s, 0.0) for s in symbols)]
    backend = Tokenizer(models.Unigram([*pieces, ("<pad>", 0.0)], unk_id=1))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    backend.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 0)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        additional_special_tokens=list(tags),
        model_max_length=SHAPE["max_position_embeddings"],
    )
    tokenizer.save_pretrained(folder)
    pad = len(pieces)
    ids = {"pad_token_id": pad, "eos_token_id": 0, "bos_token_id": 0, "forced_eos_token_id": 0}
    config = BartConfig(vocab_size=len(tokenizer), **SHAPE | ids | {"decoder_start_token_id": pad})
    torch.manual_seed(seed)
    model = BartForConditionalGeneration(config)
    model.final_logits_bias[0, 0] = 7.0
    model.final_logits_bias[0, pad] = -1e4
    model.save_pretrained(folder)
    return folder


def build_t5(
    folder: Path,
    tags: tuple[str, ...] = (),
    tasks: tuple[tuple[str, str], ...] = (),
    seed: int = 5,
) -> Path:
    """Build a T5 checkpoint: ``tags`` such as ``<2de>`` as MADLAD-400 has, or T5's own tasks."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration, T5Tokenizer

    folder.mkdir(parents=True)
    special = [(name, 0.0) for name in ("<pad>", "</s>", "<unk>", *tags)]
    extra = 0 if tags else 4
    sentinels = [(f"<extra_id_{k}>", 0.0) for k in reversed(range(extra))]
    pieces = [*special, *_scored(folder), (":", -8.0), *sentinels]
    tokenizer = T5Tokenizer(vocab=pieces, extra_ids=extra)
    tokenizer.save_pretrained(folder)
    config = T5Config(
        vocab_size=len(tokenizer) + 6,  # hub checkpoints have more rows than pieces, too
        d_model=32,
        d_kv=16,
        d_ff=64,
        num_layers=2,
        num_heads=2,
        feed_forward_proj="gated-gelu" if tags else "relu",
        tie_word_embeddings=not tags,
        decoder_start_token_id=0,
        initializer_factor=2.0,
    )
    torch.manual_seed(seed)
    model = T5ForConditionalGeneration(config)
    # What stands behind the pieces never comes out of a trained model.
    model.lm_head.weight.data[-6:] = 0
    model.save_pretrained(folder)
    written = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    written["task_specific_params"] = {
        name: {"prefix": f"{prefix} ", "num_beams": 4} for name, prefix in tasks
    }
    _dump(folder / "config.json", written)
    return folder
