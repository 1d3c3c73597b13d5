"""Markers through translation: what ``translate`` marks, ``project`` reads, by the config alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from pipeline.config import RunConfig
from pipeline.schema import Sentence, Span, table
from pipeline.stage import Part
from stages.project import STAGE
from stages.project.batch import Batch
from stages.project.build import build_projector, span_rows
from stages.registry import STAGES
from stages.translate.base import BaseTranslator, Hypothesis
from stages.translate.markers import mark, unmark
from stages.translate.worker import TranslateWorker

SENTENCES = [
    Sentence(
        "a",
        "en",
        ["Anna", "Lee", "visited", "New", "York", "today", "."],
        [Span(3, 5, "LOC"), Span(0, 2, "PER")],
    ),
    Sentence("b", "en", ["nothing", "here", "."], []),
    Sentence("c", "en", ["Slot", "1", "belongs", "to", "Anna", "."], [Span(4, 5, "PER")]),
]
WORDS = {"visited": "besuchte", "today": "heute", "York": "York", "New": "Neu", "Lee": "Leh"}


class WordByWord(BaseTranslator):
    """A translator that knows a few words and leaves all others, slots among them, as they are."""

    def __init__(self, spoil: Callable[[str], str] = str) -> None:
        self.spoil = spoil
        self.asked: list[str] = []

    def stream(self, texts: Iterable[str], seed: int = 0) -> Iterator[tuple[int, list[Hypothesis]]]:
        for index, text in enumerate(texts):
            self.asked.append(text)
            for word, other in WORDS.items():
                text = text.replace(word, other)
            yield index, [Hypothesis(self.spoil(text), -0.5)]


def config_of(**sections: Any) -> RunConfig:
    return STAGES.config_type().model_validate({"name": "t", "languages": ["de"], **sections})


def through(
    config: RunConfig, translator: WordByWord
) -> tuple[list[dict[str, Any]], list[dict[int, str]]]:
    """Translate and project :data:`SENTENCES`; return the translations and the found entities."""
    options = STAGES["translate"].options(config)
    worker = TranslateWorker(translator, "en", "de", options)
    labelled = table("labelled", [s.to_row() for s in SENTENCES])
    translations = worker({"source": labelled}, Part(0, 1))
    rows = translations.to_pylist()
    names = ("id", "lang", "source_lang", "reason")
    links = [{**{n: r[n] for n in names}, "links": [], "aligner": "none"} for r in rows]
    batch = Batch.from_tables(translations, table("alignments", links))
    projected = span_rows(batch, build_projector(STAGE.options(config)).project(batch))
    found = [
        {
            s["source"]: " ".join(row["words"][s["start"] : s["end"]])
            for s in spans
            if s["method"] == "markers"
        }
        for row, (spans, _) in zip(rows, projected, strict=True)
    ]
    return rows, found


@pytest.mark.parametrize("style", ["brackets", "insert", "replace"])
def test_the_config_alone_switches_markers_on(style: str) -> None:
    config = config_of(translate={"markers": style}, project={"method": "markers"})
    assert STAGE.options(config).identity()["marker_style"] == style  # part of the fingerprint
    assert not [p for p in STAGE.check(config, []) if p.key.startswith("project")]
    translator = WordByWord()
    rows, found = through(config, translator)
    assert found[0] == {1: "Anna Leh", 0: "Neu York"}
    assert rows[0]["words"] == ["Anna", "Leh", "besuchte", "Neu", "York", "heute", "."]
    assert rows[0]["text"] == "Anna Leh besuchte Neu York heute."
    expected = {
        "brackets": "[Anna Leh] besuchte [Neu York] heute.",
        "insert": "__SLOT1__ Anna Leh __SLOT1__ besuchte __SLOT0__ Neu York __SLOT0__ heute.",
        "replace": "__SLOT1__ besuchte __SLOT0__ heute.",
    }
    assert rows[0]["marked"] == expected[style]
    assert rows[1]["marked"] is None
    # A sentence with what looks like a slot is not marked with slots; it is with brackets.
    assert (rows[2]["marked"] is None) == (style != "brackets")
    assert rows[2]["words"] == SENTENCES[2].words
    # Two translations of a sentence only where the slots stand in for its entities.
    assert len(translator.asked) == (4 if style == "replace" else 3)


@pytest.mark.parametrize("style", ["insert", "replace"])
def test_slots_that_the_translator_spoils_leave_the_translation_whole(style: str) -> None:
    config = config_of(translate={"markers": style}, project={"method": "markers"})
    rows, found = through(config, WordByWord(lambda t: t.replace("__SLOT0__", "")))
    assert found[0] == {1: "Anna Leh"}
    assert rows[0]["words"] == ["Anna", "Leh", "besuchte", "Neu", "York", "heute", "."]


@pytest.mark.parametrize(
    ("style", "spoil"),
    [
        ("insert", lambda t: t.replace("besuchte", "__SLOT1__ __SLOT1__")),
        ("insert", lambda t: t.replace("Neu York __SLOT0__", "SLOT 7")),
        ("insert", lambda t: t.replace("__SLOT1__ Anna Leh __SLOT1__", "__SLOT1__ __SLOT1__")),
        ("insert", lambda t: re.sub("__SLOT.__", "", t)),
        ("brackets", lambda t: t.replace("Anna Leh]", "]]")),
        ("brackets", lambda t: t.replace("[", "").replace("]", "")),
    ],
)
def test_what_markers_spoil_is_translated_without(style: str, spoil: Callable[[str], str]) -> None:
    config = config_of(translate={"markers": style}, project={"method": "markers"})
    translator = WordByWord(spoil)
    rows, found = through(config, translator)
    assert rows[0]["marked"] is None and found[0] == {}
    assert "Anna" in rows[0]["words"] and "Neu" in rows[0]["words"]
    assert "Anna Lee visited New York today." in translator.asked


class FailsWithSlots(WordByWord):
    """Has no translation for a text with slots."""

    def translate(self, texts: Iterable[str], *args: Any, **options: Any) -> Any:
        out = super().translate(texts, *args, **options)
        return [
            [Hypothesis("", None, "too_long")] if "SLOT" in text else found
            for text, found in zip(texts, out, strict=True)
        ]


def test_a_translation_that_failed_with_inserted_slots_is_made_again() -> None:
    config = config_of(translate={"markers": "insert"}, project={"method": "markers"})
    rows, _ = through(config, FailsWithSlots())
    assert rows[0]["marked"] is None and rows[0]["reason"] is None and rows[0]["words"]


def test_a_translation_that_failed_with_slots_is_no_loss() -> None:
    config = config_of(translate={"markers": "replace"}, project={"method": "markers"})
    rows, found = through(config, FailsWithSlots())
    assert rows[0]["marked"] is None and rows[0]["reason"] is None
    assert rows[0]["words"] and found[0] == {}


def test_styles_that_do_not_fit_are_found_before_anything_runs() -> None:
    def problems(**sections: Any) -> list[str]:
        return [str(p) for p in STAGE.check(config_of(**sections), [])]

    (problem,) = problems(project={"method": "markers"})
    assert problem.startswith("project.method") and "translate.markers is none" in problem
    (problem,) = problems(
        translate={"markers": "insert"},
        project={
            "method": "ensemble",
            "members": [{"method": "markers", "marker_style": "replace"}],
        },
    )
    assert problem.startswith("project.members.0.marker_style") and "'insert'" in problem
    assert problems(translate={"markers": "insert"}) == []
    assert "marker_style" not in STAGE.options(config_of()).identity()


def test_unmarking_slots_keeps_words_apart() -> None:
    words = ["Ms", "Lee", "left", "."]
    assert mark(words, [Span(1, 2, "PER")], "en", "insert") == "Ms __SLOT0__ Lee __SLOT0__ left."
    assert unmark("Frau __slot0__Lee SLOT 0 ging.", "insert") == "Frau Lee ging."
    assert mark(["timeslot", "2", "Lee"], [Span(2, 3, "PER")], "en", "replace") is None
