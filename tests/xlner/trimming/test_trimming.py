"""Cut vocabularies: what is kept is as it was, and nothing that could be written is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM, AutoTokenizer

from pipeline.errors import ConfigError, ModelError
from pipeline.models import locate
from tests.tiny.encoders import KINDS, SENTENCES, encoder_folder, tokenizer_of
from xlner.trimming import trim_encoder
from xlner.trimming.kinds import kind_of
from xlner.trimming.selection import Segmenter, choose
from xlner.trimming.trim import renumbered
from xlner.trimming.words import count_words, together

GERMAN = [s for s in SENTENCES if s.startswith(("der", "Ausschüsse", "Über"))]
WRITABLE = sorted({c for s in SENTENCES for c in s})


def words_of(folder: Path, sentences: list[str]) -> dict[str, dict[str, float]]:
    backend = AutoTokenizer.from_pretrained(folder).backend_tokenizer
    return {"text": dict(count_words(sentences, backend))}


@pytest.fixture(scope="module", params=KINDS)
def full(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    name = request.param.replace(" ", "-")
    return encoder_folder(request.param, tmp_path_factory.mktemp(name))


def test_states_and_logits_of_what_is_kept_are_equal_to_the_bit(full: Path, tmp_path: Path) -> None:
    report = trim_encoder(locate(str(full)), words_of(full, GERMAN), tmp_path / "cut")
    assert report.texts["text"].as_before == 1.0
    assert report.subwords_after < report.subwords_before
    assert report.parameters_after < report.parameters_before
    old, new = (AutoTokenizer.from_pretrained(f) for f in (full, tmp_path / "cut"))
    before, after = (
        AutoModelForMaskedLM.from_pretrained(f).eval() for f in (full, tmp_path / "cut")
    )
    assert after.config.vocab_size == len(new) == report.subwords_after
    inputs = [f(GERMAN[:3], padding=True, return_tensors="pt") for f in (old, new)]
    rows = torch.tensor(old.convert_tokens_to_ids(new.convert_ids_to_tokens(range(len(new)))))
    assert torch.equal(rows[inputs[1]["input_ids"]], inputs[0]["input_ids"])
    with torch.no_grad():
        a = before(**inputs[0], output_hidden_states=True)
        b = after(**inputs[1], output_hidden_states=True)
    for was, now in zip(a.hidden_states, b.hidden_states, strict=True):
        assert torch.equal(was, now)
    # The matrix product over fewer rows may be summed in another order; the weights are the same.
    torch.testing.assert_close(a.logits[..., rows], b.logits)
    assert torch.equal(
        before.get_output_embeddings().weight[rows], after.get_output_embeddings().weight
    )
    tied = after.get_output_embeddings().weight.data_ptr()
    assert tied == after.get_input_embeddings().weight.data_ptr()


def test_weights_that_the_checkpoint_does_not_have_are_not_made_up(tmp_path: Path) -> None:
    from safetensors import safe_open
    from transformers import AutoModel

    folder = encoder_folder("WordPiece", tmp_path / "full")
    AutoModel.from_pretrained(folder, add_pooling_layer=False).save_pretrained(folder)
    report = trim_encoder(locate(str(folder)), words_of(folder, GERMAN), tmp_path / "cut")
    with safe_open(tmp_path / "cut" / "model.safetensors", "pt") as weights:
        names = list(weights.keys())
        numbers = sum(weights.get_tensor(name).numel() for name in names)
    assert not [name for name in names if "pooler" in name]
    assert numbers == report.parameters_after


@pytest.mark.parametrize("stored", [torch.float16, torch.float32])
def test_weights_are_stored_as_those_of_the_full_encoder(
    full: Path, tmp_path: Path, stored: torch.dtype
) -> None:
    # As the encoder that ships: halves in the file, float32 in the configuration.
    folder = tmp_path / "full"
    shutil.copytree(full, folder)
    weights = load_file(folder / "model.safetensors")
    save_file({n: w.to(stored) for n, w in weights.items()}, folder / "model.safetensors")
    report = trim_encoder(locate(str(folder)), words_of(folder, GERMAN), tmp_path / "cut")
    written = load_file(tmp_path / "cut" / "model.safetensors")
    assert {w.dtype for w in written.values()} == {stored} and written.keys() <= weights.keys()
    assert sum(w.numel() for w in written.values()) == report.parameters_after
    assert report.bytes_after < report.bytes_before


def test_what_is_no_encoder_is_told(tmp_path: Path) -> None:
    folder = encoder_folder("BPE", tmp_path / "full")
    words = words_of(folder, GERMAN)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "modeling.Mine"}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelError, match="full"):
        trim_encoder(locate(str(folder)), words, tmp_path / "cut")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="full"):
        trim_encoder(locate(str(folder)), words, tmp_path / "cut")


def test_special_tokens_keep_their_meaning(full: Path, tmp_path: Path) -> None:
    trim_encoder(locate(str(full)), words_of(full, GERMAN), tmp_path / "cut", size=None)
    old, new = (AutoTokenizer.from_pretrained(f) for f in (full, tmp_path / "cut"))
    assert old.all_special_tokens == new.all_special_tokens
    text = f"der {old.mask_token} <entity> Hund"
    assert old.tokenize(text) == new.tokenize(text)
    assert old(text).tokens() == new(text).tokens()
    pair = (GERMAN[0], GERMAN[1])
    assert old(*pair).tokens() == new(*pair).tokens()
    config = json.loads((tmp_path / "cut" / "config.json").read_text(encoding="utf-8"))
    assert config["pad_token_id"] == new.pad_token_id == old.pad_token_id


@pytest.mark.parametrize("size", [None, "small"])
@settings(max_examples=60)
@given(text=st.text(st.sampled_from([*WRITABLE, "漢", "\u0301"]), max_size=24))
@pytest.mark.parametrize("kind", KINDS)
def test_no_text_becomes_unwritable(kind: str, size: str | None, text: str) -> None:
    before, after = _cut(kind, size)
    was, now = before.encode(text), after.encode(text)
    unknown = {"[UNK]", "<unk>"}
    assert (not unknown.intersection(was.tokens)) <= (not unknown.intersection(now.tokens))
    if not unknown.intersection(was.tokens):
        assert before.decode(was.ids) == after.decode(now.ids)


_CUTS: dict[tuple[str, str | None], Any] = {}


def _cut(kind: str, size: str | None) -> Any:
    if (kind, size) not in _CUTS:
        from tokenizers import Tokenizer

        made = tokenizer_of(kind)
        parsed = json.loads(made.to_str())
        words = together({"text": count_words(GERMAN, made)})
        number = None
        if size:
            least = len(choose(parsed, {}, None))
            number = (least + len(choose(parsed, words, None))) // 2
        kept = choose(parsed, words, number)
        assert number is None or len(kept) == number
        cut, _ = renumbered(parsed, kept, "tiny")
        _CUTS[kind, size] = made, Tokenizer.from_str(json.dumps(cut))
    return _CUTS[kind, size]


@pytest.mark.parametrize("kind", KINDS)
def test_a_word_whose_subwords_are_all_kept_is_tokenised_as_before(kind: str) -> None:
    made = tokenizer_of(kind)
    parsed = json.loads(made.to_str())
    words = together({"text": count_words(SENTENCES, made)})
    least = len(choose(parsed, {}, None))
    kept = choose(parsed, words, least + 40)
    old = Segmenter(parsed["model"])
    new = Segmenter(kind_of(parsed, "tiny").cut(kept))
    whole = [word for word in words if set(old(word)) <= kept]
    assert 0 < len(whole) < len(words)
    assert all(old(word) == new(word) for word in whole)


@pytest.mark.parametrize("kind", KINDS)
def test_of_too_many_subwords_the_useful_ones_are_kept(kind: str) -> None:
    made = tokenizer_of(kind)
    parsed = json.loads(made.to_str())
    words = together({"text": count_words(GERMAN, made)})
    always = choose(parsed, {}, None)
    kept = choose(parsed, words, len(always) + 20)

    def subwords_per_word(kept: set[str]) -> float:
        cut = Segmenter(kind_of(parsed, "tiny").cut(kept))
        return sum(weight * len(cut(word)) for word, weight in words.items())

    # The model's own order, most frequent first in all languages; merges come after their parts.
    numbers = kind_of(parsed, "tiny").subwords
    others = sorted(numbers.keys() - always, key=numbers.__getitem__)
    first = always | set(others[: len(kept) - len(always)])
    assert len(first) == len(kept)
    assert subwords_per_word(kept) < subwords_per_word(first)


def test_what_must_be_kept_is_never_more_than_asked_for(full: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"6 subwords are fewer than the \d+ that must be kept"):
        trim_encoder(locate(str(full)), words_of(full, GERMAN), tmp_path / "cut", size=6)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="holds something already"):
        trim_encoder(locate(str(full)), words_of(full, GERMAN), tmp_path / "used")


def test_another_kind_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="of kind 'WordLevel'"):
        kind_of({"model": {"type": "WordLevel", "vocab": {}}}, "tiny")


def test_one_text_does_not_outweigh_another() -> None:
    texts = {"long": {"a": 900.0, "b": 100.0}, "short": {"c": 1.0}}
    assert together(texts) == pytest.approx({"a": 0.9, "b": 0.1, "c": 1.0})
    assert together(texts, {"short": 2.0}) == pytest.approx({"a": 0.9, "b": 0.1, "c": 2.0})
