"""Kinds of errors of projection on the gold corpora (benchmarks.project.errors)."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.project.errors import Pair, find_errors
from pipeline.schema import Link, Sentence, Span

SOURCE = ["The", "mayor", "of", "Rome", "met", "Pope", "Francis"]
TARGET = ["El", "alcalde", "de", "Roma", "vio", "al", "papa", "Francisco"]
LINKS = [
    *(Link(i, j, 0.9) for i, j in ((1, 1), (2, 2), (3, 3), (5, 6), (6, 7))),
    Link(2, 3, 0.4),
]


def kinds(source: list[Span], gold: list[Span], found: list[Span]) -> list[str]:
    pair = Pair(Sentence("1", "en", SOURCE, source), Sentence("1", "es", TARGET, gold), LINKS, "es")
    return [e.kind for e in find_errors(pair, found)]


ROME, ROMA = Span(3, 4, "LOC"), Span(3, 4, "LOC")


@pytest.mark.parametrize(
    ("source", "gold", "found", "expected"),
    [
        ([ROME], [ROMA], [ROMA], []),
        ([ROME], [Span(3, 4, "ORG")], [ROMA], ["other type *"]),
        ([], [ROMA], [], ["no label here *"]),
        ([ROME], [ROMA], [], ["lost"]),
        ([ROME], [ROMA], [Span(4, 5, "LOC")], ["elsewhere"]),
        ([ROME], [], [ROMA], ["no label there *"]),
        # de is linked to "of", which is no part of the entity: longer by mistake.
        ([ROME], [ROMA], [Span(2, 4, "LOC")], ["longer: preposition or conjunction"]),
        # papa is "Pope": the source span leaves it out, the gold span does not.
        (
            [Span(6, 7, "PER")],
            [Span(6, 8, "PER")],
            [Span(7, 8, "PER")],
            ["shorter: lower-case word *"],
        ),
        (
            [Span(5, 7, "PER")],
            [Span(7, 8, "PER")],
            [Span(6, 8, "PER")],
            ["longer: lower-case word *"],
        ),
        # al has no link: nothing says that the two sides differ.
        (
            [Span(5, 7, "PER")],
            [Span(5, 8, "PER")],
            [Span(6, 8, "PER")],
            ["shorter: preposition or conjunction"],
        ),
    ],
)
def test_kinds(
    source: list[Span], gold: list[Span], found: list[Span], expected: list[str]
) -> None:
    assert kinds(source, gold, found) == expected


spans = st.lists(
    st.builds(
        lambda start, size, kind: Span(start, min(start + size, len(TARGET)), kind),
        st.integers(0, 6),
        st.integers(1, 3),
        st.sampled_from(["LOC", "PER"]),
    ),
    max_size=4,
    unique=True,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine
@given(spans, spans, spans)
def test_every_wrong_span_is_counted_once(
    source: list[Span], gold: list[Span], found: list[Span]
) -> None:
    pair = Pair(
        Sentence("1", "en", SOURCE, [s for s in source if s.end <= len(SOURCE)]),
        Sentence("1", "es", TARGET, gold),
        LINKS,
        "es",
    )
    errors = list(find_errors(pair, found))
    missed = Counter(e.gold for e in errors if e.gold)
    made = Counter(e.ours for e in errors if e.ours)
    assert missed == Counter(s for s in gold if s not in found)
    assert made == Counter(s for s in found if s not in gold)
