from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.schema import Span, span_row
from stages.evaluate.grading import (
    GOLD,
    PREDICTED,
    TP,
    Graded,
    count_spans,
    f1_of,
    pair_up,
    seqeval_scores,
)

TYPES = ["LOC", "ORG", "PER"]


@st.composite
def spans(draw: st.DrawFn, length: int) -> list[Span]:
    found, start = [], 0
    while start < length:
        size = draw(st.integers(0, 3))
        if size and start + size <= length:
            found.append(Span(start, start + size, draw(st.sampled_from(TYPES))))
        start += max(size, 1)
    return found


@st.composite
def graded(draw: st.DrawFn) -> Graded:
    length = draw(st.integers(0, 8))
    gold = draw(spans(length))
    # Half of the time most of the gold labels come back, so that some are right.
    predicted = gold[draw(st.integers(0, 1)) :] if draw(st.booleans()) else draw(spans(length))
    return Graded("x", ["w"] * length, gold, predicted)


@settings(max_examples=150)
@given(st.lists(graded(), min_size=1, max_size=6))
def test_counts_give_the_f1_of_seqeval(sentences: list[Graded]) -> None:
    counts = count_spans(sentences, TYPES).sum(axis=0)
    exact = seqeval_scores(sentences)
    assert f1_of(counts.sum(axis=0)) == pytest.approx(exact[None].f1, abs=1e-12)
    for index, kind in enumerate(TYPES):
        if kind in exact:
            tp, predicted, gold = counts[index][[TP, PREDICTED, GOLD]]
            assert f1_of(counts[index]) == pytest.approx(exact[kind].f1, abs=1e-12)
            assert exact[kind].precision == pytest.approx(tp / max(predicted, 1))
            assert exact[kind].recall == pytest.approx(tp / max(gold, 1))
        else:
            assert not counts[index].any()


def test_a_merged_neighbour_is_wrong() -> None:
    one = Graded("x", list("abc"), [Span(0, 1, "PER"), Span(1, 2, "PER")], [Span(0, 2, "PER")])
    assert seqeval_scores([one])[None].f1 == 0.0


def row(id_: str, length: int, found: list[Span], **more: object) -> dict[str, object]:
    listed = [span_row(s) | more for s in found]
    return {"id": id_, "words": ["w"] * length, "spans": listed}


def test_sentences_must_be_the_same() -> None:
    gold = [row("a", 2, []), row("b", 2, [])]
    with pytest.raises(DataError, match="row 2 of the gold data has no predicted row"):
        pair_up(gold, gold[:1], what="predict/fused")
    with pytest.raises(DataError, match="row 2 is sentence 'b' in the gold data, but 'c'"):
        pair_up(gold, [gold[0], row("c", 2, [])], what="predict/fused")
    with pytest.raises(DataError, match="'a' has 2 words in the gold data, but 3"):
        pair_up(gold[:1], [row("a", 3, [])], what="predict/fused")


def test_spans_must_fit_the_sentence_and_each_other() -> None:
    gold = [row("a", 2, [])]
    with pytest.raises(DataError, match=r"'a': predicted span \[1, 3\) is not within 2 words"):
        pair_up(gold, [row("a", 2, [Span(1, 3, "PER")])], what="predict/fused")
    clash = [Span(0, 2, "PER"), Span(1, 2, "LOC")]
    with pytest.raises(DataError, match=r"\[0, 2\) and \[1, 2\) overlap"):
        pair_up(gold, [row("a", 2, clash)], what="predict/fused")


def test_dropped_projected_spans_do_not_count() -> None:
    gold = [row("a", 2, [Span(0, 1, "PER")])]
    dropped = [row("a", 2, [Span(0, 1, "PER")], kept=False)]
    assert pair_up(gold, dropped, what="p", only_kept=True)[0].predicted == []
    kept = [row("a", 2, [Span(0, 1, "PER")], kept=True)]
    assert len(pair_up(gold, kept, what="p", only_kept=True)[0].predicted) == 1


def test_an_untranslated_row_predicts_nothing() -> None:
    gold = [row("a", 2, [Span(0, 1, "PER")])]
    assert pair_up(gold, [row("a", 0, [])], what="p")[0].predicted == []
