"""Sources are ranked by the subwords and names that a target's text shares with theirs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.schema import Sentence, Span
from stages.source_ranking import SourceText, nearest_to_all, ranked


def letters(words: Sequence[str]) -> list[str]:
    return [letter for word in words for letter in word]


def source(lang: str, *sentences: tuple[str, list[tuple[int, int]]]) -> SourceText:
    rows = [
        Sentence(f"{lang}-{i}", lang, text.split(), [Span(a, b, "PER") for a, b in spans])
        for i, (text, spans) in enumerate(sentences)
    ]
    return SourceText(lang, rows, letters)


NEAR = source("nl", ("Anna woont in Ulm", [(0, 1), (3, 4)]), ("Huis van Anna", [(2, 3)]))
FAR = source("el", ("ο σκύλος της Ουλμ", [(3, 4)]))


def test_the_nearer_source_is_first_whatever_the_order() -> None:
    target = [["Anna", "wohnt", "in", "Ulm"]]
    for sources in ([NEAR, FAR], [FAR, NEAR]):
        first, last = ranked(sources, "de", target, letters)
        assert (first.source, last.source) == ("nl", "el")
        assert first.nearness == 1.0 and last.nearness == 0.0
        assert (first.sentences, first.entities) == (2, 3)
        assert first.names == 0.5  # Anna and Ulm, of four words


def test_the_same_text_overlaps_wholly() -> None:
    same = [["Anna", "woont", "in", "Ulm"], ["Huis", "van", "Anna"]]
    assert ranked([NEAR], "nl", same, letters)[0].subwords == pytest.approx(1.0)


def test_a_word_that_is_mostly_no_name_is_none() -> None:
    text = source("en", ("Bank of Ulm", [(0, 3)]), ("two of three of four", []))
    assert text.names == {"Bank", "Ulm"}


def test_without_words_there_is_nothing_to_compare() -> None:
    with pytest.raises(DataError, match="el: there is no text"):
        source("el")
    with pytest.raises(DataError, match="de: there is no text"):
        ranked([NEAR, FAR], "de", [], letters)


def test_the_nearest_to_several_targets_is_so_on_the_mean() -> None:
    rankings = {
        "de": ranked([NEAR, FAR], "de", [["Anna", "wohnt"]], letters),
        "bg": ranked([NEAR, FAR], "bg", [["σκύλος", "Ulm"]], letters),
    }
    assert nearest_to_all(rankings) == ["nl", "el"]


WORDS = st.lists(st.lists(st.text("abcé", min_size=1, max_size=4), min_size=1), min_size=1)


@given(WORDS, WORDS, WORDS)
def test_shares_are_shares(
    one: list[list[str]], other: list[list[str]], t: list[list[str]]
) -> None:
    sources = [
        SourceText(lang, [Sentence("s", lang, w, [Span(0, 1, "X")]) for w in words], letters)
        for lang, words in (("nl", one), ("en", other))
    ]
    if not any(len(w) > 1 for words in t for w in words):
        return
    found = ranked(sources, "de", t, letters)
    assert found[0].nearness >= found[1].nearness
    for near in found:
        assert 0 <= near.subwords <= 1 + 1e-9 and 0 <= near.names <= 1 + 1e-9
        assert 0 <= near.nearness <= 1 + 1e-9
