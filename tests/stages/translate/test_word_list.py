"""Lists of words beside a translator: what it writes that is no word."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.errors import ModelError
from stages.translate.decoding import DecodingConfig
from stages.translate.translator import Translator
from stages.translate.word_list import WordList, file_of, words_of, write_word_list
from tests.tiny.text import sentences

TEXTS = sentences(6, seed=4)


@pytest.mark.parametrize(
    ("text", "source", "unknown"),
    [
        ("Der Hund bellt.", "The dog barks.", 0),
        ("Der Hundschafter bellt.", "The dog barks.", 1),
        ("Angelas Hund, Nairobi 1990", "Angela's dog, NAIROBI 1990", 0),  # names of the source
        ("Der dog bellt.", "The dog barks.", 1),  # a copy is no word
        ("Hund-Haus Hund-Hauser", "", 1),  # joined words are words
        ("L’Haus Cafe\u0301", "", 0),  # however apostrophes and accents are written
        ("", "", 0),
    ],
)
def test_words_that_are_none(text: str, source: str, unknown: int) -> None:
    words = WordList(words_of("der hund bellt das haus l'haus café"))
    assert words.unknown(text, source) == unknown


def test_a_list_is_written_and_read(tmp_path: Path) -> None:
    assert write_word_list(tmp_path, "de", ["Der Hund, der bellt", "Äpfel 12"]) == 4
    assert file_of(tmp_path, "de").read_text(encoding="utf-8") == "bellt\nder\nhund\näpfel\n"
    found = WordList.beside(tmp_path, "deu")
    assert found is not None and found.unknown("Äpfel bellt Hand", "") == 1
    assert WordList.beside(tmp_path, "nl") is None
    file_of(tmp_path, "nl").write_bytes("één".encode("latin-1"))
    with pytest.raises(ModelError, match=r"words\.nl\.txt: a list of words must be UTF-8"):
        WordList.beside(tmp_path, "nl")


def test_what_has_no_such_words_comes_first(models: Path, cache: Path, tmp_path: Path) -> None:
    config = DecodingConfig(compute_type="float32", beam_size=6, max_output_tokens=12)
    every = config.model_copy(update={"num_hypotheses": 6})
    plain = Translator(models / "bart", "en", "de", every, cache=cache).translate(TEXTS)
    # A list of the words of the third hypotheses, and of nothing else.
    folder = shutil.copytree(models / "bart", tmp_path / "bart")
    write_word_list(folder, "de", [h[2].text for h in plain if len(h) > 2])

    def translated(**options: bool | int) -> list[list[str]]:
        other = config.model_copy(update=options)
        found = Translator(folder, "en", "de", other, cache=cache).translate(TEXTS)
        return [[h.text for h in hypotheses] for hypotheses in found]

    words = WordList.beside(folder, "de")
    assert words is not None
    first = translated()
    assert all(len(texts) == 1 for texts in first)
    costs = [
        [words.unknown(h.text, text) for h in hypotheses if h.reason is None]
        for text, hypotheses in zip(TEXTS, plain, strict=True)
    ]
    found = [words.unknown(texts[0], text) for text, texts in zip(TEXTS, first, strict=True)]
    assert sum(found) < sum(cost[0] for cost in costs if cost)
    assert all(
        sorted(ours) == sorted(h.text for h in theirs)
        for ours, theirs in zip(translated(num_hypotheses=6), plain, strict=True)
    )
    assert translated(word_list=False) == [[h[0].text] for h in plain]
