"""CROP's numbered slots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.schema import Span
from stages.project.batch import Batch, LabelledPair
from stages.project.markers import MarkerProjector, words_between
from stages.translate.slots import put_slots, read_inserted, read_replaced

SOURCE = ["Angela", "Merkel", "visited", "New", "York", "."]
SPANS = [Span(3, 5, "LOC"), Span(0, 2, "PER")]
TARGET = ["Angela", "Merkel", "besuchte", "gestern", "New", "York", "."]


def test_slots_are_numbered_by_span_whatever_the_order() -> None:
    assert put_slots(SOURCE, SPANS, "replace") == ["__SLOT1__", "visited", "__SLOT0__", "."]
    inserted = " ".join(put_slots(SOURCE, SPANS, "insert"))
    assert inserted == ("__SLOT1__ Angela Merkel __SLOT1__ visited __SLOT0__ New York __SLOT0__ .")


@pytest.mark.parametrize(
    ("style", "marked"),
    [
        (
            "insert",
            "__slot1__Angela Merkel __ SLOT 1 __ besuchte gestern SLOT0 New York SLOT0.",
        ),
        ("replace", "__SLOT1__ besuchte gestern _SLOT0_."),
    ],
)
def test_slots_tell_where_each_entity_is(style: str, marked: str) -> None:
    batch = Batch.from_pairs([LabelledPair(SOURCE, SPANS, TARGET, marked=marked)])
    projection = MarkerProjector(None, style=style).project(batch)  # type: ignore[arg-type]
    found = {
        batch.entity_type[e]: TARGET[s:t]
        for e, s, t in zip(projection.entity, projection.start, projection.end, strict=True)
    }
    assert found == {"PER": ["Angela", "Merkel"], "LOC": ["New", "York"]}
    assert not projection.lost


def test_a_lost_slot_is_a_lost_entity() -> None:
    batch = Batch.from_pairs(
        [LabelledPair(SOURCE, SPANS, TARGET, marked="__SLOT1__ besuchte gestern .")]
    )
    projection = MarkerProjector(None, style="replace").project(batch)
    assert [batch.entity_type[e] for e in projection.entity] == ["PER"]
    assert list(projection.lost.values()) == ["marker_lost"]


def test_slots_that_cannot_be_trusted_are_left_out() -> None:
    assert read_inserted("__SLOT0__ a __SLOT1__ b __SLOT0__ c __SLOT1__") == {}
    assert read_inserted("__SLOT0__ a") == {}
    other = ["etwas", "ganz", "anderes", "hat", "__SLOT0__", "erlebt"]
    assert read_replaced(" ".join(other), TARGET, [2]) == {}
    assert read_replaced("__SLOT0__ .", TARGET, [1]) == {}  # a gap of six words is no rendering
    assert read_replaced("__SLOT0__ besuchte __SLOT0__ .", TARGET, [2]) == {}


@given(st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=8), st.data())
def test_what_was_inserted_is_read_again(words: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(start + 1, len(words)))
    marked = " ".join(put_slots(words, [Span(start, end, "X")], "insert"))
    first, last = read_inserted(marked)[0]
    assert words_between(words, first, last) == (start, end)


def test_replacing_works_by_the_letter_where_words_have_no_spaces() -> None:
    # The tokeniser of the plain translation cuts otherwise than the one that reads the slots.
    words = ["安吉拉", "·", "默克尔", "昨天", "访问", "了", "纽约", "。"]
    marked = "__SLOT1__昨天访问了__SLOT0__。"
    assert read_replaced(marked, words, [2, 2]) == {0: (6, 7), 1: (0, 3)}
