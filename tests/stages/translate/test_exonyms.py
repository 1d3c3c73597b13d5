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


@pytest.mark.parametrize(
    ("place", "left", "called"),
    [
        ("Germany", "Ann verließ Germany.", "Ann verließ Deutschland."),
        ("GERMANY", "Ann verließ GERMANY.", "Ann verließ DEUTSCHLAND."),
        ("Germany", "Ann verließ Germanys Küste.", "Ann verließ Germanys Küste."),
        ("Springfield", "Ann verließ Springfield.", "Ann verließ Springfield."),
    ],
)
def test_a_place_left_in_english_is_called_as_it_is_there(
    place: str, left: str, called: str
) -> None:
    row = (["Ann", "left", place, "."], [Span(0, 1, "PER"), Span(2, 3, "LOC")])
    kept, texts = keep_with(Scripted({}), row, left, exonyms("en", "de"))
    assert texts == [called] and kept.in_place == (left != called)


def test_places_of_types_that_are_not_kept_stay_as_they_are() -> None:
    row = (["Ann", "left", "Germany", "."], [Span(0, 1, "PER"), Span(2, 3, "GPE")])
    _, texts = keep_with(Scripted({}), row, "Ann verließ Germany.", exonyms("en", "de"))
    assert texts == ["Ann verließ Germany."]
