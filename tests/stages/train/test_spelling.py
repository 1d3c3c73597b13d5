"""Words that a vocabulary cannot write are read in the letters that it has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.tagger.encoding import WordEncoder, load_tokenizer, unreadable
from stages.tagger.spelling import respell

Family = Callable[[str], Path]
PLAIN = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'-")
SOME = PLAIN | set("èéòó")


@pytest.mark.parametrize(
    ("word", "some", "plain"),
    [
        ("plain", "plain", "plain"),
        ("ẹ̀kọ́", "èkó", "eko"),
        ("e\u0323\u0300ko\u0323\u0301", "èkó", "eko"),
        ("è\u0323", "è", "e"),  # the mark that is known goes first
        ("Ìpínlẹ̀", "Ipinlè", "Ipinle"),
        ("Ɗan", "Dan", "Dan"),
        ("ɛbɔ", "ebo", "ebo"),
        ("Straße", "Strasse", "Strasse"),
        ("Путин", "Путин", "Путин"),
        ("\u0300", "\u0300", "\u0300"),
        ("한글", "한글", "한글"),
        ("", "", ""),
    ],
)
def test_the_nearest_spelling(word: str, some: str, plain: str) -> None:
    assert respell(word, lambda letter: set(letter) <= SOME) == some
    assert respell(word, lambda letter: set(letter) <= PLAIN) == plain


@given(st.text(max_size=12))
def test_what_can_be_written_stays(word: str) -> None:
    import unicodedata

    assert respell(word, lambda letter: True) == unicodedata.normalize("NFC", word)
    assert isinstance(respell(word, lambda letter: False), str)


@pytest.fixture
def bert(family: Family) -> WordEncoder:
    return WordEncoder(load_tokenizer(family("bert")), 64)


def test_a_respelt_word_has_the_subwords_of_its_spelling(bert: WordEncoder) -> None:
    plain = bert.encode([["Tom", "met", "Ana", "in", "Rio"]])
    odd = bert.encode([["Tọ̀m", "met", "Anạ", "木", "Rio"], ["Tọ̀m"]])
    assert (odd.respelt_words, odd.unknown_words) == (3, 1)
    assert (plain.respelt_words, plain.unknown_words) == (0, 0)

    def subwords(of: object, word: int) -> list[int]:
        ids: list[int] = of.ids[of.words[word] : of.words[word + 1]].tolist()  # type: ignore[attr-defined]
        return ids

    for word in (0, 1, 2, 4):
        assert subwords(odd, word) == subwords(plain, word)
    assert subwords(odd, 3) == [bert.tokenizer.unk_token_id]
    assert subwords(odd, 5) == subwords(plain, 0)
    assert odd.sentences.tolist() == [0, 5, 6]


def test_a_language_that_cannot_be_read_is_warned_of() -> None:
    assert unreadable({}) is None
    assert unreadable({"words": 100, "words_respelt": 90, "words_unknown": 5}) is None
    assert "6 of 100 words are unknown" in str(unreadable({"words": 100, "words_unknown": 6}))


def test_a_byte_level_vocabulary_writes_everything(family: Family) -> None:
    words = WordEncoder(load_tokenizer(family("modernbert")), 64)
    subwords = words.encode([["Tọ̀m", "木", "\u0300"]])
    assert (subwords.respelt_words, subwords.unknown_words) == (0, 0)
    wanted = words.tokenizer(["Tọ̀m", "木", "\u0300"], is_split_into_words=True)
    assert [*words.prefix, *subwords.ids, *words.suffix] == wanted["input_ids"]


@given(st.lists(st.sampled_from(["Tom", "Tọ̀m", "木", "\u200b", "\u0300", "Ɗan"]), max_size=9))
def test_no_word_moves(words: list[str]) -> None:
    subwords = _ENCODER[0].encode([words, ["Tom"]])
    assert subwords.sentences.tolist() == [0, len(words), len(words) + 1]
    tom = subwords.ids[subwords.words[-2] :].tolist()
    for word, text in enumerate(words):
        if text in ("Tom", "Tọ̀m"):
            assert subwords.ids[subwords.words[word] : subwords.words[word + 1]].tolist() == tom
    assert np.diff(subwords.words).min() >= 0 and subwords.words[-1] == len(subwords.ids)


_ENCODER: list[WordEncoder] = []


@pytest.fixture(autouse=True)
def _shared(bert: WordEncoder) -> None:
    _ENCODER[:] = [bert]
