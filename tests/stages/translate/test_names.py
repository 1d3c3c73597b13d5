"""Names that got lost in translation are carried through by slots."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pipeline.schema import Span
from stages.tokenise import detokenise
from stages.translate.markers import mark
from stages.translate.names import NameKeeper, missing_names
from stages.translate.translator import Hypothesis

PER = frozenset({"PER"})
WORDS = ["Kofi", "Annan", "'s", "son", "met", "Jo", "van", "der", "Bellen", "."]
SPANS = [Span(0, 2, "PER"), Span(5, 9, "PER")]
ROW = (WORDS, SPANS)


@pytest.mark.parametrize(
    ("translation", "lost"),
    [
        ("Kofi Annans Sohn traf Jo van der Bellen.", []),
        ("Der Sohn von KOFI ANNAN traf Jo-Bellen.", []),
        ("Kofi Annas Sohn traf Jo van der Bellen.", [0]),
        ("Sein Sohn traf Kofi Annan und Jo.", [1]),
        ("Nichts.", [0, 1]),
    ],
)
def test_every_capitalised_word_of_a_name_must_stand(translation: str, lost: list[int]) -> None:
    assert missing_names(WORDS, SPANS, translation, PER) == lost
    assert missing_names(WORDS, SPANS, translation, frozenset({"LOC"})) == []


def keeper(answers: dict[str, str], asked: list[str], tagged: bool = False) -> NameKeeper:
    def translate(texts: Sequence[str]) -> list[list[Hypothesis]]:
        asked.extend(texts)
        return [[Hypothesis(answers.get(text, "Nichts."))] for text in texts]

    def write(words: Sequence[str], spans: Sequence[Span]) -> str | None:
        return mark(words, spans, "en", "xml") if tagged else detokenise(words, "en")

    return NameKeeper(translate, write, "en", ["PER"])


def test_slots_are_filled_with_the_ending_they_got() -> None:
    asked: list[str] = []
    answers = {"__SLOT0__'s son met __SLOT1__.": "__SLOT0__s Sohn traf __SLOT1__."}
    results = [[Hypothesis("Nichts.")], [Hypothesis("Kofi Annan, Jo van der Bellen")]]
    assert keeper(answers, asked).keep([ROW, ROW], results) == ([0], 0)
    assert results[0][0].text == "Kofi Annans Sohn traf Jo van der Bellen."
    assert results[1][0].text == "Kofi Annan, Jo van der Bellen"
    assert asked == ["__SLOT0__'s son met __SLOT1__."]


def test_then_only_the_lost_names_get_slots() -> None:
    asked: list[str] = []
    answers = {
        "__SLOT0__'s son met __SLOT1__.": "__SLOT0__ traf __SLOT0__.",
        "Kofi Annan's son met __SLOT0__.": "Kofi Annans Sohn traf __SLOT0__.",
    }
    results = [[Hypothesis("Kofi Annans Sohn traf ihn.")]]
    assert keeper(answers, asked).keep([ROW], results) == ([0], 0)
    assert results[0][0].text == "Kofi Annans Sohn traf Jo van der Bellen."


def test_what_slots_cannot_carry_stays_as_it_is() -> None:
    asked: list[str] = []
    results = [[Hypothesis("Er traf ihn.")]]
    assert keeper({}, asked).keep([ROW], results) == ([], 1)
    assert results[0][0].text == "Er traf ihn."
    assert len(asked) == 2


def test_tags_stand_around_slots() -> None:
    asked: list[str] = []
    text = "<a>__SLOT0__</a>'s son met <b>__SLOT1__</b>."
    answers = {text: "<a>__SLOT0__s</a> Sohn traf <b>__SLOT1__</b>."}
    results = [[Hypothesis("Nichts.")]]
    assert keeper(answers, asked, tagged=True).keep([ROW], results) == ([0], 0)
    assert results[0][0].text == "<a>Kofi Annans</a> Sohn traf <b>Jo van der Bellen</b>."
