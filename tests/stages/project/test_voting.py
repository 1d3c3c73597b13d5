"""Votes of several sources on the same target sentence."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
from stages.project.config import FilterConfig
from stages.project.voting import vote

WORDS = ["Frau", "Merkel", "traf", "Renzi", "in", "Rom", "."]


def span(start: int, end: int, type_: str, score: float | None, source: int = 0) -> dict[str, Any]:
    return {
        "start": start,
        "end": end,
        "type": type_,
        "score": score,
        "method": "candidates",
        "source": source,
        "kept": True,
        "reason": None,
    }


def row(lang: str, *spans: dict[str, Any], **other: Any) -> dict[str, Any]:
    entities = [{"start": i, "end": i + 1, "type": s["type"]} for i, s in enumerate(spans)]
    return {
        "id": "s1",
        "lang": "nl",
        "source_id": f"{lang}-1",
        "source_lang": lang,
        "source_words": ["x"] * 6,
        "source_spans": entities,
        "words": WORDS,
        "spans": [{**s, "source": i} for i, s in enumerate(spans)],
        "lost": [],
        "scores": [],
        "kept": True,
        "reason": None,
        **other,
    }


def test_the_mean_decides() -> None:
    english = row("en", span(0, 2, "PER", 0.5), span(5, 6, "LOC", 0.9), span(3, 4, "PER", 0.3))
    german = row("de", span(1, 2, "PER", 0.9), span(5, 6, "LOC", 0.5))
    found = vote([english, german], FilterConfig())
    kept = {(s["start"], s["end"], s["type"]): s for s in found["spans"]}
    # Merkel alone is likelier (0.45) than with the title (0.25); of Renzi only one source knows.
    assert {k: round(s["score"], 9) for k, s in kept.items()} == {
        (1, 2, "PER"): 0.45,
        (3, 4, "PER"): 0.15,
        (5, 6, "LOC"): 0.7,
    }
    assert kept[1, 2, "PER"]["source"] is None  # no entity of the row, which is the English one
    assert kept[5, 6, "LOC"]["source"] == 1
    assert not kept[3, 4, "PER"]["kept"] and kept[3, 4, "PER"]["reason"] == "low_score"
    assert found["source_lang"] == "en" and found["kept"]


def test_what_one_source_lost_another_finds() -> None:
    lost = [{"source": 0, "reason": "no_link"}]
    entity = [{"start": 0, "end": 1, "type": "LOC"}]
    english = row("en", lost=lost, source_spans=entity)
    found = vote([english, row("de", span(5, 6, "LOC", 0.8))], FilterConfig())
    assert [(s["start"], s["score"], s["kept"]) for s in found["spans"]] == [(5, 0.4, True)]
    assert found["lost"] == lost  # which of its entities that is, nothing says


def test_a_sentence_that_is_empty_in_one_source() -> None:
    empty = row("en", words=[], kept=False, reason="untranslated")
    found = vote([empty, row("de", span(5, 6, "LOC", 0.8))], FilterConfig())
    assert found["words"] == WORDS and found["kept"]
    assert found["spans"][0]["source"] == 0


def test_other_sentences_are_refused() -> None:
    with pytest.raises(DataError, match=r"part 3: the de sentence 's1' .* one translation"):
        vote([row("en"), row("de", words=["Anders"])], FilterConfig(), "part 3")


@st.composite
def spans(draw: st.DrawFn) -> list[dict[str, Any]]:
    cuts = sorted(draw(st.lists(st.integers(0, 7), max_size=8, unique=True)))
    return [
        span(a, b, draw(st.sampled_from(["PER", "LOC"])), draw(st.floats(0, 1)))
        for a, b in zip(cuts[::2], cuts[1::2], strict=False)
    ]


@given(st.lists(spans(), min_size=1, max_size=4))
def test_spans_of_a_vote_do_not_overlap_and_come_from_a_source(
    sources: list[list[dict[str, Any]]],
) -> None:
    rows = [row(f"l{n}", *found) for n, found in enumerate(sources)]
    voted = vote(rows, FilterConfig())["spans"]
    known = {(s["start"], s["end"], s["type"]) for r in rows for s in r["spans"]}
    assert {(s["start"], s["end"], s["type"]) for s in voted} <= known
    assert all(a["end"] <= b["start"] for a, b in itertools.pairwise(voted))
    assert all(0 <= s["score"] <= 1 for s in voted)
    again = vote(rows[:1] * 3, FilterConfig())["spans"]
    same = [(s["start"], s["end"], s["score"]) for s in rows[0]["spans"]]
    assert [(s["start"], s["end"], pytest.approx(s["score"])) for s in again] == same
