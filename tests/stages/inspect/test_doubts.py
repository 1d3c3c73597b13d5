"""Each sign against a label, where it is to be given and where it is not."""

from __future__ import annotations

from dataclasses import replace
from unicodedata import normalize

import pytest

from pipeline.schema import Link, Span
from stages.inspect.doubts import Renderings, doubts_of, judged, weight
from stages.inspect.view import DOUBTS, View, ViewedSpan


def view(source: str, target: str, *, score: float = 0.9, links: str = "") -> View:
    """Return a sentence; the entity stands in brackets on both sides, links are like ``0-1``."""
    found = []
    for text in (source, target):
        words: list[str] = []
        start = end = 0
        for word in text.split():
            if word.startswith("["):
                start = len(words)
            words.append(word.strip("[]"))
            if word.endswith("]"):
                end = len(words)
        found.append((words, Span(start, end, "LOC", score)))
    (source_words, source_span), (words, span) = found
    pairs = [p.split("-") for p in links.split()]
    return View(
        id="x",
        lang="de",
        words=words,
        spans=[ViewedSpan(span, True, None, 0, "candidates")],
        source_words=source_words,
        source_spans=[replace(source_span, score=None)],
        links=[Link(int(a), int(b), 0.9) for a, b in pairs],
        kept=True,
    )


GOOD = view("to [New York] today", "nach [New York] heute", links="0-0 1-1 2-2 3-3")


@pytest.mark.parametrize(
    ("one", "kinds", "text"),
    [
        (GOOD, [], ""),
        (view("to [Quito] now", "im [Büro] jetzt", links="0-1 2-2"), ["other_word"], "to"),
        (view("to [Quito] now", "nach [Quitö] jetzt", links="0-0 2-2"), [], ""),  # a missed link
        (view("to [Quito] now", "im [Büro] jetzt", links="1-1"), [], ""),
        (view("to [Quito] now", "im [Büro] jetzt"), [], ""),  # the run has no links
        (view("to [Quito] now", "nach [oben] Quito"), ["stands_elsewhere", "not_a_name"], "Quito"),
        (view("to [Quito] now", "nach [Quito] in Quito"), ["repeated"], "Quito"),
        (view("to [Huế] now", f"tới [Huế] {normalize('NFD', 'Huế')}"), ["repeated"], "Huế"),
        (view("to [Quito] now", "zum [gehen] jetzt"), ["not_a_name"], ""),
        (view("to [Quito] now", "へ [キト] 今"), [], ""),  # a script without capital letters
        (view("[UN] met", "die [Organisation der Vereinten Nationen dort] tagte"), [
            "other_length"
        ], "5 against 1"),
        (view("to [Quito] now", "nach [Quito] jetzt", score=0.3), ["unsure"], "0.30"),
    ],
)  # fmt: skip
def test_signs(one: View, kinds: list[str], text: str) -> None:
    found = list(doubts_of(one, Renderings()))
    assert [d.kind for d in found] == kinds
    assert not text or text in [d.text for d in found]


def test_a_weak_link_was_considered_and_not_chosen() -> None:
    one = view("to [Quito] now", "im [Büro] jetzt")
    one.links = [Link(1, 1, 0.4), Link(2, 1, 0.8)]
    assert [(d.kind, d.text) for d in doubts_of(one, Renderings())] == [("other_word", "now")]
    one.links = [Link(1, 1, 0.8), Link(2, 1, 0.4)]
    assert list(doubts_of(one, Renderings())) == []


def test_a_rare_rendering_beside_a_usual_one() -> None:
    renderings = Renderings()
    for _ in range(9):
        renderings.add("Quito", "Quito")
    renderings.add("Quito", "Büro")
    one = view("to [Quito] now", "im [Büro] jetzt", links="1-1")
    (found,) = doubts_of(one, renderings)
    assert (found.kind, found.text) == ("usually_other", "quito (9 of 10)")
    like = view("to [Quito] now", "nach [Quitos] jetzt", links="1-1")
    assert list(doubts_of(like, renderings)) == []


def test_an_entity_without_a_label_counts_only_where_training_uses_the_sentence() -> None:
    one = view("to [Quito] now", "im [Büro] jetzt", links="1-1")
    one.spans = []
    assert [(d.kind, d.text) for d in doubts_of(one, Renderings())] == [
        ("unlabelled", "Quito (LOC)")
    ]
    one.kept = False
    assert list(doubts_of(one, Renderings())) == []


def test_gold_labels_decide_and_signs_only_explain() -> None:
    one = view("to [Quito] now", "im [Büro] jetzt", links="0-1", score=0.2)
    one.gold = [Span(1, 2, "LOC")]
    assert list(doubts_of(one, Renderings())) == []
    one.gold = [Span(0, 1, "LOC")]
    kinds = [d.kind for d in doubts_of(one, Renderings())]
    assert kinds == ["not_gold", "gold_missed", "other_word", "unsure"]


def test_the_worst_come_first() -> None:
    texts = [GOOD, view("to [Quito] now", "im [Büro] jetzt", links="0-1", score=0.2)]
    texts.append(view("to [Quito] now", "nach [oben] Quito"))
    weights = [weight(v.doubts) for v in judged(texts, Renderings())]
    assert weights[0] == 0 < weights[1] < weights[2]
    assert set(DOUBTS) >= {d.kind for v in texts for d in v.doubts}
