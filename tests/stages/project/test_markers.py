"""Markers in the translation."""

from __future__ import annotations

import pytest

from stages.project.batch import Batch, LabelledPair
from stages.project.candidate import CandidateProjector
from stages.project.markers import MarkerProjector, read_markers, words_between
from tests.stages.project.examples import pair

SOURCE = "Obama met Merkel in Berlin ."
SPANS = "0-1:PER 2-3:PER 4-5:LOC"


def found(
    p: LabelledPair, fallback: bool = True
) -> tuple[dict[int, str], dict[int, str], list[str]]:
    batch = Batch.from_pairs([p])
    projector = MarkerProjector(CandidateProjector() if fallback else None)
    result = projector.project(batch)
    spans = {
        int(e): " ".join(p.words[s:t])
        for e, s, t in zip(result.entity, result.start, result.end, strict=True)
    }
    return spans, result.lost, result.method


def test_brackets_are_read_and_told_apart_by_spelling() -> None:
    p = pair(
        SOURCE,
        SPANS,
        "In Berlin traf Merkel Obama .",
        "",
        marked="In [Berlin] traf [Merkel] [Obama].",
    )
    assert found(p, fallback=False) == (
        {0: "Obama", 1: "Merkel", 2: "Berlin"},
        {},
        ["markers"] * 3,
    )


def test_lost_markers_fall_back_to_the_alignment() -> None:
    p = pair(
        SOURCE,
        SPANS,
        "In Berlin traf Merkel Obama .",
        "0-4 2-3 4-1",
        marked="In [Berlin traf Merkel Obama.",
    )
    spans, lost, methods = found(p)
    assert spans == {0: "Obama", 1: "Merkel", 2: "Berlin"}
    assert methods == ["candidates"] * 3
    assert lost == {}
    assert found(p, fallback=False)[1] == dict.fromkeys(range(3), "marker_lost")


def test_one_bracket_left_goes_to_the_entity_it_resembles() -> None:
    p = pair(
        SOURCE,
        SPANS,
        "In Berlin traf Merkel Obama .",
        "0-4 2-3 4-1",
        marked="In [Berlin] traf Merkel Obama.",
    )
    spans, _, methods = found(p)
    assert spans == {0: "Obama", 1: "Merkel", 2: "Berlin"}
    assert methods == ["candidates", "candidates", "markers"]


def test_a_translation_without_markers_uses_the_fallback() -> None:
    p = pair(SOURCE, SPANS, "In Berlin traf Merkel Obama .", "0-4 2-3 4-1")
    assert found(p)[0] == {0: "Obama", 1: "Merkel", 2: "Berlin"}


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ("In [ Bad  Ems ] .", [("Bad  Ems", 2, 8)]),
        ("[a] b [c", [("a", 0, 1)]),
        ("a] [b]", [("b", 1, 2)]),
        ("[a [b] c]", [("b", 1, 2)]),
        ("[] x", []),
    ],
)
def test_reading(marked: str, expected: list[tuple[str, int, int]]) -> None:
    assert read_markers(marked, ("[", "]")) == expected


def test_equal_markers_open_and_close_in_turn() -> None:
    assert read_markers('"a" b "c"', ('"', '"')) == [("a", 0, 1), ("c", 2, 3)]


def test_words_between_follow_the_tokenisation() -> None:
    words = ["in", "Bad", "Ems", "-", "Nord"]
    assert words_between(words, 2, 8) == (1, 3)
    assert words_between(words, 8, 8) is None
    assert words_between(["U.S.-led"], 0, 4) == (0, 1)
