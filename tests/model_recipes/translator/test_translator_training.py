"""Training, resuming, saving and converting a tiny translator."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from model_recipes.translator.config import (
    AugmentationConfig,
    MarianShape,
    TrainTranslatorConfig,
)
from model_recipes.translator.examples import ExampleMaker, Texts, TranslationExample
from model_recipes.translator.sentencepieces import marian_vocabulary, train_sentencepiece
from model_recipes.translator.training import build_model, train_translator, translation_loss
from tests.model_recipes.shared.toy_text import steps, toy_corpus, toy_gazetteer


def tiny_config(folder: Path, number: int) -> TrainTranslatorConfig:
    return TrainTranslatorConfig(
        corpus=toy_corpus(folder),
        gazetteer=(toy_gazetteer(folder),),
        subwords=400,
        shape=MarianShape(
            width=32, heads=2, feed_forward=64, encoder_layers=2, decoder_layers=1, max_positions=64
        ),
        augmentation=AugmentationConfig(concatenate=0.1, upper_case=0.0),
        batch_tokens=400,
        shard_examples=200,
        max_subwords=60,
        loop=steps(number),
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("translator")
    report = train_translator(tiny_config(folder, 60), folder / "model", folder / "work", seed=1)
    return {"folder": folder, "report": report}


def test_the_loss_falls_and_the_report_says_what_was_done(trained: dict[str, Any]) -> None:
    report = trained["report"]
    losses = [loss for _, loss in report["losses"]]
    assert losses[-1] < losses[0] - 1
    assert report["steps"] == 60
    assert report["pairs"] == 800 - sum(
        n for drops in report["dropped"].values() for n in drops.values()
    )
    assert json.loads((trained["folder"] / "work/report.json").read_text()) == json.loads(
        json.dumps(report)
    )


def test_training_goes_on_from_a_saved_model(trained: dict[str, Any], tmp_path: Path) -> None:
    first = trained["folder"] / "model"
    config = tiny_config(tmp_path, 10).model_copy(update={"start_from": first})
    report = train_translator(config, tmp_path / "model", tmp_path / "work", seed=2)
    assert report["started_from"] == "model"
    assert report["losses"][0][1] < trained["report"]["losses"][0][1] - 0.5
    assert (tmp_path / "model/vocab.json").read_bytes() == (first / "vocab.json").read_bytes()


def test_the_folder_is_an_ordinary_checkpoint(trained: dict[str, Any]) -> None:
    from safetensors import safe_open
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, MarianMTModel, MarianTokenizer

    folder = trained["folder"] / "model"
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert isinstance(model, MarianMTModel)
    assert isinstance(tokenizer, MarianTokenizer)
    assert model.dtype == torch.float32
    assert model.lm_head.weight is model.model.shared.weight
    with safe_open(folder / "model.safetensors", "pt") as file:
        assert {file.get_tensor(k).dtype for k in file.keys()} == {torch.float16}  # noqa: SIM118
    ids = tokenizer(">>es<< Tom sees dog 4 cat.").input_ids
    assert tokenizer.convert_ids_to_tokens(ids)[0] == ">>es<<"
    assert ids[-1] == model.config.eos_token_id
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids[1:], skip_special_tokens=True) == "Tom sees dog 4 cat."


def test_tags_and_slots_are_single_subwords(trained: dict[str, Any]) -> None:
    from stages.translate.codes import Languages
    from stages.translate.subwords import Subwords

    folder = trained["folder"] / "model"
    subwords = Subwords(folder, Languages(folder).direction("en", "de"))
    text = "<a>Tom</a> sees (<b>Mary</b>) and __SLOT0__."
    tokens = subwords.cut([text])[0]
    assert subwords.decode(tokens) == text
    plain = subwords.cut(["Tom sees (Mary) and __SLOT0__."])[0]
    added = ["▁<a>", "▁</a>", "▁<b>", "▁</b>"]
    assert [token for token in tokens if token not in added] == plain
    assert [tokens.count(token) for token in added] == [1, 1, 1, 1]
    assert "▁__SLOT0__" in plain
    assert not subwords.unknown(text)


def test_ctranslate2_says_the_same_as_transformers(trained: dict[str, Any], tmp_path: Path) -> None:
    import ctranslate2
    from transformers import MarianMTModel, MarianTokenizer

    folder = trained["folder"] / "model"
    ctranslate2.converters.TransformersConverter(str(folder)).convert(str(tmp_path / "ct2"))
    converted = ctranslate2.Translator(str(tmp_path / "ct2"), compute_type="float32")
    model = MarianMTModel.from_pretrained(folder)
    tokenizer = MarianTokenizer.from_pretrained(folder)
    # Decoding starts from the padding's embedding, which CTranslate2 takes for zero.
    assert not model.model.shared.weight[tokenizer.pad_token_id].any()
    rows = [(">>de<< Tom sees dog 4 cat.", "Tom sieht Hund"), (">>es<< Mary wants house.", "Mary")]
    for text, translation in rows:
        ids = tokenizer(text, return_tensors="pt")
        labels = tokenizer(text_target=translation, return_tensors="pt").input_ids
        logits = model(**ids, labels=labels).logits
        # CTranslate2 never considers the padding.
        logits[..., tokenizer.pad_token_id] = float("-inf")
        expected = logits.log_softmax(-1).gather(2, labels[..., None])[0, :, 0]
        found = converted.score_batch(
            [tokenizer.convert_ids_to_tokens(ids.input_ids[0])],
            [tokenizer.convert_ids_to_tokens(labels[0])[:-1]],
        )[0]
        assert found.log_probs == pytest.approx(expected.tolist(), abs=2e-3)


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, 24)
    first = config.model_copy(update={"loop": steps(9)})
    # The learning rate depends on the budget: keep it constant to compare.
    flat = {"final_learning_rate_ratio": 1.0}
    config = config.model_copy(update={"loop": config.loop.model_copy(update=flat)})
    first = first.model_copy(update={"loop": first.loop.model_copy(update=flat)})
    whole = train_translator(config, tmp_path / "a", tmp_path / "work-a", seed=1)
    train_translator(first, tmp_path / "b", tmp_path / "work-b", seed=1)
    resumed = train_translator(config, tmp_path / "b", tmp_path / "work-b", seed=1)
    assert resumed["losses"] == whole["losses"]
    files = [tmp_path / name / "model.safetensors" for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_examples_depend_on_seed_and_shard_alone(trained: dict[str, Any], tmp_path: Path) -> None:
    from model_recipes.shared.corpus import load_corpus
    from stages.text_sources import read_entities

    config = tiny_config(tmp_path, 5)
    pairs = load_corpus(config.corpus).pairs
    entities = list(read_entities(config.gazetteer[0]))
    spm = next((trained["folder"] / "work").glob("subwords-*[0-9a-f].model"))
    vocabulary = marian_vocabulary(spm, ["en", "de", "es"])

    def shard(seed: int, number: int) -> list[list[TranslationExample]]:
        return ExampleMaker(pairs, config, spm, vocabulary, Texts(entities), seed).shard(number)

    assert shard(1, 3) == shard(1, 3)
    assert shard(1, 3) != shard(1, 4)
    assert shard(1, 3) != shard(2, 3)
    examples = [example for batch in shard(1, 0) for example in batch]
    assert len(examples) == 200
    tags = {vocabulary[tag]: tag for tag in (">>en<<", ">>de<<", ">>es<<")}
    assert {tags[example.source[0]] for example in examples} == set(tags.values())
    assert all(e.source[-1] == e.target[-1] == vocabulary["</s>"] for e in examples)
    assert max(len(e.source) for e in examples) <= config.max_subwords
    subwords = {i: subword for subword, i in vocabulary.items()}
    sources = ["".join(subwords[i] for i in e.source[1:-1]).replace("▁", " ") for e in examples]
    targets = ["".join(subwords[i] for i in e.target[:-1]).replace("▁", " ") for e in examples]
    renamed = [(a, b) for a, b in zip(sources, targets, strict=True) if "Merkel" in a]
    assert renamed
    assert all("Merkel" in b for _, b in renamed)


def test_padding_is_not_trained_on(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, 5)
    model = build_model(config, {str(n): n for n in range(49)} | {"<pad>": 49, "</s>": 0}, seed=1)
    rng = random.Random(1)
    short = TranslationExample([3, 4, 0], [5, 0])
    long = TranslationExample(
        [rng.randrange(1, 40) for _ in range(12)], [rng.randrange(1, 40) for _ in range(9)]
    )
    cpu = torch.device("cpu")
    alone = [translation_loss(model, [e], cpu, 49, 0.1) for e in (short, long)]
    loss, count = translation_loss(model, [short, long], cpu, 49, 0.1)
    assert count == 11
    expected = (alone[0][0] * 2 + alone[1][0] * 9) / 11
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    loss.backward()
    assert not model.model.shared.weight.grad[49].any()


def test_sentencepiece_keeps_letters_and_splits_digits(tmp_path: Path) -> None:
    import sentencepiece

    text = [f"Der Preis ist {n} Euro." for n in range(200)]
    model = train_sentencepiece(text, tmp_path / "p", subwords=300, seed=1)
    processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
    assert [p for p in processor.encode("1999", out_type=str) if p != "▁"] == list("1999")
    assert processor.decode(processor.encode("“Þór” – Lukáš’s")).startswith('"')
    assert processor.unk_id() not in processor.encode("Lukáš Škoda Øresund")
    vocabulary = marian_vocabulary(model, ["en", "de"])
    assert list(vocabulary)[:4] == ["</s>", "<unk>", ">>en<<", ">>de<<"]
    assert list(vocabulary)[-1] == "<pad>"
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))


def test_positions_must_suffice(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs shape.max_positions of 202 or more, not 64"):
        TrainTranslatorConfig(
            corpus=toy_corpus(tmp_path), shape=MarianShape(max_positions=64), loop=steps(1)
        )
    with pytest.raises(ValueError, match="multiple of heads"):
        MarianShape(width=30, heads=4)
