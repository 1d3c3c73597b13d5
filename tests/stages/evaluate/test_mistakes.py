from __future__ import annotations

from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import given, settings

from pipeline.schema import Span, span_row
from stages.evaluate.grading import Graded
from stages.evaluate.mistakes import blame, entity_strings, familiarity, mistakes
from tests.stages.evaluate.test_grading import graded

WORDS = ["Angela", "Merkel", "besucht", "die", "Bank", "of", "Kenya", "in", "Nairobi"]


def categories(gold: list[Span], predicted: list[Span]) -> list[str]:
    return [m.category for m in mistakes(Graded("x", WORDS, gold, predicted))]


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        ([Span(0, 2, "PER")], [Span(0, 2, "PER")], []),
        ([Span(0, 2, "PER")], [], ["missed"]),
        ([], [Span(0, 2, "PER")], ["spurious"]),
        ([Span(0, 2, "PER")], [Span(0, 2, "ORG")], ["wrong_type"]),
        ([Span(0, 2, "PER")], [Span(1, 2, "PER")], ["wrong_boundary"]),
        ([Span(0, 2, "PER")], [Span(1, 3, "ORG")], ["wrong_both"]),
        # One entity cut in two: one half is paired with it, the other is spurious.
        (
            [Span(4, 7, "ORG")],
            [Span(4, 5, "ORG"), Span(6, 7, "LOC")],
            ["wrong_boundary", "spurious"],
        ),
        # The same boundaries win over the same type.
        (
            [Span(0, 2, "PER"), Span(2, 4, "ORG")],
            [Span(0, 1, "ORG"), Span(2, 4, "PER")],
            ["wrong_type", "wrong_both"],
        ),
    ],
)
def test_categories(gold: list[Span], predicted: list[Span], expected: list[str]) -> None:
    assert categories(gold, predicted) == expected


@settings(max_examples=200)
@given(graded())
def test_every_span_is_right_or_in_one_mistake(sentence: Graded) -> None:
    found = list(mistakes(sentence))
    right = set(map(key, sentence.gold)) & set(map(key, sentence.predicted))
    wrong_gold = [key(m.gold) for m in found if m.gold]
    wrong_predicted = [key(m.predicted) for m in found if m.predicted]
    assert sorted([*wrong_gold, *right]) == sorted(map(key, sentence.gold))
    assert sorted([*wrong_predicted, *right]) == sorted(map(key, sentence.predicted))


def key(span: Span) -> tuple[int, int, str]:
    return span.start, span.end, span.type


def test_seen_strings_ignore_case_and_type() -> None:
    seen = entity_strings([{"words": ["angela", "MERKEL"], "spans": [span_row(Span(0, 2, "ORG"))]}])
    gold = [Span(0, 2, "PER"), Span(8, 9, "LOC")]
    sentence = Graded("x", WORDS, gold, gold[1:])
    assert familiarity([sentence], seen) == {True: (0, 1), False: (1, 1)}


def test_seen_strings_may_be_composed_or_not() -> None:
    seen = entity_strings([{"words": ["Ọ̀yọ́"], "spans": [span_row(Span(0, 1, "LOC"))]}])
    words = [normalize("NFD", "Ọ̀YỌ́")]
    assert words != ["Ọ̀YỌ́"]
    sentence = Graded("x", words, [Span(0, 1, "LOC")], [])
    assert familiarity([sentence], seen) == {True: (0, 1), False: (0, 0)}


def projected(spans: list[dict[str, Any]], lost: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "words": WORDS,
        "source_spans": [span_row(Span(0, 2, "PER")), span_row(Span(5, 6, "LOC"))],
        "spans": spans,
        "lost": lost,
        "reason": None,
    }


def test_blame_goes_to_the_stage_that_lost_the_entity() -> None:
    gold = [Span(0, 2, "PER")]
    nothing = Graded("x", WORDS, gold, [])
    dropped = {"start": 1, "end": 2, "kept": False, "reason": "low_score"}
    assert list(blame(nothing, projected([dropped], []))) == [("filter", "low_score")]
    lost = [{"source": 0, "reason": "no_link"}]
    assert list(blame(nothing, projected([], lost))) == [("align", "no_link")]
    assert list(blame(nothing, projected([], []))) == [("source labels", "no_source_entity")]
    empty = projected([], []) | {"words": [], "reason": "untranslated"}
    assert list(blame(nothing, empty)) == [("translate", "untranslated")]
    cut = Graded("x", WORDS, gold, [Span(0, 1, "PER")])
    assert list(blame(cut, projected([], []))) == [("project", "wrong_boundary")]
