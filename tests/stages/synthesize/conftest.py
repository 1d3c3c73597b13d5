from __future__ import annotations

import random
from pathlib import Path

import pytest

from pipeline.schema import Sentence, Span
from tests.tiny import translators

WORDS = [
    "der",
    "die",
    "das",
    "und",
    "wohnt",
    "arbeitet",
    "in",
    "bei",
    "mit",
    "seit",
    "gestern",
    "heute",
    "morgen",
    "Stadt",
    "Haus",
    "Firma",
    "Preis",
    "Spiel",
    "Land",
    "Woche",
    "Jahr",
    "sagte",
    "kam",
    "ging",
    "sah",
    "fand",
    "große",
    "kleine",
    "neue",
    "alte",
    "schnell",
    "langsam",
    "nicht",
    "auch",
    "noch",
    "schon",
    "wieder",
    "immer",
    "nie",
    "vor",
    "nach",
    "über",
    "unter",
    "zwischen",
    "Regierung",
    "Minister",
    "Sprecher",
]
PEOPLE = ["Anna Lee", "Karl Marx", "Eva Braun", "Max Ernst", "Lena Odenthal", "Otto"]
PLACES = ["Berlin", "New York", "Ulm", "Köln", "Bad Homburg", "Rom"]


@pytest.fixture(scope="session")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("translator")
    return translators.build_marian(root / "multi", tags=(">>de<<", ">>swa<<"), pair=None)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path_factory.getbasetemp() / "converted"
    monkeypatch.setenv("XLNER_CACHE", str(cache))


def projected(count: int = 40, seed: int = 0) -> list[Sentence]:
    """Made-up German sentences with a person and a place."""
    draw = random.Random(seed)
    made = []
    for i in range(count):
        person, place = draw.choice(PEOPLE).split(), draw.choice(PLACES).split()
        words = [*person, *draw.sample(WORDS, 4)]
        start = len(words)
        words += [*place, *draw.sample(WORDS, 3), "."]
        spans = [Span(0, len(person), "PER", 0.9), Span(start, start + len(place), "LOC", 0.8)]
        made.append(Sentence(f"t{i}", "de", words, spans))
    return made


@pytest.fixture(scope="session")
def masked_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with a masked-LM head and a WordPiece vocabulary of whole words."""
    import torch
    from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    words = [*WORDS, *(w for e in PEOPLE + PLACES for w in e.split()), "."]
    letters = sorted({c for w in words for c in w})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(words)]
    vocabulary += [c for c in letters if c not in vocabulary] + [f"##{c}" for c in letters]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=False)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
    )
    BertForMaskedLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def causal_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny GPT-2 with a byte-level tokeniser."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("gpt2")
    raw = ByteLevelBPETokenizer()
    lines = [" ".join(s.words) for s in projected(60, seed=5)]
    raw.train_from_iterator(lines, vocab_size=400, special_tokens=["<|end|>"], show_progress=False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw._tokenizer, eos_token="<|end|>", model_max_length=256
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=256,
        n_embd=16,
        n_layer=1,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder
