"""Shapes, folding, hashes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.schema import Link, Span
from stages.project.batch import Batch, LabelledPair
from stages.project.build import project_batches, span_rows
from stages.project.candidate import CandidateProjector
from stages.project.candidates import max_lengths
from stages.project.config import ProjectConfig
from stages.project.evidence import similarities
from stages.project.hashing import CountTable, SequenceHasher
from stages.project.words import (
    DIGIT,
    LOWER,
    MIXED,
    PUNCT,
    TITLE,
    UNCASED,
    UPPER,
    Vocabulary,
    fold,
    hash_stem,
    hash_word,
    shape_of,
)


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("haus", LOWER),
        ("Haus", TITLE),
        ("I", TITLE),
        ("EU", UPPER),
        ("EU-Rat", MIXED),
        ("McDonald", MIXED),
        ("iPhone", MIXED),
        ("d'Orsay", MIXED),
        ("1999", DIGIT),
        ("3,5", DIGIT),
        ("“", PUNCT),
        ("北京", UNCASED),
        ("თბილისი", UNCASED),
        ("Москва", TITLE),
        ("москва", LOWER),
    ],
)
def test_shapes(word: str, shape: int) -> None:
    assert shape_of(word) == shape


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("México", "Mexiko"),
        ("Ọṣun", "Osun"),
        ("Müller", "MULLER"),
        ("Anna", "Ana"),
        ("Владимир", "Vladimir"),
        ("москва", "Moskva"),
    ],
)
def test_spellings_of_one_name_fold_together(left: str, right: str) -> None:
    assert fold(left) == fold(right) != ""


def test_folding_keeps_digits_and_drops_marks() -> None:
    assert fold("2000") == "2000"
    assert fold("„") == fold("-") == ""
    assert fold("EU-Rat") == "eu-rat"


@given(st.text(max_size=12))
def test_any_text_has_shape_fold_and_hash(word: str) -> None:
    assert 0 <= shape_of(word) < 7
    assert fold(word) == fold(word)
    assert hash_word(word) == hash_word(word.casefold())


def test_hashes_are_the_same_in_another_process() -> None:
    code = "from stages.project.words import hash_word; print(hash_word('Straßburg'))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(out.stdout) == hash_word("Straßburg")


def test_letters_of_other_scripts_count_as_transliterated() -> None:
    vocabulary = Vocabulary()
    codes = vocabulary.encode(["北京", "Peking", "Peking"])
    assert codes.tolist() == [0, 1, 1]
    assert vocabulary.chars.tolist() == [7, 6]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.data())
def test_sequence_hash_is_the_same_wherever_it_stands(
    numbers: list[int], data: st.DataObject
) -> None:
    words = np.array([hash_word(str(n)) for n in numbers], np.uint64)
    hasher = SequenceHasher(words)
    a, b = sorted(data.draw(st.tuples(*[st.integers(0, len(numbers))] * 2)))
    c = data.draw(st.integers(0, len(numbers) - (b - a)))
    left, right = (int(hasher(np.array([x]), np.array([x + b - a]))[0]) for x in (a, c))
    assert (left == right) == (numbers[a:b] == numbers[c : c + b - a])


@given(st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=9), max_size=4))
def test_count_table_sums(parts: list[list[tuple[int, int]]]) -> None:
    table = CountTable()
    truth = dict.fromkeys(range(7), 0)
    for part in parts:
        table.add(
            np.array([k for k, _ in part], np.uint64), np.array([v for _, v in part], np.float64)
        )
        for k, v in part:
            truth[k] += v
    assert table.get(np.arange(7, dtype=np.uint64))[:, 0].tolist() == list(truth.values())


def test_marks_that_a_tokeniser_cut_off_stay_with_their_word() -> None:
    listed = LabelledPair(
        ["the", "Commission", "said"],
        [Span(1, 2, "ORG")],
        ["Ìgbìmọ", "\u0300", "sọ"],
        [Link(1, 0, 0.9), Link(2, 2, 0.9)],
    )
    batch = Batch.from_pairs([listed])
    assert shape_of("\u0300") == UNCASED
    assert batch.target.words(0, list(batch.vocabulary.codes)) == ["Ìgbìmọ\u0300", "sọ"]
    assert batch.link_target.tolist() == [0, 1]
    found = CandidateProjector().project(batch)
    assert (found.start.tolist(), found.end.tolist()) == ([0], [1])
    (((span,), lost),) = span_rows(batch, found)
    assert (span["start"], span["end"], lost) == (0, 2, [])


def test_projection_does_not_hang_on_whether_marks_are_cut_off() -> None:
    """All that differs is where the tokens are: every method finds the same words as before."""
    entity = [Span(1, 2, "LOC")]
    whole, cut = [], []
    for k, verb in enumerate(["sọ", "kọ́", "rí", "ṣe", "wá"]):
        tokens = ["ilẹ", "\u0300", "Gẹ", "\u0300", "ẹ", "\u0301", "sì", verb]
        links = [Link(1, 4, 0.7), Link(1, 5, 0.9), Link(1, 0, 0.3), Link(2, 7, 0.8)]
        cut.append(LabelledPair(["the", "English", "said"], entity, tokens, links, id=str(k)))
        words = ["ilẹ\u0300", "Gẹ\u0300", "ẹ\u0301", "sì", verb]
        links = [Link(1, 2, 0.9), Link(1, 0, 0.3), Link(2, 4, 0.8)]
        whole.append(LabelledPair(["the", "English", "said"], entity, words, links, id=str(k)))
    first = [0, 2, 4, 6, 7, 8]
    for method in ("candidates", "span", "merged_runs", "published", "ensemble"):
        config = ProjectConfig(method=method)
        found = list(project_batches([Batch.from_pairs(cut)], config))
        expected = list(project_batches([Batch.from_pairs(whole)], config))
        assert any(spans for spans, _ in found)
        for (spans, lost), (others, others_lost) in zip(found, expected, strict=True):
            assert lost == others_lost
            assert [(s["start"], s["end"], s["score"]) for s in spans] == [
                (first[s["start"]], first[s["end"]], s["score"]) for s in others
            ]


def test_a_mark_at_the_beginning_of_a_sentence_is_a_word() -> None:
    rows = [
        LabelledPair(["a"], [], ["b"]),
        LabelledPair(["Bonn"], [Span(0, 1, "LOC")], ["\u0301", "Bonn"], [Link(0, 1, 0.9)]),
        LabelledPair([], [], []),
        LabelledPair(["Bonn"], [Span(0, 1, "LOC")], ["Bo", "\u0301", "\u0300"], [Link(0, 2, 0.9)]),
    ]
    found = list(project_batches([Batch.from_pairs(rows)], ProjectConfig()))
    spans = [[(s["start"], s["end"]) for s in listed] for listed, _ in found]
    assert spans == [[], [(1, 2)], [], [(0, 3)]]


def test_letters_with_marks_hash_alike_however_they_are_written() -> None:
    assert hash_word("é") == hash_word("e\u0301") == hash_word("É")
    assert hash_word("é") != hash_word("e")


def test_longer_candidates_where_words_are_cut_into_characters() -> None:
    words = [LabelledPair(["in", "Bonn"], [Span(1, 2, "LOC")], ["x"] * n) for n in (2, 80)]
    batch = Batch.from_pairs(words)
    usual, longer = max_lengths(batch, np.arange(2)).tolist()
    assert usual == 6
    assert longer > 20


def test_short_syllables_are_no_spelling() -> None:
    """One or two Chinese characters sound like any short word; longer names are compared."""
    words = ["他", "图", "です", "奥巴马", "柏林墙", "オバマ", "ma", "из", "Ян", "é", "Øl", "1"]
    vocabulary = Vocabulary()
    codes = vocabulary.encode(words)
    spelled = dict(zip(words, vocabulary.spelled[codes].tolist(), strict=True))
    assert [w for w, says in spelled.items() if not says] == ["他", "图", "です", "é", "1"]
    pairs = [("ta", "他"), ("Obama", "奥巴马"), ("Obama", "オバマ"), ("Jan", "Ян")]
    left, right = (vocabulary.encode(p[k] for p in pairs) for k in (0, 1))
    found = similarities(vocabulary, left, right)
    assert found[0] == 0.0 and (found[1:] >= 0.6).all()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("niederländischen", "Niederländisches", True),
        ("Mexiko", "mexikanische", True),
        ("sushi", "sushi.", True),
        ("Спартака", "Спартаком", True),
        ("Roma", "Rosa", False),
        ("中国", "中文", False),
        ("(", ")", False),
    ],
)
def test_inflected_forms_share_a_stem(one: str, other: str, same: bool) -> None:
    vocabulary = Vocabulary()
    codes = vocabulary.encode([one, other])
    first, second = vocabulary.stems[codes]
    assert bool(first == second) is same


@given(st.text("aeioubcdßÄé.", min_size=5), st.text("xyz-."), st.text("xyz-."))
def test_endings_do_not_change_a_stem(start: str, one: str, other: str) -> None:
    words = start + one, (start + other).upper()
    enough = len(fold(start)) >= 5 and not fold(start).endswith("-")
    stems = {hash_stem(w, fold(w)) for w in words}
    assert not enough or len(stems) == 1
