"""The models that ship: small, complete, ordinary, and of some use."""

from __future__ import annotations

from pathlib import Path

import pytest

MODELS = Path(__file__).resolve().parents[2] / "artifacts" / "models"
LANGUAGES = ("de", "es", "fr", "nl", "sw")


def test_both_models_together_are_small() -> None:
    sizes = {
        name: (MODELS / name / "model.safetensors").stat().st_size
        for name in ("encoder", "translator")
    }
    assert sizes["encoder"] <= 55_000_000
    assert sizes["translator"] <= 25_000_000
    assert sum(sizes.values()) <= 80_000_000


@pytest.mark.parametrize("name", ["encoder", "translator"])
def test_the_cards_say_what_must_be_said(name: str) -> None:
    card = (MODELS / name / "README.md").read_text(encoding="utf-8")
    for heading in ("Data", "Recipe", "Measured quality", "What it is not good for"):
        assert f"\n## {heading}\n" in card
    assert "Tatoeba" in card
    assert "CC-BY 2.0 FR" in card
    assert "CC-BY-SA" in card
    assert "Global Voices" in card
    assert "Not measured yet" not in card


def test_the_licence_of_the_weights_that_the_encoder_began_with_stands_beside_it() -> None:
    card = (MODELS / "encoder" / "README.md").read_text(encoding="utf-8")
    assert "license: cc-by-sa-4.0" in card  # as its text asks
    assert "multilingual-e5-small" in card and "arXiv:2402.05672" in card
    licence = (MODELS / "encoder" / "LICENSE").read_text(encoding="utf-8")
    assert licence.startswith("MIT License") and "Copyright (c)" in licence


def test_the_encoder_writes_every_character_of_its_languages() -> None:
    from transformers import AutoConfig, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(MODELS / "encoder")
    config = AutoConfig.from_pretrained(MODELS / "encoder")
    assert len(tokenizer) == config.vocab_size
    text = "Ärger in Zürich: ¿Cómo estás? Ça va. Zij heeft één kat. Habari ya asubuhi! "
    text += "ẹ̀kọ́ Ɗan Москва Αθήνα القاهرة 東京 서울 กรุงเทพ"
    assert tokenizer.unk_token_id not in tokenizer(text).input_ids


def test_the_encoder_loads_with_all_its_weights_and_says_where_it_aligns() -> None:
    from transformers import AutoModelForMaskedLM

    model, report = AutoModelForMaskedLM.from_pretrained(
        MODELS / "encoder", output_loading_info=True
    )
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert 1 <= model.config.alignment_layer <= model.config.num_hidden_layers


def test_the_encoder_fills_a_mask_with_something_likely() -> None:
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    model = AutoModelForMaskedLM.from_pretrained(MODELS / "encoder")
    tokenizer = AutoTokenizer.from_pretrained(MODELS / "encoder")
    encoded = tokenizer(f"Tom {tokenizer.mask_token} not here.", return_tensors="pt")
    place = encoded.input_ids[0].tolist().index(tokenizer.mask_token_id)
    with torch.no_grad():
        best = model(**encoded).logits[0, place].topk(10).indices
    assert {"\u2581is", "\u2581was"} & set(tokenizer.convert_ids_to_tokens(best))


def test_the_translator_writes_the_language_that_the_tag_names(tmp_path: Path) -> None:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    from stages.translate.translator import Translator

    identify = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identify.set_languages([*LANGUAGES, "en"])
    english = [
        "I don't know where my book is.",
        "She wants to buy a new house in the city.",
        "What are you doing here today?",
        "My brother lives with his children in a small village.",
        "The government said that the people must stay at home.",
    ]
    for language in LANGUAGES:
        translator = Translator(MODELS / "translator", "en", language, cache=tmp_path)
        texts = [hypotheses[0].text for hypotheses in translator.translate(english)]
        right = sum(identify.classify(text)[0] == language for text in texts)
        assert right >= 4, (language, texts)


@pytest.mark.parametrize("language", ["de", "es", "nl"])
def test_the_translator_keeps_most_names(language: str, tmp_path: Path) -> None:
    from stages.translate.translator import Translator

    translator = Translator(MODELS / "translator", "en", language, cache=tmp_path)
    names = {
        "Tom lives in Boston.": ["Tom", "Boston"],
        "I went to Paris with Anna.": ["Paris", "Anna"],
        "Obama met Merkel in Berlin.": ["Obama", "Merkel", "Berlin"],
        "John Smith works for Siemens.": ["John", "Smith", "Siemens"],
    }
    texts = [hypotheses[0].text for hypotheses in translator.translate(list(names))]
    kept = sum(n in text for text, own in zip(texts, names.values(), strict=True) for n in own)
    assert kept >= 8, texts
