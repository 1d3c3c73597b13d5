"""The models that ship: small, complete, ordinary, and of some use."""

from __future__ import annotations

from pathlib import Path

import pytest

MODELS = Path(__file__).resolve().parents[2] / "artifacts" / "models"
LANGUAGES = ("de", "es", "fr", "nl", "sw")


def test_both_models_together_are_small() -> None:
    files = [path for path in MODELS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 36_000_000


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


def test_the_encoder_has_six_layers_and_knows_all_languages() -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    model = AutoModelForMaskedLM.from_pretrained(MODELS / "encoder")
    tokenizer = AutoTokenizer.from_pretrained(MODELS / "encoder")
    assert model.config.num_hidden_layers >= 6
    assert len(tokenizer) == model.config.vocab_size
    text = "Ärger in Zürich: ¿Cómo estás? Ça va. Zij heeft één kat. Habari ya asubuhi!"
    assert tokenizer.unk_token_id not in tokenizer(text).input_ids


def test_the_encoder_fills_a_mask_with_something_likely() -> None:
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    model = AutoModelForMaskedLM.from_pretrained(MODELS / "encoder")
    tokenizer = AutoTokenizer.from_pretrained(MODELS / "encoder")
    encoded = tokenizer("Tom [MASK] not here.", return_tensors="pt")
    place = encoded.input_ids[0].tolist().index(tokenizer.mask_token_id)
    with torch.no_grad():
        best = model(**encoded).logits[0, place].topk(10).indices
    assert {"is", "was"} & set(tokenizer.convert_ids_to_tokens(best))


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
