"""Tiny encoders of several families, each with its kind of tokenizer, trained on the fly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.tiny.text import toy_rows

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedConfig, PreTrainedTokenizerFast

FAMILIES = ("bert", "xlmr", "deberta", "distilbert", "modernbert")
KINDS = ("Unigram", "WordPiece", "BPE", "byte BPE")
DEPTH = 3
BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ROBERTA = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
SENTENCES = [
    "the cat saw the dog in the old house near the river",
    "der Hund sah die Katze in dem alten Haus am Fluss",
    "el perro vio al gato en la casa vieja junto al río",
    "paka alimwona mbwa katika nyumba ya zamani karibu na mto",
    "committees and governments negotiate internationally recognised agreements",
    "Ausschüsse und Regierungen verhandeln über Vereinbarungen",
    "Über Größe, Übermut & naïve Façades: «¿qué?» – 1,234.5!",
] * 4


def tokenizer_of(
    kind: str,
    text: Iterable[str] = SENTENCES,
    size: int | None = None,
    special: Sequence[str] | None = None,
    **limits: Any,
) -> Tokenizer:
    """Train a tokenizer.

    Args:
        kind: One of :data:`KINDS`.
        text: What to learn the subwords from.
        size: How many there are to be.
        special: :data:`BERT` or :data:`ROBERTA`; default: what goes with the kind.
        limits: Further options of the trainer.
    """
    from tokenizers import (
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )

    special = list(special or (BERT if kind == "WordPiece" else ROBERTA))
    unknown = next(name for name in special if name.lower() in ("[unk]", "<unk>"))
    options: dict[str, Any] = {"special_tokens": special, "show_progress": False, **limits}
    if kind == "WordPiece":
        made = Tokenizer(models.WordPiece(unk_token=unknown))
        made.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        made.decoder = decoders.WordPiece()
        trainer: Any = trainers.WordPieceTrainer(vocab_size=size or 260, **options)
    elif kind == "Unigram":
        made = Tokenizer(models.Unigram())
        made.normalizer = normalizers.NFKC()
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        made.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=size or 220, unk_token=unknown, **options)
    else:
        in_bytes = kind == "byte BPE"
        made = Tokenizer(models.BPE(unk_token=None if in_bytes else unknown))
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        made.decoder = decoders.Metaspace()
        if in_bytes:
            made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=special != list(BERT))
            made.decoder = decoders.ByteLevel()
            options["initial_alphabet"] = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=size or 480, **options)
    made.train_from_iterator(text, trainer)
    first, last = ("[CLS]", "[SEP]") if special == list(BERT) else ("<s>", "</s>")
    made.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} $B {last}",
        special_tokens=[(t, made.token_to_id(t)) for t in (first, last)],
    )
    return made


def wrapped(tokenizer: Tokenizer, limit: int | None = None) -> PreTrainedTokenizerFast:
    """Return a tokenizer as Transformers has it, for inputs of at most so many subwords."""
    from transformers import PreTrainedTokenizerFast

    if tokenizer.token_to_id("[CLS]") is not None:
        names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
        marks = dict(zip(names, BERT, strict=True))
    else:
        names = ("cls_token", "pad_token", "sep_token", "unk_token", "mask_token")
        marks = dict(zip(names, ROBERTA, strict=True)) | {"bos_token": "<s>", "eos_token": "</s>"}
    if limit is not None:
        marks["model_max_length"] = limit
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_input_names=["input_ids", "attention_mask"], **marks
    )


def save(
    folder: Path,
    config: PreTrainedConfig,
    tokenizer: PreTrainedTokenizerFast,
    *,
    head: str = "AutoModel",
    seed: int = 0,
    stretched: float = 1.0,
    scattered: bool = False,
) -> Path:
    """Write an encoder with random weights, and return its folder.

    Args:
        folder: Where to.
        config: Its shape.
        tokenizer: What goes with it.
        head: The class of Transformers that makes it of the configuration.
        seed: Of the weights.
        stretched: Factor of the weights in matrices: 0.02, the usual spread, is made for widths of
            hundreds; so narrow, all states would be alike.
        scattered: Whether biases and norms are random too.
    """
    import torch
    import transformers

    torch.manual_seed(seed)
    model = getattr(transformers, head).from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if scattered:
                parameter.normal_(std=0.3)
            elif parameter.dim() > 1 and stretched != 1:
                parameter.mul_(stretched)
    model.tie_weights()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _shape(tokenizer: PreTrainedTokenizerFast, **shape: Any) -> dict[str, Any]:
    """Return the shape of a tiny encoder; what is given replaces what is usual here."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": DEPTH,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": 64,
        "pad_token_id": tokenizer.pad_token_id,
        **shape,
    }


def build_bert(
    folder: Path, text: Iterable[str], *, layers: int = 4, width: int = 48, positions: int = 512
) -> Path:
    """Build a BERT with a WordPiece vocabulary learnt from ``text``."""
    from transformers import BertConfig

    tokenizer = wrapped(tokenizer_of("WordPiece", text, 600, limit_alphabet=120), positions)
    shape = _shape(
        tokenizer,
        hidden_size=width,
        num_hidden_layers=layers,
        intermediate_size=2 * width,
        max_position_embeddings=positions,
        initializer_range=0.2,
    )
    return save(folder, BertConfig(**shape), tokenizer)


def build_xlmr(folder: Path, text: Iterable[str], *, layers: int = 3, positions: int = 40) -> Path:
    """Build an XLM-R-like encoder: Metaspace subwords, positions counted from the padding index."""
    from transformers import XLMRobertaConfig

    tokenizer = wrapped(tokenizer_of("Unigram", text, 400), positions)
    shape = _shape(
        tokenizer,
        num_hidden_layers=layers,
        intermediate_size=64,
        max_position_embeddings=positions + 2,
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=2,
    )
    return save(folder, XLMRobertaConfig(**shape), tokenizer)


def build_family(name: str, folder: Path) -> Path:
    """Write a tiny encoder of a family, its tokenizer learnt from toy text; return its folder."""
    from transformers import (
        BertConfig,
        DebertaV2Config,
        DistilBertConfig,
        ModernBertConfig,
        XLMRobertaConfig,
    )

    text = [" ".join(words) for words, _ in toy_rows(60)]
    kind, size = {
        "bert": ("WordPiece", 120),
        "distilbert": ("WordPiece", 120),
        "modernbert": ("byte BPE", 330),
    }.get(name, ("Unigram", 140))
    special = ROBERTA if name == "xlmr" else BERT
    tokenizer = wrapped(tokenizer_of(kind, text, size, special), 64)
    shape = _shape(tokenizer)
    config: PreTrainedConfig
    if name == "bert":
        config = BertConfig(**shape)
    elif name == "xlmr":
        config = XLMRobertaConfig(**shape | {"max_position_embeddings": 66})
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
            dim=32,
            n_layers=DEPTH,
            n_heads=4,
            hidden_dim=48,
            **{k: shape[k] for k in ("vocab_size", "max_position_embeddings", "pad_token_id")},
        )
    else:
        first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
        ends = {"bos_token_id": first, "eos_token_id": last}
        config = ModernBertConfig(**shape, **ends, cls_token_id=first, sep_token_id=last)
    return save(folder / name, config, tokenizer, seed=7, stretched=5)


def encoder_folder(kind: str, folder: Path, *, spare_rows: int = 3) -> Path:
    """Write a tiny masked-LM encoder with a tokenizer of ``kind``; more rows than subwords."""
    from transformers import BertConfig, RobertaConfig

    tokenizer = wrapped(tokenizer_of(kind))
    # A token that was added after training, outside the model's own vocabulary.
    tokenizer.add_tokens(["<entity>"], special_tokens=True)
    shape = _shape(
        tokenizer,
        vocab_size=len(tokenizer) + spare_rows,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
    )
    bert = kind == "WordPiece"
    config = BertConfig(**shape) if bert else RobertaConfig(type_vocab_size=1, **shape)
    return save(folder, config, tokenizer, head="AutoModelForMaskedLM", seed=1, scattered=True)
