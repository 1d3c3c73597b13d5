"""Pre-training a tiny encoder, its rows, its losses and its word links."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model_recipes.encoder.config import BertShape, ObjectiveConfig, PretrainEncoderConfig
from model_recipes.encoder.examples import IGNORED, Item, ItemMaker
from model_recipes.encoder.links import link_corpus
from model_recipes.encoder.training import (
    alignment_loss,
    build_model,
    pretrain_encoder,
    pretraining_loss,
    word_vectors,
)
from model_recipes.encoder.wordpieces import load_wordpiece, train_wordpiece
from model_recipes.shared.corpus import TrainingText, load_corpus
from pipeline.errors import ModelError
from stages.text_sources import TextPair
from tests.model_recipes.shared.toy_text import NOUNS, VERBS, steps, toy_corpus, toy_rows


def tiny_config(folder: Path, number: int, **objective: float) -> PretrainEncoderConfig:
    return PretrainEncoderConfig(
        corpus=toy_corpus(folder),
        subwords=500,
        shape=BertShape(width=32, heads=2, feed_forward=64, layers=3, max_positions=48),
        objective=ObjectiveConfig(alignment_layer=2, **objective),
        batch_tokens=400,
        shard_examples=200,
        max_subwords=40,
        loop=steps(number),
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("encoder")
    config = tiny_config(folder, 60)
    report = pretrain_encoder(config, folder / "model", folder / "work", seed=1)
    return {"folder": folder, "report": report, "config": config}


def test_the_folder_is_an_ordinary_checkpoint(trained: dict[str, Any]) -> None:
    from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, BertModel

    folder = trained["folder"] / "model"
    model = AutoModelForMaskedLM.from_pretrained(folder)
    assert model.dtype == torch.float32
    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight
    bare = AutoModel.from_pretrained(folder)
    assert isinstance(bare, BertModel)
    assert bare.config.hidden_dropout_prob == 0.1
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.is_fast
    assert tokenizer.model_max_length == 48
    encoded = tokenizer("Tom sees Zürich", return_tensors="pt")
    assert tokenizer.convert_ids_to_tokens(encoded.input_ids[0])[0] == "[CLS]"
    assert tokenizer.tokenize("Tom tom")[0] == "Tom"
    assert bare(**encoded, output_hidden_states=True).hidden_states[3].shape[-1] == 32


def test_the_loss_falls(trained: dict[str, Any]) -> None:
    losses = [loss for _, loss in trained["report"]["losses"]]
    assert losses[-1] < losses[0] - 1
    assert trained["report"]["linked_pairs"] > 500


def test_an_interrupted_training_ends_with_the_same_weights(
    trained: dict[str, Any], tmp_path: Path
) -> None:
    def config(number: int) -> PretrainEncoderConfig:
        made = tiny_config(tmp_path, number)
        # The learning rate depends on the budget: keep it constant to compare.
        flat = made.loop.model_copy(update={"final_learning_rate_ratio": 1.0})
        return made.model_copy(update={"loop": flat})

    whole = pretrain_encoder(config(15), tmp_path / "a", tmp_path / "work-a", seed=1)
    pretrain_encoder(config(7), tmp_path / "b", tmp_path / "work-b", seed=1)
    resumed = pretrain_encoder(config(15), tmp_path / "b", tmp_path / "work-b", seed=1)
    assert resumed["losses"] == whole["losses"]
    files = [tmp_path / name / "model.safetensors" for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> ItemMaker:
    folder = tmp_path_factory.mktemp("items")
    config = tiny_config(folder, 5)
    corpus = load_corpus(config.corpus)
    text = [(pair.language, pair.target) for pair in corpus.pairs]
    text += [("en", pair.source) for pair in corpus.pairs]
    vocabulary = train_wordpiece(text, subwords=500, per_language=100, seed=1)
    tokenizer = load_wordpiece(vocabulary, 48)
    links = link_corpus(corpus, tokenizer, config.objective, folder / "links.npz")
    return ItemMaker(corpus.pairs, corpus.sentences, links, config, tokenizer, seed=1)


def test_shards_are_repeatable_and_hold_all_three_kinds(maker: ItemMaker) -> None:
    shard = maker.shard(0)
    assert str(shard) == str(maker.shard(0))
    assert str(shard) != str(maker.shard(1))
    items = [item for batch in shard for item in batch]
    linked = [item for item in items if item.links is not None]
    joined = [item for item in items if item.links is None and not item.rows[0].words]
    assert len(linked) == 80
    assert len(joined) == 60
    assert len(items) - len(linked) - len(joined) == 60
    for batch in shard:
        assert len({item.links is None for item in batch}) == 1


def test_masking_keeps_labels_where_subwords_were_changed(maker: ItemMaker) -> None:
    rows = [row for n in range(4) for b in maker.shard(n) for item in b for row in item.rows]
    masked = total = 0
    for row in rows:
        assert len(row.subwords) == len(row.labels) == len(row.positions)
        assert row.labels[0] == row.labels[-1] == IGNORED
        masked += sum(label != IGNORED for label in row.labels)
        total += len(row.labels)
    assert 0.08 < masked / total < 0.25


def test_chained_pairs_keep_their_links_and_number_their_words_on(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, 5, concatenate=1.0).model_copy(update={"max_subwords": 200})
    corpus = load_corpus(config.corpus)
    text = [("en", pair.source) for pair in corpus.pairs]
    text += [(pair.language, pair.target) for pair in corpus.pairs]
    tokenizer = load_wordpiece(train_wordpiece(text, subwords=500, per_language=100, seed=1), 48)
    identical = np.array([(n, n) for n in range(6)], np.int16)  # five words and the full stop
    links = dict.fromkeys(range(len(corpus.pairs)), identical)
    maker = ItemMaker(corpus.pairs, corpus.sentences, links, config, tokenizer, seed=1)
    linked = [i for b in maker.shard(0) for i in b if i.links is not None]
    counts = {len(item.links) for item in linked}
    assert counts == {12, 18, 24}, "one to three further pairs"
    for item in linked:
        np.testing.assert_array_equal(item.links[:, 0], np.arange(len(item.links)))
        np.testing.assert_array_equal(item.links[:, 0], item.links[:, 1])
        for row in item.rows:
            assert max(row.words) == len(item.links) - 1


def test_training_goes_on_from_a_saved_model(trained: dict[str, Any], tmp_path: Path) -> None:
    first = trained["folder"] / "model"
    config = tiny_config(tmp_path, 60).model_copy(update={"start_from": first})
    report = pretrain_encoder(config, tmp_path / "model", tmp_path / "work", seed=2)
    assert report["started_from"] == "model"
    assert report["losses"][0][1] < trained["report"]["losses"][0][1] - 0.5
    assert (tmp_path / "model/tokenizer.json").read_bytes() == (
        first / "tokenizer.json"
    ).read_bytes()
    assert "started from the weights of `model`" in (tmp_path / "model/README.md").read_text()


def test_a_start_of_another_shape_is_refused(trained: dict[str, Any], tmp_path: Path) -> None:
    config = tiny_config(tmp_path, 5)
    config = config.model_copy(
        update={
            "start_from": trained["folder"] / "model",
            "shape": config.shape.model_copy(update={"layers": 4}),
        }
    )
    with pytest.raises(ModelError, match="another shape than the configuration asks for"):
        pretrain_encoder(config, tmp_path / "model", tmp_path / "work", seed=2)


def test_positions_start_anew_on_the_second_side(maker: ItemMaker) -> None:
    joined = next(
        item.rows[0]
        for batch in maker.shard(0)
        for item in batch
        if item.links is None and not item.rows[0].words
    )
    restart = joined.positions.index(1, 2)
    assert joined.positions == [*range(restart), *range(1, len(joined.positions) - restart + 1)]


def test_links_of_a_toy_language_are_found_kept_and_read_again(tmp_path: Path) -> None:
    rows = [(a.rstrip("."), b.rstrip(".")) for a, b in toy_rows(300, 0)]
    corpus = TrainingText(pairs=[TextPair("xx", *row) for row in rows])
    text = [("en", a) for a, _ in rows] + [("xx", b) for _, b in rows]
    tokenizer = load_wordpiece(train_wordpiece(text, subwords=500, per_language=300, seed=1), 48)
    kept = tmp_path / "links.npz"
    links = link_corpus(corpus, tokenizer, ObjectiveConfig(linked_pairs=200), kept)
    assert len(links) == 200
    assert max(links) > 290, "spread over the corpus, not its beginning"
    known = {word: forms[0] for word, forms in (NOUNS | VERBS).items()}
    right = total = 0
    for index, found in links.items():
        source, target = (side.split() for side in rows[index])
        for i, j in found:
            total += 1
            right += known.get(source[i], source[i]) == target[j]
    assert total > 0.9 * 5 * len(links)
    assert right > 0.98 * total
    again = link_corpus(corpus, tokenizer, ObjectiveConfig(), kept)
    assert {n: link.tolist() for n, link in again.items()} == {
        n: link.tolist() for n, link in links.items()
    }


def test_word_vectors_are_means_of_subwords() -> None:
    hidden = torch.tensor([[[9.0, 9.0], [1.0, 0.0], [0.0, 1.0], [0.0, 2.0]]])
    vectors, there = word_vectors(hidden, torch.tensor([[-1, 0, 0, 1]]))
    assert there.tolist() == [[True, True]]
    assert torch.allclose(vectors[0, 0], torch.tensor([0.5, 0.5]) / 0.5**0.5)
    assert vectors[0, 1].tolist() == [0.0, 1.0]


def test_alignment_loss_is_low_where_linked_words_are_alike() -> None:
    axes = torch.eye(3)[None]
    there = torch.ones(1, 3, dtype=torch.bool)
    straight = [np.array([[0, 0], [1, 1], [2, 2]], np.int16)]
    crossed = [np.array([[0, 2], [2, 0]], np.int16)]
    good = alignment_loss((axes, there), (axes, there), straight, 0.1)
    bad = alignment_loss((axes, there), (axes, there), crossed, 0.1)
    assert good < 0.01
    assert bad > 5


def test_padding_does_not_change_the_loss(maker: ItemMaker, tmp_path: Path) -> None:
    config = tiny_config(tmp_path, 5)
    batches = maker.shard(0)
    linked = next(batch for batch in batches if batch[0].links is not None and len(batch) > 3)
    plain = next(batch for batch in batches if batch[0].links is None and len(batch) > 3)
    tokenizer = load_wordpiece(
        train_wordpiece([("en", "a b c")] * 5, subwords=500, per_language=5, seed=1), 48
    )
    model = build_model(config, tokenizer, seed=1).eval()
    model.resize_token_embeddings(600)

    def loss(batch: list[Item]) -> tuple[float, int]:
        value, count = pretraining_loss(model, batch, torch.device("cpu"), config.objective)
        return value.item(), count

    singles = [loss([item]) for item in plain]
    value, count = loss(plain)
    weighted = sum(v * n for v, n in singles if v) / sum(n for v, n in singles if v)
    assert value == pytest.approx(weighted, rel=1e-3)
    assert count == sum(n for v, n in singles if v)
    assert loss(linked)[0] > 0


def test_a_layer_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="alignment_layer 9 does not exist; the shape has layers 0"
    ):
        PretrainEncoderConfig(objective=ObjectiveConfig(alignment_layer=9))
    with pytest.raises(ValueError, match="needs shape.max_positions of 400 or more"):
        PretrainEncoderConfig(max_subwords=400)


def test_the_vocabulary_depends_on_text_and_seed_alone(tmp_path: Path) -> None:
    text = [("de", target) for _, target in toy_rows(200, 0)]
    text += [("en", source) for source, _ in toy_rows(200, 1)]
    made = {train_wordpiece(text, subwords=450, per_language=150, seed=1) for _ in range(4)}
    assert len(made) == 1
    tokenizer = load_wordpiece(made.pop(), 48)
    assert tokenizer.all_special_tokens == ["[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"]
    assert tokenizer.convert_ids_to_tokens(range(5)) == [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
    ]
    assert "##" in "".join(tokenizer.tokenize("Katzenbaum"))
    assert tokenizer.decode(tokenizer("Zürich").input_ids, skip_special_tokens=True) == "Zürich"
