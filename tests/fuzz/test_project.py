"""Any links between any words: every source span has one outcome, every span is in its sentence."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.schema import Link, Span, overlapping
from stages.project.batch import Batch, LabelledPair
from stages.project.build import project_batches
from stages.project.config import ProjectConfig
from stages.project.methods import METHODS
from stages.registry import STAGES
from tests.fuzz.junk import CASES, ODD, fuzzed

words = st.lists(
    st.sampled_from([*(o for o in ODD if len(o) < 100), "Anna", "Bonn", "in", "[", "]"])
    | st.text(max_size=4),
    max_size=7,
)
probs = st.sampled_from([0.0, 1e-300, 0.04, 0.5, 1.0, float("nan"), float("inf"), -1.0, 2.0])


@st.composite
def odd_pairs(draw: st.DrawFn, id: str = "drawn") -> LabelledPair:
    """Any words on both sides, spans anywhere, links between any two words, some twice."""
    source, target = draw(words), draw(words)
    cuts = sorted(draw(st.sets(st.integers(0, len(source)), max_size=6)))
    spans = [
        Span(a, b, draw(st.sampled_from(["PER", "LOC", "", "A\tB", "\x1b[0m"])))
        for a, b in zip(cuts[::2], cuts[1::2], strict=False)
    ]
    links: list[Link] = []
    if source and target:
        ends = st.tuples(
            st.integers(0, len(source) - 1), st.integers(0, len(target) - 1), probs | st.floats()
        )
        links = [Link(*end) for end in draw(st.lists(ends, max_size=16))]
    marked = draw(st.none() | words.map(" ".join))
    return LabelledPair(source, draw(st.permutations(spans)), target, links, marked, id)


@pytest.mark.parametrize("method", list(METHODS))
@settings(fuzzed, max_examples=max(40, CASES // 3))
@given(listed=st.lists(odd_pairs(), max_size=4), style=st.sampled_from(["brackets", "insert"]))
def test_every_source_span_has_one_outcome(
    method: str, listed: list[LabelledPair], style: str
) -> None:
    config = ProjectConfig.model_validate(
        {"method": method} | ({"marker_style": style} if method == "markers" else {})
    )
    found = list(project_batches([Batch.from_pairs(listed)], config))
    assert len(found) == len(listed)
    for pair, (spans, lost) in zip(listed, found, strict=True):
        placed = [Span(s["start"], s["end"], s["type"]) for s in spans]
        assert all(0 <= s.start < s.end <= len(pair.words) for s in placed)
        assert overlapping(placed) is None
        assert all(0 <= s["score"] <= 1 for s in spans)
        assert all(s["type"] == pair.source_spans[s["source"]].type for s in spans)
        there, gone = {s["source"] for s in spans}, [s["source"] for s in lost]
        assert len(set(gone)) == len(gone)
        assert not there & set(gone)
        assert there | set(gone) == set(range(len(pair.source_spans)))
        if method != "merged_runs":  # which may keep several runs of one entity
            assert len(there) == len(spans)
        assert all(item["reason"] in STAGES.reasons for item in lost)


@settings(fuzzed, max_examples=max(40, CASES // 3))
@given(
    pair=odd_pairs(id="odd-7"),
    source=st.integers(-(2**63), 2**63 - 1),
    target=st.integers(-(2**63), 2**63 - 1),
)
def test_a_link_outside_of_its_sentence_is_named(
    pair: LabelledPair, source: int, target: int
) -> None:
    pair.links = [*pair.links, Link(source, target, 1.0)]
    if 0 <= source < len(pair.source_words) and 0 <= target < len(pair.words):
        Batch.from_pairs([pair])
        return
    with pytest.raises(DataError, match=f"'odd-7': the link {source}-{target} is outside"):
        Batch.from_pairs([LabelledPair([], [], []), pair])


@settings(fuzzed, max_examples=max(40, CASES // 3))
@given(pair=odd_pairs(id="odd-7"), start=st.integers(-3, 9), end=st.integers(-3, 9))
def test_a_span_outside_of_its_sentence_is_named(pair: LabelledPair, start: int, end: int) -> None:
    pair.source_spans = [Span(start, end, "PER")]
    if 0 <= start < end <= len(pair.source_words):
        assert Batch.from_pairs([pair]).n_entities == 1
        return
    with pytest.raises(DataError, match=r"'odd-7': the span \["):
        Batch.from_pairs([pair])
