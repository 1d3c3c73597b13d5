"""The word-level API."""

from __future__ import annotations

import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification

from pipeline.errors import ConfigError, DataError, ModelError
from stages.tagger.encoding import load_tokenizer
from stages.tagger.modeling import LayerFusedConfig, LayerFusedForTokenClassification
from stages.tagger.tagger import Tagger
from tests.tiny.encoders import FAMILIES
from tests.tiny.text import LABELS, toy_rows

Family = Callable[[str], Path]


def tagger(folder: Path, **options: object) -> Tagger:
    """A tagger with random but decided opinions."""
    torch.manual_seed(3)
    model = LayerFusedForTokenClassification.from_encoder(
        folder, LABELS, fusion="dlfa_aif", fusion_layer=1, aif_ratio=2.0
    )
    with torch.no_grad():
        model.classifier.weight.mul_(40)
    return Tagger(model, load_tokenizer(folder), **{"dtype": "float32", **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FAMILIES)
def test_batches_do_not_change_what_a_sentence_gets(name: str, family: Family) -> None:
    sentences = [*(w for w, _ in toy_rows(17)), [], ["\u200b"], ["Tom"] * 30]
    many = tagger(family(name), batch_size=5).distributions(sentences)
    alone = tagger(family(name), batch_size=1)
    assert [d.shape for d in many] == [(len(s), 5) for s in sentences]
    assert all(d.dtype == np.float32 for d in many)
    for words, found in zip(sentences, many, strict=True):
        np.testing.assert_allclose(found, alone.distributions([words])[0], atol=1e-5)


def test_a_long_sentence_is_read_through_windows(family: Family) -> None:
    words = ["Tom", "met", "Juan", "in", "Accra", "!"] * 40
    narrow = tagger(family("bert"), window=24)
    found = narrow.distributions([words])[0]
    assert found.shape == (240, 5)
    # The same windows by hand.
    subwords = narrow.encoder.encode([words])
    windows = narrow.encoder.windows(subwords)
    assert len(windows) > 5
    for first, end, own, own_end in zip(
        windows.first, windows.end, windows.own_first, windows.own_end, strict=True
    ):
        part = narrow.distributions([words[first:end]])[0]
        np.testing.assert_allclose(
            found[own:own_end], part[own - first : own_end - first], atol=1e-5
        )
    short = words[:6]
    wide = tagger(family("bert"))
    np.testing.assert_allclose(
        narrow.distributions([short])[0], wide.distributions([short])[0], atol=1e-6
    )
    assert wide.encoder.window == 64
    with pytest.raises(ModelError, match="no room beside the special tokens"):
        tagger(family("bert"), window=2)


def test_raw_text_gives_characters_and_the_same_entities(family: Family) -> None:
    ours = tagger(family("bert"))
    text = "Anna  Meier lives in New York, they said."
    words = ["Anna", "Meier", "lives", "in", "New", "York", ",", "they", "said", "."]
    raw, split = ours.predict([text])[0], ours.predict([words])[0]
    assert [(e.start, e.end, e.type, e.score) for e in raw] == [
        (e.start, e.end, e.type, e.score) for e in split
    ]
    assert raw, "the random tagger finds something"
    for entity in raw:
        assert entity.chars is not None
        assert text[slice(*entity.chars)] == entity.text
        assert entity.text.split() == words[entity.start : entity.end]
        assert 0 < (entity.score or 0) <= 1
    assert ours.predict([]) == [] and ours.predict([""]) == [[]]
    with pytest.raises(DataError, match="wrap it"):
        ours.predict("Anna")
    with pytest.raises(DataError, match="not both at once"):
        ours.predict(["Anna", ["Anna"]])  # type: ignore[list-item]


def test_plain_token_classifiers_load_too(family: Family, tmp_path: Path) -> None:
    torch.manual_seed(4)
    names = dict(enumerate(["B-PER", "I-PER", "O"]))
    plain = AutoModelForTokenClassification.from_pretrained(
        family("xlmr"), id2label=names, label2id={v: k for k, v in names.items()}
    ).eval()
    plain.save_pretrained(tmp_path)
    load_tokenizer(family("xlmr")).save_pretrained(tmp_path)
    ours = Tagger.from_pretrained(tmp_path, dtype="float32")
    assert ours.labels == ["B-PER", "I-PER", "O"]
    words = ["Tom", "met", "Juan"]
    encoded = ours.encoder.tokenizer(words, is_split_into_words=True, return_tensors="pt")
    firsts = [encoded.word_ids().index(i) for i in range(3)]
    with torch.no_grad():
        logits = plain(**encoded).logits[0, firsts]
    np.testing.assert_allclose(
        ours.distributions([words])[0], torch.softmax(logits, -1).numpy(), atol=1e-6
    )


def test_all_subwords_of_a_word_are_averaged_where_they_were_trained(family: Family) -> None:
    ours = tagger(family("bert"))
    first = ours.distributions([["unbelievably", "Tom"]])[0]
    ours._all_subwords = True
    mean = ours.distributions([["unbelievably", "Tom"]])[0]
    encoded = ours.encoder.tokenizer(
        ["unbelievably", "Tom"], is_split_into_words=True, return_tensors="pt"
    )
    with torch.no_grad():
        probs = torch.softmax(ours.model(**encoded).logits[0], -1).numpy()
    own = [i for i, w in enumerate(encoded.word_ids()) if w == 0]
    assert len(own) > 1
    np.testing.assert_allclose(mean[0], probs[own].mean(0), atol=1e-6)
    np.testing.assert_allclose(first[0], probs[own[0]], atol=1e-6)


def test_a_device_that_does_not_exist_is_refused(family: Family) -> None:
    with pytest.raises(ConfigError, match="device 'nix': allowed: auto, cpu, cuda"):
        tagger(family("bert"), device="nix")


@pytest.mark.parametrize("name", FAMILIES)
def test_a_tagger_can_be_sent_to_another_process(name: str, family: Family) -> None:
    ours = tagger(family(name))
    sentences = [w for w, _ in toy_rows(9)]
    expected = ours.predict(sentences)
    again = pickle.loads(pickle.dumps(ours))
    assert again.predict(sentences) == expected and any(expected)


def test_a_forked_process_can_use_a_tagger_that_was_used_before(
    family: Family, tmp_path: Path, warm_python: Path
) -> None:
    tagger(family("bert")).save_pretrained(tmp_path / "tagger")
    code = """if True:
        import sys

        import torch
        from datasets import Dataset
        from xlner import Tagger

        torch.set_num_threads(2)
        torch.ones(1 << 20).exp()  # by two threads, on any machine
        ours = Tagger.from_pretrained(sys.argv[1], dtype="float32")

        def found(rows):
            torch.ones(1 << 20).exp()
            return {"found": [x.round(4).tolist() for x in ours.distributions(rows["words"])]}

        rows = Dataset.from_dict({"words": [["Tom", "met", "Juan", "!"]] * 8})
        expected = found(rows[:])
        given = rows.map(found, batched=True, batch_size=8, num_proc=2)
        assert given["found"][:] == expected["found"]
        """
    subprocess.run(
        [warm_python, "-c", code, tmp_path / "tagger"],
        cwd=Path(__file__).parents[3],
        check=True,
        timeout=100,
    )


def test_what_is_no_tagger_is_refused(family: Family, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="without label names: an encoder or language model"):
        Tagger.from_pretrained(family("bert"))
    with pytest.raises(ModelError, match="not a model folder or hub id"):
        Tagger.from_pretrained(tmp_path)


def test_a_config_of_0_1_says_which_subwords_carry_labels() -> None:
    assert LayerFusedConfig(label_pieces="all").label_subwords == "all"
    assert "label_pieces" not in LayerFusedConfig(label_pieces="all").to_dict()
