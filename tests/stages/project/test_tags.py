"""Entities in tags through translation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.schema import Span
from stages.project.batch import Batch, LabelledPair
from stages.project.markers import MarkerProjector
from stages.translate.markers import mark, unmark, went_wrong
from stages.translate.tags import (
    from_subwords,
    has_tag,
    put_tags,
    read_tags,
    remove_tags,
    to_subwords,
    whole,
)

WORDS = ["Angela", "Merkel", "met", "(", "Bob", ")", "."]
SPANS = [Span(4, 5, "PER"), Span(0, 2, "PER")]


def test_the_letter_is_the_number_of_the_span() -> None:
    marked = mark(WORDS, SPANS, "en", "xml")
    assert marked == "<b>Angela Merkel</b> met (<a>Bob</a>)."
    assert unmark(marked, "xml") == "Angela Merkel met (Bob)."
    assert mark(["<a>", "Bob"], [Span(1, 2, "PER")], "en", "xml") is None


@given(st.lists(st.sampled_from(["<a>", "</a>", "<b>", "</b>", " ", "x", "(", "Yz"]), max_size=12))
def test_what_subwords_have_is_undone(parts: list[str]) -> None:
    words = " ".join("".join(parts).split())
    back = from_subwords(to_subwords(words))
    assert remove_tags(back) == remove_tags(words)
    assert read_tags(back) == read_tags(words)


@pytest.mark.parametrize(
    "text",
    ["<a>Angela</a> met (<b>Bob</b>).", "x <a><b>A</b> b</a>'s y", "(<a>A</a>)", "a<b>c</b>d"],
)
def test_subwords_keep_every_space(text: str) -> None:
    assert from_subwords(to_subwords(text)) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<a>Angela Merkel</a> kam", {0: (0, 12)}),
        ("< A >Angela< / a > kam", {0: (0, 6)}),
        ("</a>Angela<a> kam", {0: (0, 6)}),
        ("<a>Angela kam", {}),
        ("<a>Angela</a> <a>kam</a>", {}),
        ("<a></a>Angela kam", {}),
        ("<a>Die <b>Linke</b> Berlin</a>", {0: (0, 14), 1: (3, 8)}),
    ],
)
def test_tags_are_read_leniently(text: str, found: dict[int, tuple[int, int]]) -> None:
    assert read_tags(text) == found
    assert went_wrong(text, 1, "xml") is not bool(found)


def test_whole_means_all_once_and_nested() -> None:
    assert whole("<a>A</a> <b>B</b>", 2)
    assert not whole("<a>A</a> B", 2)
    assert not whole("<a>A <b></a> B</b>", 2)
    assert not whole("<a>A</a><a>A</a>", 1)
    assert whole("A", 0)


def test_sentences_with_many_entities_leave_some_untagged() -> None:
    text = put_tags("a b c d e f g h i j k l", [(2 * k, 2 * k + 1) for k in range(12)])
    assert text.endswith("<j>j</j> k l")
    assert whole(text, 12)
    assert not has_tag("a < b and c > d")


def test_tags_are_projected_and_lost_ones_are_said() -> None:
    words = ["Angela", "Merkel", "traf", "(", "Bob", ")", "."]
    pair = LabelledPair(WORDS, SPANS, words, (), "<b>Angela Merkel</b> traf (Bob).", "1")
    batch = Batch.from_pairs([pair])
    projection = MarkerProjector(None, style="xml").project(batch)
    entities = [batch.entity_index[e] for e in projection.entity.tolist()]
    assert entities == [1]
    assert (projection.start.tolist(), projection.end.tolist()) == ([0], [2])
    assert list(projection.lost.values()) == ["marker_lost"]
