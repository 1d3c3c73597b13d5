"""Pairing translations with the sentences they translate, some of which are missing."""

from __future__ import annotations

import random

import pytest

from benchmarks.project.corpora import corpus_links
from benchmarks.project.make_links import write_links
from pipeline.errors import DataError
from pipeline.schema import Sentence
from stages.prepare.matching import match


def sentences(texts: list[str], lang: str) -> list[Sentence]:
    return [Sentence(str(k), lang, text.split()) for k, text in enumerate(texts)]


def corpus(n: int) -> tuple[list[Sentence], list[Sentence]]:
    draw = random.Random(5)
    names = [f"Name{k}" for k in range(n)]
    english = [f"{name} met {draw.choice(names)} today" for name in names]
    other = [text.replace("met", "traf").replace("today", "heute") for text in english]
    return sentences(english, "en"), sentences(other, "de")


@pytest.mark.parametrize("missing", [[], [0], [39], [3, 4, 20]])
def test_missing_sentences_are_found(missing: list[int]) -> None:
    english, other = corpus(40)
    there = [k for k in range(40) if k not in missing]
    place, sure = match(english, [other[k] for k in there], key="k")
    assert place == there
    assert all(sure)


def test_a_place_that_only_the_order_decides_is_not_certain() -> None:
    english = sentences(["Bonn grows", "it rains", "it snows", "Ulm grows"], "en")
    place, sure = match(
        english, sentences(["Bonn waechst", "es regnet", "Ulm waechst"], "de"), key="k"
    )
    assert place[0] == 0
    assert place[2] == 3
    assert sure == [True, False, True]
    place, sure = match(
        english[:2] + english[3:], sentences(["Bonn x", "y z", "Ulm x"], "de"), key="k"
    )
    assert (place, sure) == ([0, 1, 2], [True, True, True])


def test_more_translations_than_sentences_is_an_error() -> None:
    english, other = corpus(3)
    with pytest.raises(DataError, match="3 translations of 2"):
        match(english[:2], other, key="k")


def test_links_of_the_other_direction_are_turned_round(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from collections import Counter

    write_links([Counter({(0, 2): 6})], 12, tmp_path / "europarl-de.own.links")
    (turned,) = corpus_links(tmp_path, "europarl-de-en", "own") or []
    assert [(x.source, x.target, x.prob) for x in turned] == [(2, 0, 0.5)]
    assert corpus_links(tmp_path, "europarl-de-es", "own") is None
