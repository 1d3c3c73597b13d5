"""From documents to sentences: borders, and what happens to spans."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.formats.report import CharSpan, RawSentence
from pipeline.formats.sentences import keep_whole, split_document, split_text, split_words
from pipeline.schema import Span

PIECES = st.sampled_from(
    [
        "Ann",
        "went",
        ".",
        "!",
        " ",
        "\n",
        "\n\n",
        "Mr.",
        "U.S.",
        "1.",
        "🚀",
        "。",
        "東京",
        '"',
        "\ud800",
    ]
)


@pytest.mark.parametrize(
    ("lang", "text", "sentences"),
    [
        ("en", "Dr. Lee left. 🚀 Did he? Fine", ["Dr. Lee left.", "🚀 Did he?", "Fine"]),
        ("en", "J. R. Doe saw No. 5.  Then he left.", ["J. R. Doe saw No. 5.", "Then he left."]),
        ("de", "Am 1. Mai kam er. Er blieb.", ["Am 1. Mai kam er.", "Er blieb."]),
        ("de", "Ein Satz\nin Zeilen\n\nein Absatz", ["Ein Satz\nin Zeilen", "ein Absatz"]),
        ("en", "A title\nThe text.", ["A title", "The text."]),
        ("ja", "東京。大阪。", ["東京。", "大阪。"]),
        ("hi", "यह एक है। यह दो है।", ["यह एक है।", "यह दो है।"]),
        ("xx", " \n", []),
    ],
)  # fmt: skip
def test_borders(lang: str, text: str, sentences: list[str]) -> None:
    assert [text[a:b] for a, b in split_text(text, lang)] == sentences


def test_borders_of_words() -> None:
    words = ["Mr.", "Lee", "left", ".", "He", "came", ".", "Yes"]
    assert split_words(words, "en") == [(0, 4), (4, 7), (7, 8)]


def test_a_span_across_a_border_keeps_its_sentences_together() -> None:
    text = "We saw Guess Who? Band in Oslo. Fine."
    raw = RawSentence(
        text=text, char_spans=[CharSpan(7, 22, "ORG"), CharSpan(26, 30, "LOC")], id="d"
    )
    parts, crossed = split_document(raw, "en")
    assert [(p.id, p.text) for p in parts] == [("d-1", text[:31]), ("d-2", "Fine.")]
    assert parts[0].char_spans == raw.char_spans and parts[1].char_spans == []
    assert crossed == 1
    assert split_document(RawSentence(text="Fine.", id="d"), "en")[0][0].id == "d"


def test_words_with_spans() -> None:
    raw = RawSentence(
        words=["Ann", "left", ".", "Bob", "stayed", "."], spans=[Span(3, 4, "PER")], line=7
    )
    parts, crossed = split_document(raw, "en")
    assert [(p.words, p.spans, p.line) for p in parts] == [
        (["Ann", "left", "."], [], 7),
        (["Bob", "stayed", "."], [Span(0, 1, "PER")], 7),
    ]
    assert crossed == 0


@given(pieces=st.lists(PIECES, max_size=30), lang=st.sampled_from(["en", "de", "ja", "xx"]))
def test_only_white_space_lies_between_sentences(pieces: list[str], lang: str) -> None:
    text = "".join(pieces)
    ranges = split_text(text, lang)
    covered = {i for a, b in ranges for i in range(a, b)}
    assert all(text[i].isspace() for i in range(len(text)) if i not in covered)
    assert all(a < b for a, b in ranges) and ranges == sorted(ranges)
    assert not any(text[a].isspace() or text[b - 1].isspace() for a, b in ranges)


@given(
    pieces=st.lists(PIECES, min_size=1, max_size=30),
    cuts=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9), st.sampled_from("AB"))),
)
def test_no_span_is_lost_or_changed(pieces: list[str], cuts: list[tuple[int, int, str]]) -> None:
    text = "".join(pieces)
    spans = [CharSpan(a, a + n, t) for a, n, t in cuts if a + n <= len(text)]
    parts, crossed = split_document(RawSentence(text=text, char_spans=spans), "en")
    found = [((p.text or "")[s.start : s.end], s.type) for p in parts for s in p.char_spans or []]
    assert sorted(found) == sorted((text[s.start : s.end], s.type) for s in spans)
    borders = split_text(text, "en")
    assert crossed == keep_whole(borders, spans)[1] <= len(spans)
