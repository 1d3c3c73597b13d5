from __future__ import annotations

import pytest

from pipeline.schema import Span
from stages.translate.exonyms import exonyms
from stages.translate.mending import missing_names
from tests.stages.translate.test_mending import Scripted, keep_with

TYPES = frozenset({"PER", "LOC", "ORG"})


@pytest.mark.parametrize(
    ("target", "name", "other"),
    [
        ("de", "Germany", "Deutschland"),
        ("es", "GERMANY", "Alemania"),
        ("sw", "Germany", "Ujerumani"),
        ("de", "Vienna", "Wien"),
        ("nl", "Moscow", "Moskou"),
        ("de", "Burma", "Myanmar"),
        ("de", "Myanmar", "Myanmar"),
    ],
)
def test_countries_and_cities(target: str, name: str, other: str) -> None:
    assert exonyms("en", target).of(name) == [other]
    assert exonyms("en", target).of("Springfield") == []


def test_languages_are_known_but_not_written() -> None:
    known = exonyms("en", "de")
    assert known.of("Portuguese") == ["Portugiesisch"] and "portuguese" not in known.places


def test_languages_without_data_have_none() -> None:
    assert exonyms("en", "akk").of("Germany") == []


def test_an_exonym_counts_as_the_name_but_not_of_a_person() -> None:
    words = ["Chad", "of", "Chad", "met", "Czechia", "."]
    spans = [Span(0, 1, "PER"), Span(2, 3, "LOC"), Span(4, 5, "LOC")]
    known = exonyms("en", "de")
    text = "Der Tschad traf Tschechiens Leute."
    assert missing_names(words, spans, text, TYPES, known) == [0]
    assert missing_names(words, spans, text, TYPES) == [0, 1, 2]


def test_a_slot_is_filled_with_what_the_place_is_called() -> None:
    words = ["Ann", "left", "Germany", "."]
    spans = [Span(0, 1, "PER"), Span(2, 3, "LOC")]
    slotted = "__SLOT0__ left __SLOT1__."
    translator = Scripted({slotted: ["__SLOT0__ verließ __SLOT1__."]})
    kept, texts = keep_with(translator, (words, spans), "Nichts.", exonyms("en", "de"))
    assert kept.by_slots == 1 and texts == ["Ann verließ Deutschland."]
