"""Metrics beside strict F1: by hand on small cases, within bounds on any, with intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nervaluate import Evaluator

from pipeline.schema import Span
from stages.evaluate.config import EvaluateConfig
from stages.evaluate.grading import Graded
from stages.evaluate.measuring import Measurer
from stages.evaluate.metrics import METRICS

GOLD = [Span(0, 2, "PER"), Span(3, 4, "LOC"), Span(5, 7, "ORG")]


@pytest.mark.parametrize(
    ("metric", "predicted", "expected"),
    [
        ("exact", [Span(0, 2, "LOC"), Span(3, 5, "LOC")], (1, 2, 3)),
        ("partial", [Span(0, 2, "LOC"), Span(3, 5, "LOC")], (1.5, 2, 3)),
        ("type", [Span(0, 2, "LOC"), Span(3, 5, "LOC")], (1, 2, 3)),
        # Two parts of one entity are one match, and the better part is taken.
        ("partial", [Span(0, 1, "PER"), Span(1, 2, "PER")], (0.5, 2, 3)),
        ("type", [Span(0, 1, "PER"), Span(1, 2, "PER")], (1, 2, 3)),
        # One span over two entities is one match.
        ("partial", [Span(0, 4, "PER")], (0.5, 1, 3)),
        ("exact", [], (0, 0, 3)),
    ],
)
def test_counts_by_hand(metric: str, predicted: list[Span], expected: tuple[float, ...]) -> None:
    kind = METRICS[metric]
    assert tuple(kind(kind.Options()).count(GOLD, predicted)) == expected


def spans() -> st.SearchStrategy[list[Span]]:
    cuts = st.lists(st.integers(0, 12), max_size=8, unique=True).map(sorted)
    return cuts.map(
        lambda c: [Span(a, b, "AB"[a % 2]) for a, b in zip(c[::2], c[1::2], strict=False)]
    )


@given(st.lists(st.tuples(spans(), spans()), min_size=1, max_size=5))
def test_bounds_and_what_is_right(sentences: list[tuple[list[Span], list[Span]]]) -> None:
    options = EvaluateConfig.model_validate({"metrics": list(METRICS.own)})
    measurer = Measurer(options.named_metrics, 100, 0.95, 1)
    graded = [Graded(str(i), ["w"] * 12, g, p) for i, (g, p) in enumerate(sentences)]
    measurer.add("de", "test", "arm", 1, graded)
    perfect = [Graded(g.id, g.words, g.gold, g.gold) for g in graded]
    measurer.add("de", "test", "gold", 1, perfect)
    found = {(m.metric, m.arm): m for m in measurer.summarise()}
    for name in METRICS.own:
        one = found[name, "arm"]
        assert 0 <= one.low <= one.high <= 1 and 0 <= one.value <= 1
        assert found[name, "gold"].value == float(any(g.gold for g in graded))
    assert found["exact", "arm"].value <= found["partial", "arm"].value


def touching(span: Span, others: list[Span]) -> int:
    return sum(span.start < o.end and o.start < span.end for o in others)


@given(st.lists(st.tuples(spans(), spans()), min_size=1, max_size=5))
def test_as_nervaluate_counts(sentences: list[tuple[list[Span], list[Span]]]) -> None:
    # nervaluate wants the last word of an entity, not the one after it.
    gold, found = (
        [[{"label": s.type, "start": s.start, "end": s.end - 1} for s in side] for side in sides]
        for sides in zip(*sentences, strict=True)
    )
    theirs = Evaluator(gold, found, tags=["A", "B"], loader="dict").evaluate()["overall"]
    alone = all(
        touching(span, others) < 2
        for g, p in sentences
        for side, others in ((g, p), (p, g))
        for span in side
    )
    for name, called in (("exact", "exact"), ("partial", "partial"), ("type", "ent_type")):
        kind = METRICS[name](METRICS[name].Options())
        ours = np.sum([kind.count(g, p) for g, p in sentences], axis=0)
        their = theirs[called]
        matched = their.correct + 0.5 * their.partial
        assert tuple(ours[1:]) == (their.actual, their.possible)
        if name != "type" or alone:
            assert ours[0] == matched
            assert kind.value(ours) == pytest.approx(their.f1)
        else:
            # It pairs an entity with the first that it touches, of whatever type, and that one is
            # spent; we take the best pairs first, and never match fewer.
            assert ours[0] >= matched


def test_means_over_seeds_and_target_languages() -> None:
    options = EvaluateConfig.model_validate({"metrics": ["exact", {"metric": "exact"}]})
    measurer = Measurer(options.named_metrics, 100, 0.95, 1)
    right, wrong = Graded("a", [], GOLD, GOLD), Graded("a", [], GOLD, [])
    for lang, key, one in (
        ("de", "test", right),
        ("sw", "test", wrong),
        ("en", "source_test", right),
    ):
        for seed in (1, 2):
            measurer.add(lang, key, "fused", seed, [one])
    found = [m for m in measurer.summarise() if m.metric == "exact-2"]
    assert [(m.lang, m.value, m.seeds, m.std) for m in found] == [
        ("de", 1, [1, 2], 0),
        ("sw", 0, [1, 2], 0),
        ("en", 1, [1, 2], 0),
        (None, 0.5, [1, 2], 0),
    ]
