"""A translator without tags gets them as subwords, and says what it said before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import MarianMTModel, MarianTokenizer

from model_recipes.translator.config import AugmentationConfig
from model_recipes.translator.extending import extend_model, with_subwords
from model_recipes.translator.tags import tag_symbols
from model_recipes.translator.training import train_translator
from tests.model_recipes.translator.test_translator_training import tiny_config

TEXTS = [">>de<< Tom sees dog 4 cat.", ">>es<< Mary wants house."]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    config = tiny_config(folder, 10).model_copy(
        update={"augmentation": AugmentationConfig(tags=0, slots=0)}
    )
    train_translator(config, folder / "model", folder / "work", seed=1)
    return folder / "model"


def test_old_subwords_keep_numbers_and_the_model_its_output(plain: Path, tmp_path: Path) -> None:
    wider = extend_model(plain, tag_symbols(), tmp_path / "wider", seed=1)
    old, new = (json.loads((f / "vocab.json").read_text()) for f in (plain, wider))
    assert len(new) == len(old) + len(tag_symbols())
    assert all(new[subword] == number for subword, number in old.items() if subword != "<pad>")
    logits = []
    for folder in (plain, wider):
        tokenizer = MarianTokenizer.from_pretrained(folder)
        model = MarianMTModel.from_pretrained(folder).eval()
        batch = tokenizer(TEXTS, return_tensors="pt", padding=True)
        labels = tokenizer(text_target=["Tom", "Mary"], return_tensors="pt", padding=True).input_ids
        with torch.no_grad():
            logits.append(model(**batch, labels=labels).logits)
        assert not model.model.shared.weight[tokenizer.pad_token_id].any()
        assert model.generation_config.decoder_start_token_id == tokenizer.pad_token_id
    size = len(old) - 1
    assert torch.allclose(logits[0][..., :size], logits[1][..., :size], atol=1e-5)
    tokenizer = MarianTokenizer.from_pretrained(wider)
    assert tokenizer.tokenize("<a> Tom </a>")[0] == "▁<a>"


def test_a_model_with_all_subwords_is_left_alone(plain: Path, tmp_path: Path) -> None:
    wider = extend_model(plain, tag_symbols(), tmp_path / "wider", seed=1)
    assert extend_model(wider, tag_symbols(), tmp_path / "more", seed=1) == wider
    subwords = (wider / "source.spm").read_bytes()
    assert with_subwords(subwords, tag_symbols()) == subwords


def test_training_goes_on_with_tags(plain: Path, tmp_path: Path) -> None:
    config = tiny_config(tmp_path, 5).model_copy(update={"start_from": plain})
    train_translator(config, tmp_path / "model", tmp_path / "work", seed=2)
    assert "▁<a>" in json.loads((tmp_path / "model/vocab.json").read_text())
