"""What is found in text is carried over to words, and lasts as a distribution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.schema import Span
from stages.external.spans import FoundSpan, SpanTagger, as_distribution, joined, to_words
from stages.tagger.labels import LabelSet

WORDS = ["Anna", "sees", "L'", "Oréal", ",", "(", "x", ")", "«", "U.S.", "n't", "."]


@given(
    st.lists(st.sampled_from(WORDS), max_size=12),
    st.sampled_from(["fr", "en", "zh"]),
    st.booleans(),
)
def test_every_word_stands_where_it_is_said_to(words: list[str], lang: str, natural: bool) -> None:
    text, ranges = joined(words, lang, natural)
    assert [text[a:b] for a, b in ranges] == words
    assert all(b <= c for (_, b), (c, _) in pairwise(ranges))


def test_natural_text_is_what_people_write() -> None:
    assert joined(["Hello", ",", "world", "!"], "en")[0] == "Hello, world!"
    assert joined(["Hello", ",", "world", "!"], "en", natural=False)[0] == "Hello , world !"


def test_what_does_not_fit_is_widened_left_out_and_counted() -> None:
    text, ranges = joined(["New-York", "and", "Bonn", "."], "en")
    assert text == "New-York and Bonn."
    counts: Counter[str] = Counter()
    found = [
        FoundSpan(4, 8, "LOC", 0.9),  # York, in one of our words
        FoundSpan(8, 9, "LOC", 0.8),  # a space
        FoundSpan(0, 17, "ORG", 0.3),  # overlaps a surer one
        FoundSpan(13, 17, "LOC"),
    ]
    assert to_words(found, ranges, counts) == [
        Span(0, 1, "LOC", 0.9),
        Span(2, 3, "LOC", None),
    ]
    assert counts == {"spans_widened": 1, "spans_without_words": 1, "spans_overlapping": 1}


@st.composite
def sentences(draw: st.DrawFn) -> tuple[int, list[Span]]:
    length = draw(st.integers(0, 9))
    spans, at = [], 0
    while at < length:
        end = draw(st.integers(at + 1, length))
        if draw(st.booleans()):
            score = draw(st.one_of(st.none(), st.floats(0.2, 1.0)))
            spans.append(Span(at, end, draw(st.sampled_from(["LOC", "ORG", "PER"])), score))
        at = end
    return length, spans


@given(sentences())
def test_a_distribution_decodes_into_its_spans_with_their_scores(
    sentence: tuple[int, list[Span]],
) -> None:
    length, spans = sentence
    labels = LabelSet.of_types(["LOC", "ORG", "PER"])
    probs = as_distribution(spans, length, labels)
    np.testing.assert_allclose(probs.sum(1), 1.0, atol=1e-5)
    (found,) = labels.decode(probs, np.array([0, length]))
    assert [(s.start, s.end, s.type) for s in found] == [(s.start, s.end, s.type) for s in spans]
    for ours, theirs in zip(found, spans, strict=True):
        assert ours.score == pytest.approx(1.0 if theirs.score is None else theirs.score, abs=1e-5)


def find_digits(texts: Sequence[str]) -> list[list[FoundSpan]]:
    """Find digits, and something that was not asked for."""
    return [
        [FoundSpan(i, i + 1, "NUM", 0.75) for i, c in enumerate(t) if c.isdigit()]
        + [FoundSpan(0, 1, "ODD")] * bool(t)
        for t in texts
    ]


def test_a_finder_labels_words() -> None:
    tagger = SpanTagger(find_digits, ["NUM"], "en")
    done: list[int] = []
    one, empty = tagger.distributions([["a", "7", "b"], []], done.append)
    assert one.shape == (3, 3) and empty.shape == (0, 3) and sum(done) == 2
    assert one[1].tolist() == [0.25, 0.75, 0.0]
    assert tagger.seen["spans_of_other_labels"] == 1 and tagger.seen["words"] == 3
