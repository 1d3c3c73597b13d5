"""Translations with faults that can be seen are made again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pipeline.schema import Span
from stages.translate.base import Hypothesis
from stages.translate.exonyms import Exonyms
from stages.translate.mending import Mended, Mender, copies, missing_names, said_once, stutters
from stages.translate.tags import remove_tags, tidy

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


class Scripted:
    """Says what it was told to, in every search."""

    def __init__(self, answers: dict[str, list[str]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

        self.knows_slots = True

    def n_best(self, size: int, penalty: float | None = None) -> Scripted:
        return self

    def unknown_words(self, text: str, source: str) -> int:
        return text.count("schafter")

    def translate(self, texts: Sequence[str]) -> list[list[Hypothesis]]:
        self.asked.extend(texts)
        return [[Hypothesis(t) for t in self.answers.get(text, ["Nichts."])] for text in texts]


def keep(
    translator: Scripted, rows: list[tuple[list[str], list[Span]]], texts: list[str], tagged: bool
) -> tuple[Mended, list[str]]:
    results = [[Hypothesis(text)] for text in texts]
    mender = Mender(translator, "en", ["PER"], tagged=tagged)  # type: ignore[arg-type]
    kept = mender.mend(rows, results)
    assert all(len(hypotheses) == 1 for hypotheses in results)
    return kept, [hypotheses[0].text for hypotheses in results]


def keep_with(
    translator: Scripted, row: tuple[list[str], list[Span]], text: str, known: Exonyms
) -> tuple[Mended, list[str]]:
    results = [[Hypothesis(text)]]
    types = ["PER", "LOC"]
    mender = Mender(translator, "en", types, tagged=False, known=known)  # type: ignore[arg-type]
    return mender.mend([row], results), [hypotheses[0].text for hypotheses in results]


PLAIN = "Kofi Annan's son met Jo van der Bellen."
WHOLE = "Kofi Annans Sohn traf Jo van der Bellen."


def test_a_better_hypothesis_of_a_wider_search_is_enough() -> None:
    translator = Scripted({PLAIN: ["Kofi Annas Sohn.", WHOLE]})
    kept, texts = keep(translator, [ROW, ROW], ["Nichts.", WHOLE], tagged=False)
    assert texts == [WHOLE, WHOLE]
    assert kept == Mended([0], by_slots=0, faulty=0)
    assert translator.asked == [PLAIN]


def test_words_that_are_none_are_searched_away() -> None:
    translator = Scripted({PLAIN: ["Nichts.", WHOLE.replace("Sohn", "Sohnschafter"), WHOLE]})
    odd = WHOLE.replace("Sohn", "Sohnschafterschafter")
    kept, texts = keep(translator, [ROW, ROW], [odd, WHOLE], tagged=False)
    assert texts == [WHOLE, WHOLE]
    assert kept == Mended([0], by_slots=0, faulty=0)
    # One search for them, no penalty, no slots; and a name that is lost is worse than they are.
    assert translator.asked == [PLAIN]
    translator = Scripted({PLAIN: ["Der Sohn traf Jo van der Bellen."]})
    kept, texts = keep(translator, [ROW], [odd], tagged=False)
    assert texts == [odd]
    assert kept == Mended([], by_slots=0, faulty=0, unknown_words=2)


def test_slots_are_filled_with_the_ending_they_got() -> None:
    answers = {"__SLOT0__'s son met __SLOT1__.": ["__SLOT0__ traf.", "__SLOT0__s traf __SLOT1__."]}
    kept, texts = keep(Scripted(answers), [ROW], ["Nichts."], tagged=False)
    assert texts == ["Kofi Annans traf Jo van der Bellen."]
    assert kept == Mended([0], by_slots=1, faulty=0)


def test_then_only_the_lost_names_get_slots() -> None:
    answers = {
        "__SLOT0__'s son met __SLOT1__.": ["__SLOT0__ traf __SLOT0__."],
        "Kofi Annan's son met __SLOT0__.": ["Kofi Annans Sohn traf __SLOT0__."],
    }
    kept, texts = keep(Scripted(answers), [ROW], ["Kofi Annans Sohn traf ihn."], tagged=False)
    assert texts == [WHOLE]
    assert kept.by_slots == 1


def test_what_cannot_be_kept_stays_as_it_is_and_is_counted() -> None:
    kept, texts = keep(Scripted({}), [ROW], ["Er traf ihn."], tagged=False)
    assert texts == ["Er traf ihn."]
    assert kept == Mended([], by_slots=0, faulty=1)


def test_what_leaves_things_out_is_no_better() -> None:
    translator = Scripted({PLAIN: ["Kofi Annan.", "Jo van der Bellen, Kofi Annan."]})
    kept, texts = keep(translator, [ROW], ["Er er traf ihn heute nicht dort."], tagged=False)
    assert texts == ["Jo van der Bellen, Kofi Annan."]
    assert kept.faulty == 0


def test_tags_stand_around_slots_and_are_kept_like_names() -> None:
    tagged = "<a>Kofi Annan</a>'s son met <b>Jo van der Bellen</b>."
    slots = "<a>__SLOT0__</a>'s son met <b>__SLOT1__</b>."
    good = "<a>Kofi Annans</a> Sohn traf <b>Jo van der Bellen</b>."
    answers = {tagged: ["Nichts."], slots: ["<a>__SLOT0__s</a> Sohn traf <b>__SLOT1__</b>."]}
    kept, texts = keep(Scripted(answers), [ROW], ["Nichts."], tagged=True)
    assert texts == [good]
    lost = "<a>Kofi Annans</a> Sohn traf Jo van der Bellen."
    kept, texts = keep(Scripted({tagged: [lost, good]}), [ROW], [lost], tagged=True)
    assert texts == [good]
    assert kept.by_slots == 0


def test_what_no_search_mends_is_put_in_order() -> None:
    doubled = "<a>Kofi Annans</a> Sohn <a>Kofi Annan</a> traf Jo van der Bellen, Jo van der Bellen."
    kept, texts = keep(Scripted({}), [ROW], [doubled], tagged=True)
    assert texts == [
        "Kofi Annans Sohn <a>Kofi Annan</a> traf <b>Jo van der Bellen</b>, Jo van der Bellen."
    ]
    assert kept == Mended([0], by_slots=0, faulty=0, in_place=1)


def test_some_of_the_slots_are_better_than_none() -> None:
    answers = {"__SLOT0__'s son met __SLOT1__.": ["Der __SLOT1__ traf.", "Er __SLOT9__."]}
    kept, texts = keep(Scripted(answers), [ROW], ["Nichts."], tagged=False)
    assert texts == ["Der Jo van der Bellen traf."]
    assert (kept.by_slots, kept.faulty) == (1, 1)


@pytest.mark.parametrize(
    ("text", "once"),
    [
        ("Uholanzi wa Uholanzi wa mafuriko", "Uholanzi wa mafuriko"),
        ("Ernst, na Lieselotte, na Lieselotte, alikutana", "Ernst, na Lieselotte, alikutana"),
        ("Achieng Achieng Achieng Adhiambo", "Achieng Adhiambo"),
        ("Leute, die die Stadt sahen", "Leute, die die Stadt sahen"),
        ("in Walla Walla", "in Walla Walla"),  # as the source says
        ("der Wagen, der Wagenheber", "der Wagen, der Wagenheber"),
    ],
)
def test_what_is_said_twice_at_once_is_said_once(text: str, once: str) -> None:
    assert said_once(text, "They saw Walla Walla .") == once


@pytest.mark.parametrize(
    ("marked", "tidied"),
    [
        ("<a>Rom</a> und <a>Bonn</a>, Oslo", "Rom und <a>Bonn</a>, <b>Oslo</b>"),
        ("Bonns <b>Oslo</b>", "<a>Bonns</a> <b>Oslo</b>"),
        ("<a>in <b>Oslo</b></a> <b>Ulm</b>", "<a>in <b>Oslo</b></a> Ulm"),
        ("<b><a>Bonn</a> Oslo</b>", "<b><a>Bonn</a> Oslo</b>"),
        ("<a>Bonn <b>oder</a> Oslo</b>", "<a>Bonn oder</a> <b>Oslo</b>"),
        ("<c>Bonn</c>-Oslo <a></a>", "Bonn-Oslo "),  # in a compound it is no name by itself
        ("</a>Bonn<a> <b>Oslo", "<a>Bonn</a> <b>Oslo</b>"),
    ],
)
def test_tags_are_put_in_order(marked: str, tidied: str) -> None:
    assert tidy(marked, [["Bonn"], ["Oslo", "Kristiania"]]) == tidied
    assert remove_tags(tidied) == remove_tags(marked)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Das ist gut.", 0),
        ("Das das ist gut.", 1),
        ("die Dorf die Dorf die Dorfte", 2),
        ("Spanienschaftsschaftserschafter", 1),
        ("nur nur nur", 2),
        ("1 1 1", 0),
    ],
)
def test_stutter_is_counted(text: str, count: int) -> None:
    assert stutters(text) == count


def test_five_words_of_the_source_in_a_row_are_a_copy() -> None:
    assert copies("He said we are here now.", "Er sagte we are here.") == 0
    assert copies("He said we are here now.", "Er he, said we are here jetzt.") == 0
    assert copies("He said we are here now.", "Said we are here now, said we are here now") == 1
    assert copies("Dar es Salaam Young Africans Sports Club", "Dar es Salaam Young Africans") == 0


def test_stutter_is_searched_away_unless_the_source_has_it() -> None:
    words = ["He", "ran", "and", "ran", "."]
    translator = Scripted({"He ran and ran.": ["Er Er lief.", "Er lief."]})
    kept, texts = keep(translator, [(words, [])], ["Er lief lief."], tagged=False)
    assert texts == ["Er lief."]
    assert kept == Mended([0], by_slots=0, faulty=0)
    same = ["Bora", "Bora"]
    kept, texts = keep(Scripted({}), [(same, [])], ["Bora Bora"], tagged=False)
    assert kept == Mended([], by_slots=0, faulty=0)
