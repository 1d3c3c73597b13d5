"""Character spans to words, and words with nothing to see."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.formats.report import CharSpan
from pipeline.formats.words import (
    SpanError,
    drop_invisible,
    invisible,
    offsets_by,
    whitespace_offsets,
    words_from_text,
)
from pipeline.schema import Span
from tests.pipeline.formats.helpers import triples


def test_spans_on_word_borders() -> None:
    text = "Ann Lee is in Bonn"
    words, spans, split = words_from_text(
        text, [CharSpan(14, 18, "LOC"), CharSpan(0, 7, "PER")], whitespace_offsets
    )
    assert words == text.split()
    assert triples(spans) == [(0, 2, "PER"), (4, 5, "LOC")]
    assert split == 0


def test_borders_inside_words_split_them() -> None:
    words, spans, split = words_from_text(
        "Bonner-Zeitung, (Ann)",
        [CharSpan(0, 4, "LOC"), CharSpan(17, 20, "PER")],
        whitespace_offsets,
    )
    assert words == ["Bonn", "er-Zeitung,", "(", "Ann", ")"]
    assert triples(spans) == [(0, 1, "LOC"), (3, 4, "PER")]
    assert split == 2


def test_white_space_at_the_ends_of_a_span_is_ignored() -> None:
    words, spans, split = words_from_text("in Bonn .", [CharSpan(2, 8, "LOC")], whitespace_offsets)
    assert (words, triples(spans), split) == (["in", "Bonn", "."], [(1, 2, "LOC")], 0)


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([CharSpan(3, 3, "A")], "span [3, 3) A does not fit a text of 7 characters"),
        ([CharSpan(-1, 3, "A")], "span [-1, 3) A does not fit a text of 7 characters"),
        ([CharSpan(3, 8, "A")], "span [3, 8) A does not fit a text of 7 characters"),
        (
            [CharSpan(2, 5, "B"), CharSpan(0, 3, "A")],
            "spans [0, 3) A and [2, 5) B overlap; keep one of them",
        ),
        ([CharSpan(2, 3, "A")], "span [2, 3) A covers no word: ' '"),
    ],
)
def test_bad_spans(spans: list[CharSpan], message: str) -> None:
    with pytest.raises(SpanError) as error:
        words_from_text("in Bonn", spans, whitespace_offsets)
    assert str(error.value) == message


@given(st.data())
def test_every_span_covers_its_own_text(data: st.DataObject) -> None:
    text = data.draw(st.text(alphabet="ab ,é\u00a0", min_size=1, max_size=20))
    edges = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    spans = [
        CharSpan(a, b, "A")
        for a, b in zip(edges[::2], edges[1::2], strict=False)
        if text[a:b].strip(" ")
    ]
    words, found, _ = words_from_text(text, spans, whitespace_offsets)
    assert "".join(words) == text.replace(" ", "")
    for span, word_span in zip(spans, found, strict=True):
        covered = "".join(words[word_span.start : word_span.end])
        assert covered == text[span.start : span.end].replace(" ", "")


def test_offsets_by_a_tokenizer() -> None:
    offsets = offsets_by(lambda text: ["a", "a", ".", "b"])("a  a. b")
    assert offsets == [(0, 1), (3, 4), (4, 5), (6, 7)]


@pytest.mark.parametrize(
    "word", ["", " ", "\u00a0", "\u200b", "\u200b\ufeff\u00ad", "\x01", "\u3000"]
)
def test_invisible(word: str) -> None:
    assert invisible(word)


@pytest.mark.parametrize("word", ["a", "\u200ba", "\u0301", "\ufffd", "\ue000", "."])
def test_visible(word: str) -> None:
    assert not invisible(word)


def test_dropping_moves_spans() -> None:
    words = ["\u200b", "a", "\u00a0", "b", "\u200b", "c"]
    spans = [Span(0, 2, "A", 0.5), Span(3, 6, "B"), Span(2, 3, "C")]
    kept, moved, lost = drop_invisible(words, spans)
    assert kept == ["a", "b", "c"]
    assert moved == [Span(0, 1, "A", 0.5), Span(1, 3, "B")]
    assert lost == 1
