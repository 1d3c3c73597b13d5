"""Taggers from elsewhere: checkpoints of any scheme, spaCy pipelines, GLiNER."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.errors import ModelError
from stages.external.config import ExternalConfig
from stages.external.kinds.transformers import as_iob2, placed
from stages.tagger.tagger import Tagger
from tests.tiny.text import toy_rows

SENTENCES = [words for words, _ in toy_rows(12)]


def opened(config: dict[str, Any], types: list[str], **how: Any) -> Any:
    options = ExternalConfig.model_validate(config)
    model = str(options.model)
    assert list(options.tagger_kind().problems(model, None)) == []
    return options.tagger_kind().open(model, None, "de", types, **how)


def quiet(done: int) -> None:
    """Show nothing."""


def checkpoint(bert: Path, folder: Path, labels: list[str]) -> Path:
    """Write a token classifier with random weights and these labels."""
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    torch.manual_seed(3)
    model = AutoModelForTokenClassification.from_pretrained(bert, num_labels=len(labels))
    model.classifier.weight.data.normal_(std=2.0)
    model.config.id2label = dict(enumerate(labels))
    model.config.label2id = {n: i for i, n in enumerate(labels)}
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(bert).save_pretrained(folder)
    return folder


def test_a_checkpoint_with_iob2_labels_says_what_our_tagger_says(
    bert: Path, tmp_path: Path
) -> None:
    labels = ["I-PER", "O", "B-PER", "B-LOC", "I-LOC"]
    folder = checkpoint(bert, tmp_path, labels)
    found = opened({"model": str(folder)}, ["PER"])
    assert found.types == ["LOC", "PER"]
    order = [labels.index(n) for n in ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]]
    ours = Tagger.from_pretrained(folder).distributions(SENTENCES)
    for theirs, mine in zip(found.distributions(SENTENCES, quiet), ours, strict=True):
        np.testing.assert_allclose(theirs, mine[:, order], atol=1e-6)


def test_iobes_bilou_and_types_alone_are_read(bert: Path, tmp_path: Path) -> None:
    plain = opened(
        {"model": str(checkpoint(bert, tmp_path / "p", ["O", "PER", "LOC"]))}, ["PER"]
    ).distributions(SENTENCES, quiet)
    iobes = ["S-PER", "O", "B-PER", "I-PER", "E-PER"]
    bilou = ["U-PER", "O", "B-PER", "I-PER", "L-PER"]
    one, two = (
        opened({"model": str(checkpoint(bert, tmp_path / n[0][0], n))}, ["PER"])
        for n in (iobes, bilou)
    )
    assert one.types == two.types == ["PER"]
    raw = Tagger.from_pretrained(tmp_path / "S", rename=lambda n: as_iob2(n, "x"))
    for a, b, c in zip(
        one.distributions(SENTENCES, quiet),
        two.distributions(SENTENCES, quiet),
        raw.distributions(SENTENCES),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(a[:, 1], c[:, 0] + c[:, 2], atol=1e-6)
        np.testing.assert_allclose(a[:, 2], c[:, 3] + c[:, 4], atol=1e-6)
    assert all(p[0, 2::2].max() == 0 for p in plain), "a sentence cannot begin inside"


def test_an_entity_begins_where_none_of_its_type_goes_on() -> None:
    probs = np.array(
        [[0.1, 0, 0.9, 0, 0], [0.2, 0, 0.8, 0, 0], [0.2, 0, 0.1, 0, 0.7], [0.1, 0.6, 0.3, 0, 0]],
        np.float32,
    )
    found = placed(probs)
    assert found.argmax(1).tolist() == [1, 2, 3, 1]
    np.testing.assert_allclose(found.sum(1), probs.sum(1))
    assert found[3].tolist() == pytest.approx([0.1, 0.9, 0, 0, 0])
    assert placed(probs[:0]).shape == (0, 5)


def test_labels_without_an_outside_are_refused() -> None:
    with pytest.raises(ModelError, match="expected one label O"):
        as_iob2(["B-PER", "I-PER"], "m")


def test_an_encoder_is_no_tagger(bert: Path) -> None:
    options = ExternalConfig.model_validate({"model": str(bert)})
    (problem,) = options.tagger_kind().problems(str(bert), None)
    assert "names no labels" in problem


def test_a_spacy_pipeline_labels_our_words(pipeline: Path) -> None:
    found = opened({"tagger": "spacy", "model": str(pipeline)}, ["PER"])
    assert found.types == ["DATE", "GPE", "PERSON"]
    (probs,) = found.distributions([["Anna", "Meier", "was", "in", "Bonn", "."]], quiet)
    names = ["O", "B-DATE", "I-DATE", "B-GPE", "I-GPE", "B-PERSON", "I-PERSON"]
    assert [names[i] for i in probs.argmax(1)] == ["B-PERSON", "I-PERSON", "O", "O", "B-GPE", "O"]


def test_a_spacy_pipeline_that_is_not_there() -> None:
    options = ExternalConfig.model_validate({"tagger": "spacy", "model": "xx_no_such"})
    (problem,) = options.tagger_kind().model_problems("xx_no_such", None)
    assert "pip install xx-no-such" in problem


def tiny_gliner(bert: Path, folder: Path) -> Path:
    """Write a GLiNER model with random weights around the tiny encoder."""
    gliner = pytest.importorskip("gliner", reason="gliner is not installed")
    from transformers import AutoConfig, AutoTokenizer

    encoder = AutoConfig.from_pretrained(bert)
    tokenizer = AutoTokenizer.from_pretrained(bert)
    tokenizer.add_tokens(["[FLERT]", "<<ENT>>", "<<SEP>>"], special_tokens=True)
    config = gliner.GLiNERConfig(
        model_name=str(bert),
        encoder_config={**encoder.to_dict(), "vocab_size": len(tokenizer)},
        hidden_size=16,
        max_width=4,
        max_len=64,
        dropout=0.0,
        fine_tune=True,
        subtoken_pooling="first",
        span_mode="markerV0",
        words_splitter_type="whitespace",
        class_token_index=tokenizer.convert_tokens_to_ids("<<ENT>>"),
        vocab_size=len(tokenizer),
        has_rnn=False,
    )
    torch.manual_seed(5)
    model = gliner.GLiNER.from_config(config, load_tokenizer=False, cache_dir=None)
    model.data_processor.transformer_tokenizer = tokenizer
    model.model.token_rep_layer.resize_token_embeddings(len(tokenizer), None)
    model.save_pretrained(folder, safe_serialization=True)
    return folder


def test_gliner_is_asked_by_name(bert: Path, tmp_path: Path) -> None:
    folder = tiny_gliner(bert, tmp_path / "g")
    config = {"tagger": "gliner", "model": str(folder), "threshold": 0.01}
    found = opened({**config, "names": {"LOC": "place"}}, ["LOC", "PER"])
    assert found.types == ["LOC", "PER"]
    result = found.distributions([*SENTENCES, []], quiet)
    assert [len(p) for p in result] == [*map(len, SENTENCES), 0]
    assert sum((p.argmax(1) > 0).sum() for p in result) > 0, "random weights find something"
    other = opened({**config, "names": {"LOC": "weather"}}, ["LOC", "PER"])
    again = other.distributions([*SENTENCES, []], quiet)
    assert any((a != b).any() for a, b in zip(result, again, strict=True)), "names matter"


def test_a_pickled_gliner_model_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("gliner", reason="gliner is not installed")
    (tmp_path / "gliner_config.json").write_text(json.dumps({}))
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    options = ExternalConfig.model_validate({"tagger": "gliner", "model": str(tmp_path)})
    (problem,) = options.tagger_kind().problems(str(tmp_path), None)
    assert "no model.safetensors" in problem
