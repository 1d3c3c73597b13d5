"""Deciding on stored scores: every filter, and moving thresholds without projecting again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.schema import as_stored, table
from stages.project.config import FilterConfig
from stages.project.decide import OTHER, decide_row, decide_rows


def row(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "id": "s1",
        "lang": "de",
        "source_id": "s1",
        "source_lang": "en",
        "source_words": ["Angela", "Merkel", "was", "in", "Bonn"],
        "source_spans": [
            {"start": 0, "end": 2, "type": "PER", "score": None},
            {"start": 4, "end": 5, "type": "LOC", "score": None},
        ],
        "words": ["Angela", "Merkel", "war", "in", "der", "Stadt", "Bonn"],
        "spans": [
            {"start": 0, "end": 2, "type": "PER", "score": 0.9, "method": "span", "source": 0},
            {"start": 5, "end": 7, "type": "LOC", "score": 0.4, "method": "span", "source": 1},
        ],
        "lost": [],
    }
    return base | changes


LINKS = [
    {"source": 0, "target": 0, "prob": 1.0},
    {"source": 1, "target": 1, "prob": 1.0},
    {"source": 4, "target": 6, "prob": 0.7},
]


GERMAN = "Das ist ein schöner Tag und wir freuen uns sehr darüber"
ENGLISH = "This is a beautiful day and we are very happy about it"


def reasons(decided: dict[str, Any]) -> tuple[list[str | None], str | None]:
    assert all(s["kept"] == (s["reason"] is None) for s in decided["spans"])
    assert decided["kept"] == (decided["reason"] is None)
    return [s["reason"] for s in decided["spans"]], decided["reason"]


@pytest.mark.parametrize(
    ("filters", "spans", "sentence"),
    [
        ({}, [None, None], None),
        ({"min_score": 0.5}, [None, "low_score"], None),
        ({"min_score": 0.95}, ["low_score", "low_score"], None),
        ({"restrict_target": True}, [None, "restrict_target"], None),
        ({"max_length_ratio": 2.0}, [None, "length_ratio"], None),
        ({"max_length_ratio": 2.3}, [None, None], None),
        ({"comp_instances": True}, [None, None], None),
        ({"comp_instances": True, "min_score": 0.5}, [None, "low_score"], "comp_instances"),
        ({"require_all": True, "min_score": 0.5}, [None, "low_score"], "lost_span"),
        ({"comp_source": True}, [None, None], None),
        ({"comp_target": True}, [None, None], "comp_target"),
        ({"comp_target": True, "min_score": 0.5}, [None, "low_score"], None),
    ],
)
def test_filters(filters: dict[str, Any], spans: list[str | None], sentence: str | None) -> None:
    decided = decide_row(row(), FilterConfig.model_validate(filters), LINKS)
    assert reasons(decided) == (spans, sentence)


SCORE_SETS = st.fixed_dictionaries(
    {},
    optional={
        "repetition": st.sampled_from([0.0, 0.2, 0.7]),
        "language": st.sampled_from([0.0, 0.1, 0.9]),
        "length_ratio": st.sampled_from([0.3, 1.0, 2.1]),
        "doubled_names": st.sampled_from([-1.0, 0.0, 2.0]),
    },
)
ROWS = st.builds(
    lambda scores, spans, other: row(
        scores=[{"name": n, "value": v} for n, v in scores.items()],
        **{"spans": [{**s, "score": v} for s, v in zip(row()["spans"], spans, strict=False)]}
        | other,
    ),
    SCORE_SETS,
    st.lists(st.sampled_from([None, 0.1, 0.2, 0.9]), max_size=2),
    st.sampled_from([{}, {"words": [], "spans": []}, {"reason": OTHER}]),
)


@given(
    st.lists(ROWS, max_size=4),
    st.fixed_dictionaries(
        {"pairs": st.sampled_from([None, {}, {"min_language": None}])},
        optional={
            "min_score": st.sampled_from([0.0, 0.2, 0.5]),
            "require_all": st.booleans(),
            "comp_target": st.booleans(),
            "max_length_ratio": st.sampled_from([None, 2.0]),
        },
    ),
)
def test_a_table_is_decided_as_its_rows_are(
    rows: list[dict[str, Any]], options: dict[str, Any]
) -> None:
    filters = FilterConfig.model_validate(options)
    links = table(
        "alignments",
        [
            {"id": "s1", "lang": "de", "source_lang": "en", "links": LINKS, "aligner": "a"}
            | {"reason": None}
            for _ in rows
        ],
    )
    decided = decide_rows(rows, filters, links).to_pylist()
    one_by_one = [decide_row(r, filters, LINKS) for r in rows]
    assert [(reasons(d), d["kept"]) for d in decided] == [
        (reasons(d), d["kept"]) for d in one_by_one
    ]
    names = ("id", "source_words", "source_spans", "words", "lost")
    assert [[d[n] for n in names] for d in decided] == [[r[n] for n in names] for r in rows]


def test_comp_source_heeds_the_strength_of_links() -> None:
    filters = FilterConfig(comp_source=True)
    assert reasons(decide_row(row(), filters, LINKS))[1] is None
    assert reasons(decide_row(row(), filters, LINKS, min_link=0.8))[1] == "comp_source"
    assert reasons(decide_row(row(), filters, LINKS[1:]))[1] == "comp_source"


def test_untranslated_sentences_are_dropped() -> None:
    assert reasons(decide_row(row(words=[], spans=[]), FilterConfig()))[1] == "untranslated"


def test_decisions_can_be_moved_back_and_forth() -> None:
    first = decide_row(row(), FilterConfig())
    strict = decide_row(first, FilterConfig(min_score=0.95, require_all=True))
    assert reasons(strict) == (["low_score", "low_score"], "lost_span")
    assert decide_row(strict, FilterConfig()) == first


def test_a_score_is_compared_as_it_is_stored() -> None:
    """0.7 is less than 0.7 in single precision; on either side of the disk it must be the same."""
    whole = {**row()["spans"][0], "score": 0.7}
    stored = {**whole, "score": as_stored(0.7)}
    assert stored["score"] < whole["score"]
    for span in (whole, stored):
        assert reasons(decide_row(row(spans=[span]), FilterConfig(min_score=0.7)))[0] == [None]


def test_links_must_be_there() -> None:
    with pytest.raises(DataError, match="'s1'.*need the alignment links"):
        decide_rows([row()], FilterConfig(comp_source=True))


def test_the_translation_that_labels_project_best_on_to() -> None:
    def of(source: str, *scores: float, **other: Any) -> dict[str, Any]:
        spans = [{**s, "score": score} for s, score in zip(row()["spans"], scores, strict=False)]
        return row(id=f"{source}-{len(scores)}", source_id=source, spans=spans, **other)

    rows = [
        of("a", 0.9),
        of("a", 0.5, 0.6),  # more in all, if less sure
        of("a", 0.5, 0.1),  # the second is not kept
        of("b", 0.9, 0.9, words=[]),  # not kept itself
        of("b", 0.3),
        of("c", 0.7),
        of("c", 0.7),  # the first of equals
        of("d"),
        of("d"),
    ]
    filters = FilterConfig.model_validate({"best_translation": True, "pairs": None})
    decided = decide_rows(rows, filters).to_pylist()
    assert [r["reason"] for r in decided] == [
        "better_translation",
        None,
        "better_translation",
        "untranslated",
        None,
        None,
        "better_translation",
        None,
        "better_translation",
    ]
    again = decide_rows(decided, filters).to_pylist()
    assert again == decided
    assert [r["kept"] for r in decide_rows(decided, FilterConfig(pairs=None)).to_pylist()] == [
        True,
        True,
        True,
        False,
        *[True] * 5,
    ]
    assert filters.without_links().best_translation
    assert not filters.spans_only().best_translation  # a test sentence has one translation
