"""Words to subwords: nothing shifts, nothing is lost uncounted."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

from stages.tagger.encoding import WordEncoder, load_tokenizer, longest_window
from stages.tagger.word_tagger import word_splitter
from tests.tiny.encoders import FAMILIES, tokenizer_of, wrapped
from tests.tiny.text import toy_rows

Family = Callable[[str], Path]
ODD = [
    "\u200b",
    "\u00ad",
    "[SEP]",
    "</s>",
    "\u202e",
    "unbelievably" * 9,
    "São",
    "木",
    "e\u0301",
    "‏",
]


@cache
def encoder(folder: Path, window: int) -> WordEncoder:
    return WordEncoder(load_tokenizer(folder), window)


@pytest.mark.parametrize("name", FAMILIES)
def test_words_become_the_subwords_that_transformers_makes(name: str, family: Family) -> None:
    words = encoder(family(name), 64)
    sentences = [w for w, _ in toy_rows(12)]
    subwords = words.encode(sentences)
    tokenizer = words.tokenizer
    for index, sentence in enumerate(sentences):
        wanted = tokenizer(sentence, is_split_into_words=True)
        first, end = subwords.sentences[index], subwords.sentences[index + 1]
        ours = subwords.ids[subwords.words[first] : subwords.words[end]].tolist()
        assert [*words.prefix, *ours, *words.suffix] == wanted["input_ids"]
        owners = np.repeat(np.arange(end - first), np.diff(subwords.words[first : end + 1]))
        assert owners.tolist() == [w for w in wanted.word_ids() if w is not None]


def test_byte_level_words_keep_the_space_before_them(family: Family) -> None:
    words = encoder(family("modernbert"), 64)
    subwords = words.encode([["Tom", "Tom"]])
    assert subwords.ids[: subwords.words[1]].tolist() == subwords.ids[subwords.words[1] :].tolist()
    assert words.tokenizer.decode(subwords.ids) == " Tom Tom"


def test_words_cut_before_they_become_bytes_have_one_space_each(tmp_path: Path) -> None:
    """Llama's, EuroBERT's and Qwen's cut "don't" in two before it becomes bytes."""
    text = "Tom don't pay 3,000 dollars-a-year"
    backend = tokenizer_of("byte BPE", [text] * 5, 400)
    cut = Split(
        Regex(r"(?i:'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|\s+| ?[^\s\p{L}\p{N}]+"), "isolated"
    )
    backend.pre_tokenizer = Sequence([cut, ByteLevel(add_prefix_space=False, use_regex=False)])
    running = backend.encode(" " + text, add_special_tokens=False).ids
    wrapped(backend, 64).save_pretrained(tmp_path / "first")
    for name in ("first", "second"):  # what was loaded once is saved with the tagger, and loaded
        words = encoder(tmp_path / name, 64)
        assert words.encode([text.split()]).ids.tolist() == running
        words.tokenizer.save_pretrained(tmp_path / "second")


@pytest.mark.parametrize("name", FAMILIES)
def test_odd_words_stay_where_they_are(name: str, family: Family) -> None:
    words = encoder(family(name), 64)
    special = set(words.tokenizer.all_special_ids)
    for position, odd in enumerate(ODD):
        sentence = ["Tom"] * 4
        sentence[position % 4] = odd
        subwords = words.encode([sentence, ["Tom"]])
        assert subwords.sentences.tolist() == [0, 4, 5]
        plain = subwords.ids[subwords.words[4] :].tolist()
        for word, text in enumerate(sentence):
            own = subwords.ids[subwords.words[word] : subwords.words[word + 1]].tolist()
            if text == "Tom":
                assert own == plain
            unknown = words.tokenizer.unk_token_id
            assert not special - {unknown} & set(own)  # "[SEP]" is a word like another


def test_a_word_longer_than_the_window_is_cut_and_counted(family: Family) -> None:
    words = encoder(family("bert"), 10)
    subwords = words.encode([["Tom", "unbelievably" * 8, "met"]])
    assert subwords.cut_words == 1
    assert np.diff(subwords.words)[1] == words.room == 8
    assert words.tokenizer.convert_ids_to_tokens(int(subwords.ids[subwords.words[2]]))[:1] == "m"


@given(
    st.lists(
        st.lists(st.sampled_from(["Tom", "Rio", "unbelievably", "\u200b", "x" * 60]), max_size=40),
        max_size=4,
    ),
    st.integers(5, 40),
    st.integers(0, 12),
)
@settings(max_examples=80)
def test_windows_cover_every_word_once(
    sentences: list[list[str]], window: int, overlap: int
) -> None:
    words = encoder(_BERT[0], window)
    subwords = words.encode(sentences)
    windows = words.windows(subwords, overlap)
    owned = [
        w for a, b in zip(windows.own_first, windows.own_end, strict=True) for w in range(a, b)
    ]
    assert owned == list(range(len(subwords.words) - 1))
    lengths = words.lengths(subwords, windows)
    assert len(lengths) == 0 or lengths.max() <= window
    assert (windows.first <= windows.own_first).all() and (windows.own_end <= windows.end).all()
    sentence = np.searchsorted(subwords.sentences, windows.first, side="right")
    # A window never reaches into another sentence (empty ones share their start with the next).
    for first, end in zip(windows.first, windows.end, strict=True):
        inside = (subwords.sentences > first) & (subwords.sentences < end)
        assert not inside.any()
    assert (np.diff(sentence) >= 0).all()


_BERT: list[Path] = []


@pytest.fixture(autouse=True)
def _bert(family: Family) -> None:
    _BERT[:] = [family("bert")]


def test_a_sentence_of_5000_words_is_read_whole(family: Family) -> None:
    words = encoder(family("bert"), 64)
    subwords = words.encode([["Tom", "met", "Juan", "!"] * 1250])
    windows = words.windows(subwords)
    assert windows.own_first[0] == 0 and windows.own_end[-1] == 5000
    assert (windows.own_first[1:] == windows.own_end[:-1]).all()
    # Every inner word has context on both sides.
    assert (windows.own_first[1:] - windows.first[1:] >= 3).all()
    assert (windows.end[:-1] - windows.own_end[:-1] >= 3).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_the_longest_window_is_what_positions_allow(name: str, family: Family) -> None:
    from transformers import AutoConfig

    tokenizer = load_tokenizer(family(name))
    tokenizer.model_max_length = int(1e30)
    assert longest_window(AutoConfig.from_pretrained(family(name)), tokenizer) == 64


@given(st.text(max_size=60), st.sampled_from(["en", "fr", "zh", "th", "sw"]))
@settings(max_examples=80)
def test_raw_text_splits_into_words_with_their_places(text: str, lang: str) -> None:
    ranges = word_splitter(lang)(text)
    assert all(text[a:b].strip() for a, b in ranges)
    assert all(a[1] <= b[0] for a, b in pairwise(ranges))


def test_a_tokenizer_is_saved_alike_with_the_hub_and_without(
    family: Family, tmp_path: Path
) -> None:
    load_tokenizer(family("bert")).save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert saved["unk_token"] == "[UNK]" and "local_files_only" not in saved
