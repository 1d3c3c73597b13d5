"""SentencePiece with NFKC: the tokenizer of multilingual-e5-small, cut (make_e5_tokenizer.py)."""

from __future__ import annotations

import lzma
import unicodedata
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import BertConfig, PreTrainedTokenizerFast

from pipeline.formats.words import invisible
from stages.align.subwords import SubwordCutter, transformers_cut
from stages.tagger.encoding import WordEncoder
from stages.tagger.modeling import LayerFusedConfig, LayerFusedForTokenClassification
from stages.tagger.tagger import Tagger
from tests.stages.train.make_e5_tokenizer import FILE, SENTENCES

LABELS = ["O", "B-PER", "I-PER"]
LETTERS = (
    "abzAZ09.,-'äéñßçøıİ" "ẹọṣńǹṣáàÈƙɗɓƘƊ" "\u0300\u0301\u0323\u0302" "中国北京田東都" "ประเทศไย์ุ"
    "カﾞガｶかなー" "ﬁ½①Ⅳ…" "ＴｏＫ" "ÀÈͅΐ" "Москва" "قاهرة" "दिल्ली" "👩🇩🇪"
)  # fmt: skip
UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u00a0\u3000\u202e"
words_of_any_script = st.text(st.sampled_from(LETTERS + UNSEEN), min_size=1, max_size=8)
sentences_of_any_script = st.lists(words_of_any_script, max_size=9)


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    backend = Tokenizer.from_str(lzma.decompress(FILE.read_bytes()).decode())
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>",
        sep_token="</s>", pad_token="<pad>", cls_token="<s>", mask_token="<mask>",
        model_max_length=512,
    )  # fmt: skip


@cache
def encoder(window: int = 64) -> WordEncoder:
    return WordEncoder(tokenizer(), window)


@cache
def tagger() -> Tagger:
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
    bert = BertConfig(vocab_size=len(tokenizer()), num_hidden_layers=2, pad_token_id=1, **size)
    config = LayerFusedConfig(
        encoder=bert,
        id2label=dict(enumerate(LABELS)),
        label2id={n: k for k, n in enumerate(LABELS)},
        fusion="dlfa_aif",
        fusion_layer=1,
    )
    return Tagger(LayerFusedForTokenClassification(config), tokenizer(), device="cpu", window=32)


def subwords_of(word: str) -> list[str]:
    ids = encoder().encode([[word]]).ids.tolist()
    found: list[str] = tokenizer().convert_ids_to_tokens(ids)
    return found


@given(st.lists(sentences_of_any_script, max_size=4))
def test_every_word_keeps_its_own_subwords(sentences: list[list[str]]) -> None:
    subwords = encoder().encode(sentences)
    assert np.diff(subwords.sentences).tolist() == [len(s) for s in sentences]
    flat = [w for s in sentences for w in s]
    assert len(subwords.words) == len(flat) + 1
    for number, word in enumerate(flat):
        ours = subwords.ids[subwords.words[number] : subwords.words[number + 1]]
        alone = encoder().encode([[word]])
        assert ours.tolist() == alone.ids.tolist()
        assert len(ours) > 0 or invisible(word)
        assert not (set(ours.tolist()) & {0, 1, 2})  # text never becomes <s>, <pad> or </s>


@given(words_of_any_script)
def test_a_word_reads_as_its_compatible_form(word: str) -> None:
    subwords = encoder().encode([[word]])
    if subwords.unknown_words or subwords.respelt_words:
        return
    shown = "".join(subwords_of(word)).replace("▁", "")
    composed = unicodedata.normalize("NFC", word)
    mapped = tokenizer().backend_tokenizer.normalizer.normalize_str(composed)
    assert shown == "".join(mapped.split()).replace("▁", "")


@given(st.text(st.sampled_from(UNSEEN), min_size=1, max_size=5))
def test_what_cannot_be_seen_has_no_subwords(word: str) -> None:
    subwords = encoder().encode([["Anna", word, "Meier"]])
    assert set(subwords_of(word)) <= {"\u00ad"} | set(UNSEEN) | {"▁"}
    if not subwords_of(word):
        assert np.diff(subwords.words)[1] == 0
    probs = tagger().distributions([["Anna", word, "Meier"]])[0]
    assert probs.shape == (3, 3)


def test_zero_width_words_never_start_an_entity() -> None:
    for word in ("\u200b", "\u200d", "\ufeff", "\u00a0", "\u3000"):
        assert subwords_of(word) == [], word
        probs = tagger().distributions([["Anna", word, "Meier"]])[0]
        assert probs[1].tolist() == tagger().label_set.neutral.tolist()


def test_the_mark_of_a_space_is_a_word_where_it_is_written() -> None:
    assert subwords_of("▁") == ["▁"]


@pytest.mark.parametrize(
    ("word", "subwords"),
    [
        ("ẹ̀kọ́", ["▁", "ẹ", "\u0300", "k", "ọ", "\u0301"]),
        (unicodedata.normalize("NFD", "ẹ̀kọ́"), ["▁", "ẹ", "\u0300", "k", "ọ", "\u0301"]),
        ("Ɗan", ["▁", "Ɗ", "an"]),
        ("ﬁn", ["▁", "fin"]),
        ("a\u200db", ["▁a", "▁b"]),
        ("北京", ["▁", "北京"]),
        (unicodedata.normalize("NFD", "Việt"), ["▁", "Việt"]),
        (unicodedata.normalize("NFD", "ガ"), ["▁", "ガ"]),
        ("</s>", ["▁", "<unk>"]),
    ],
)
def test_words_as_the_vocabulary_writes_them(word: str, subwords: list[str]) -> None:
    found = subwords_of(word)
    assert "".join(found).replace("▁", "") == "".join(subwords).replace("▁", "")
    assert encoder().encode([[word]]).respelt_words == 0


def test_letters_that_it_lacks_are_respelt() -> None:
    subwords = encoder().encode([["\u1c80nna"]])  # CYRILLIC SMALL LETTER ROUNDED VE: no subword
    assert subwords.unknown_words == 1
    assert encoder().encode([["A\u1df7nna"]]).respelt_words == 1  # a combining mark: left out


@given(words_of_any_script)
def test_forms_of_the_same_text_have_the_same_subwords(word: str) -> None:
    composed, apart = (unicodedata.normalize(form, word) for form in ("NFC", "NFD"))
    assert subwords_of(composed) == subwords_of(apart) == subwords_of(word)
    aligned = SubwordCutter(transformers_cut(tokenizer()))([[composed], [apart], [word]])
    assert aligned[0].ids == aligned[1].ids == aligned[2].ids


@given(st.lists(sentences_of_any_script, min_size=1, max_size=3))
@settings(max_examples=25)
def test_windows_decide_every_word_once(sentences: list[list[str]]) -> None:
    long = [s * 6 for s in sentences]
    words = encoder(24)
    subwords = words.encode(long)
    windows = words.windows(subwords)
    owned = [
        w for a, b in zip(windows.own_first, windows.own_end, strict=True) for w in range(a, b)
    ]
    assert owned == list(range(len(subwords.words) - 1))
    assert not len(windows) or words.lengths(subwords, windows).max() <= 24


@given(st.lists(sentences_of_any_script, max_size=3))
@settings(max_examples=25)
def test_one_distribution_per_word(sentences: list[list[str]]) -> None:
    for words, probs in zip(sentences, tagger().distributions(sentences), strict=True):
        assert probs.shape == (len(words), len(LABELS))
        np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "lang"),
    list(
        zip(
            SENTENCES,
            ["de", "es", "yo", "ha", "sw", "zh", "ja", "th", "ru", "ar", "hi"],
            strict=True,
        )
    ),
)
def test_offsets_are_those_of_the_raw_text(text: str, lang: str) -> None:
    for form in ("NFC", "NFD"):
        raw = f"  {unicodedata.normalize(form, text)}\u200d "
        (found,) = tagger().predict([raw], lang=lang)
        for entity in found:
            assert entity.chars is not None
            start, end = entity.chars
            assert 0 <= start < end <= len(raw)
            assert raw[start:end] == entity.text
            assert entity.text == entity.text.strip()


def test_the_fixture_is_small() -> None:
    assert Path(FILE).stat().st_size < 200_000
