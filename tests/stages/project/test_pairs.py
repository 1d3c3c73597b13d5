"""Translations that went wrong: scored per pair, and dropped by filters before training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.schema import SCHEMAS, table
from stages.inspect.doubts import Renderings, doubts_of
from stages.inspect.view import View
from stages.project.config import FilterConfig, PairFilters
from stages.project.decide import decide_row, decide_rows, pair_reason
from stages.project.filters.lost_names import lost_names
from stages.project.filters.sentence_pairs import SentencePairs
from stages.project.pairs import (
    load_usual_ratio,
    pair_scores,
    row_scores,
    save_usual_ratio,
    usual_ratio,
)


def row(source: str, target: str, *names: str, found: int = 0) -> dict[str, Any]:
    """A projected row; of the names the first ``found`` have a span."""
    words, other = source.split(), target.split()
    spans = []
    for name in names:
        size = len(name.split())
        at = next(i for i in range(len(words)) if words[i : i + size] == name.split())
        spans.append({"start": at, "end": at + size, "type": "LOC", "score": None})
    kept = {"score": 0.9, "method": "span", "kept": True, "reason": None, "type": "LOC"}
    return {
        **{"id": "x", "lang": "de", "source_id": "x", "source_lang": "en"},
        **{"source_words": words, "source_spans": spans, "words": other, "lost": []},
        "spans": [{"start": 0, "end": 1, "source": k, **kept} for k in range(found)],
        **{"kept": True, "reason": None},
    }


BERLIN = ("We like Berlin .", "Wir mögen " + "Berlin " * 9 + ".", "Berlin")
MADRID = ("We like Madrid .", "Wir mögen Madrid Madrid Madrid Madrid .", "Madrid")
COPY = ("The two leaders met in Oslo to discuss a new treaty .",) * 2
OTHER = (
    "The two leaders met in Oslo to discuss a new treaty .",
    "Les deux dirigeants se sont rencontrés à Oslo pour discuter d' un nouveau traité de paix .",
)
LOOP = (
    "He said the talks would go on .",
    "Er sagte , dass die Gespräche , dass die Gespräche , dass die Gespräche weitergehen .",
)
HALLUCINATED = (
    "KIEV 1996-08-23 Anna Kovac 15-10",
    "Der Ausschuss empfiehlt dem Vertragsstaat , alle notwendigen Maßnahmen zu ergreifen .",
)


@pytest.mark.parametrize(
    ("source", "target", "names", "reason"),
    [
        (*BERLIN[:2], ["Berlin"], "repetition"),
        (*MADRID[:2], ["Madrid"], "repetition"),
        (*LOOP, [], "repetition"),
        (*COPY, ["Oslo"], "copied_source"),
        (*OTHER, ["Oslo"], "wrong_language"),
        (*HALLUCINATED, ["KIEV", "Anna Kovac"], "lost_names"),
        ("He lives in Rome .", "Rome Paris Rome liebt er in Rome .", ["Rome"], "doubled_names"),
        # What is right stays, odd as it may look.
        ("We like Berlin .", "Wir mögen Berlin .", ["Berlin"], None),
        ("Boutros Boutros-Ghali spoke .", "Boutros Boutros-Ghali sprach .", [], None),
        ("0 0 0 0 1 1 1", "0 0 0 0 1 1 1", [], None),
        ("6-3 6-3 7-6", "6 - 3 6 - 3 7 - 6", [], None),
        ("He won 1,000 dollars", "Er gewann 1.000 Dollar", [], None),
        ("Very , very old .", "Sehr , sehr alt .", [], None),
        ("Oslo 2 Lisbon 1", "Oslo 2 Lissabon 1", ["Oslo", "Lisbon"], None),
        ("Germany won .", "Die Deutschen siegten .", ["Germany"], None),
        ("New York , New York is a song .", "New York , New York ist ein Lied .", [], None),
        ("", "", [], "untranslated"),
    ],
)
def test_what_goes_wrong_is_dropped_with_its_reason(
    source: str, target: str, names: list[str], reason: str | None
) -> None:
    made = row(source, target, *names)
    (made["scores"],) = row_scores([made])
    decided = decide_row(made, FilterConfig())
    assert (decided["kept"], decided["reason"]) == (reason is None, reason), made["scores"]
    if reason != "untranslated":
        kept = decide_row(decided, FilterConfig(pairs=None))
        assert kept["kept"], "the gate can be switched off, and that needs no new scores"


def test_far_too_long_by_the_corpus_own_measure(tmp_path: Path) -> None:
    good = [row(f"We like town {k} .", f"Wir mögen Stadt {k} .") for k in range(30)]
    bad = row("Sgt .", "Der Ausschuss empfiehlt dem Vertragsstaat , alle Maßnahmen zu ergreifen .")
    data = table(
        "translations",
        [
            {f.name: r.get(f.name) for f in SCHEMAS["translations"]} | {"rank": 0}
            for r in (*good, bad)
        ],
    )
    save_usual_ratio(iter([data]), tmp_path)
    usual = load_usual_ratio(tmp_path)
    assert usual is not None and 1 < usual < 1.3
    rows = [*good, bad]
    reasons = [
        decide_row({**r, "scores": scores}, FilterConfig())["reason"]
        for r, scores in zip(rows, row_scores(rows, usual), strict=True)
    ]
    assert reasons == [None] * 30 + ["length_ratio"]
    assert load_usual_ratio(tmp_path / "none") is None and usual_ratio([1.0] * 19) is None


KEYS = [key for kind in PairFilters.members().values() for key in kind.Options.model_fields]


@pytest.mark.parametrize("name", KEYS)
def test_every_measure_can_be_switched_off(name: str) -> None:
    scores = {"repetition": 1, "doubled_names": 9, "copied": 1, "language": 0, "length_ratio": 9}
    stored = [{"name": n, "value": float(v)} for n, v in (scores | {"lost_names": 1}).items()]
    off = PairFilters.model_validate({n: None for n in KEYS if n != name})
    assert pair_reason(stored, off)
    assert pair_reason(stored, off.model_copy(update={name: None})) is None
    assert pair_reason([], PairFilters()) is None, "what was not scored decides nothing"


SPAN = {"start": 0, "end": 1}
WORDS = st.lists(st.sampled_from(["a", "Oslo", "12", ".", "東京", "x y"]), max_size=9)


@given(WORDS, WORDS, st.integers(0, 3))
def test_scores_are_within_bounds_for_any_pair(
    source: list[str], target: list[str], size: int
) -> None:
    spans = [{"start": 0, "end": size}] if 0 < size <= len(source) else []
    pair = {"lang": "de", "source_words": source, "words": target, "source_spans": spans}
    (found,) = pair_scores(SentencePairs.of_rows([pair], [[]], 1.0)).to_pylist()
    scores = {score["name"]: score["value"] for score in found}
    for name in ("repetition", "copied", "lost_names", "language"):
        assert 0 <= scores.get(name, 0) <= 1
    assert bool(scores) == bool(source and target)


def scored(name: str, source: list[str], target: list[str], *names: int) -> float | None:
    """The score of one pair, in which some source words are names."""
    spans = [{"start": k, "end": k + 1} for k in names]
    row = {"lang": "de", "source_words": source, "words": target, "source_spans": spans}
    (value,) = PairFilters.members()[name].scores(SentencePairs.of_rows([row], [[]]))
    return None if np.isnan(value) else float(value)


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6, unique=True))
def test_saying_it_again_and_again_is_stutter(words: list[str]) -> None:
    assert scored("repetition", ["x"], words) == 0
    assert scored("repetition", ["x"], words * 4) == pytest.approx(3 / 4)
    assert scored("repetition", words * 4, words * 4) == 0, "so does the source"


@given(st.lists(st.tuples(WORDS, WORDS), max_size=3))
def test_what_a_pair_scores_depends_on_no_other(pairs: list[tuple[list[str], list[str]]]) -> None:
    rows = [
        {**{"lang": "de", "source_words": one, "words": two}, "source_spans": [SPAN] * bool(one)}
        for one, two in pairs
    ]
    together = pair_scores(SentencePairs.of_rows(rows, [[]] * len(rows), 1.0)).to_pylist()
    alone = [pair_scores(SentencePairs.of_rows([row], [[]], 1.0)).to_pylist()[0] for row in rows]
    assert together == alone


FEW = st.lists(st.sampled_from("ab"), min_size=1, max_size=6)


@given(st.lists(st.tuples(FEW, FEW, st.integers(0, 5), st.integers(1, 3)), max_size=3))
def test_a_name_is_counted_wherever_it_stands(
    pairs: list[tuple[list[str], list[str], int, int]],
) -> None:
    spans = [
        {"start": min(at, len(one) - 1), "end": min(at + n, len(one))} for one, _, at, n in pairs
    ]
    rows = [
        {"lang": "de", "source_words": one, "words": two, "source_spans": [span]}
        for (one, two, *_), span in zip(pairs, spans, strict=True)
    ]
    made = SentencePairs.of_rows(rows, [[]] * len(rows))
    wanted = []
    for (one, two, *_), span in zip(pairs, spans, strict=True):
        name = one[span["start"] : span["end"]]
        times = [
            sum(words[k : k + len(name)] == name for k in range(len(words))) for words in (two, one)
        ]
        wanted.append(times[0] - times[1])
    assert (made.said(made.target) - made.said(made.source)).tolist() == wanted
    assert PairFilters.members()["doubled_names"].scores(made).tolist() == wanted


def test_only_words_that_are_no_names_count_as_copied() -> None:
    words = ["Anna", "Kovac", "met", "Peter", "Brown", "there"]
    assert scored("copied", words, words, 0, 1, 3, 4) is None, "too few words that could be copied"
    more = [*words, "and", "spoke"]
    assert scored("copied", more, [*words, "und", "sprach"], 0, 1, 3, 4) == 0.5
    assert scored("copied", more, ["met", "there"]) == 0.5, "capitals may be names"
    headline = ["SOCCER", "-", "LEAGUE", "STANDINGS"]
    assert scored("copied", headline, headline) == 1


def test_a_name_that_was_projected_is_there() -> None:
    source = ["Germany", "and", "Spain", "met", "in", "1998"]
    target = ["Alemania", "y", "España", "hablaron", "en", "1998"]
    spans = [{"start": 0, "end": 1}, {"start": 2, "end": 3}]
    assert lost_names(source, target, spans, {0, 1}) == 0
    assert lost_names(source, target, spans, {1}) == pytest.approx(1 / 3)
    assert lost_names(source, target, spans[:1], set()) is None, "few may be put otherwise"


def test_inspect_shows_the_doubt() -> None:
    made = row(*MADRID, found=1)
    (made["scores"],) = row_scores([made])
    view = View("x", "de", made["words"], scores={s["name"]: s["value"] for s in made["scores"]})
    (doubt,) = doubts_of(view, Renderings())
    assert (doubt.kind, doubt.text) == ("translation", "the text repeats itself")
    assert "repetition" in view.to_json()["scores"]


def test_stored_rows_are_decided_anew_as_from_scratch() -> None:
    rows = [row(*BERLIN), row("We like Oslo .", "Wir mögen Oslo .", "Oslo")]
    for r, scores in zip(rows, row_scores(rows), strict=True):
        r["scores"] = scores
    stored = decide_rows(rows, FilterConfig(pairs=None)).to_pylist()
    assert [r["kept"] for r in stored] == [True, True]
    assert decide_rows(stored, FilterConfig()) == decide_rows(rows, FilterConfig())
