"""Tags to spans and back, in every scheme."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.formats.notation import TagError
from pipeline.formats.schemes import (
    SCHEMES,
    Repair,
    Scheme,
    SchemeEvidence,
    TagDecoder,
    spans_from_tags,
    tags_from_spans,
)
from pipeline.schema import Span
from tests.pipeline.formats.helpers import triples

TYPES = ["PER", "LOC", "work-of-art", "B", "O-x"]


@st.composite
def labelled(draw: st.DrawFn) -> tuple[int, list[Span]]:
    """A sentence length and spans in it."""
    spans = []
    position = 0
    for gap, length in draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), max_size=6)):
        start = position + gap
        spans.append(Span(start, start + length, draw(st.sampled_from(TYPES))))
        position = start + length
    return position + draw(st.integers(0, 3)), spans


def merged(spans: list[Span]) -> list[Span]:
    """What is left of spans in IO: neighbours of one type become one."""
    out: list[Span] = []
    for span in spans:
        if out and (out[-1].end, out[-1].type) == (span.start, span.type):
            span = Span(out.pop().start, span.end, span.type)
        out.append(span)
    return out


@pytest.mark.parametrize("scheme", SCHEMES)
@given(sample=labelled())
def test_round_trip(scheme: Scheme, sample: tuple[int, list[Span]]) -> None:
    length, spans = sample
    tags = tags_from_spans(spans, length, scheme)
    found, repairs = TagDecoder(scheme)(tags)
    assert found == (merged(spans) if scheme == "io" else spans)
    assert repairs == []


@given(samples=st.lists(labelled(), min_size=1, max_size=5), scheme=st.sampled_from(SCHEMES))
def test_detected_scheme_gives_the_same_spans(
    samples: list[tuple[int, list[Span]]], scheme: Scheme
) -> None:
    evidence = SchemeEvidence()
    # IO types that look like prefixed tags cannot be told from them.
    samples = [(n, [s for s in spans if s.type[0] not in "BO"]) for n, spans in samples]
    tagged = [tags_from_spans(spans, n, scheme) for n, spans in samples]
    for tags in tagged:
        evidence.feed(tags)
    detected = evidence.scheme()
    decode = TagDecoder(detected)
    for (_, spans), tags in zip(samples, tagged, strict=True):
        assert decode(tags)[0] == (merged(spans) if scheme == "io" else spans)


@given(
    tags=st.lists(st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B", "E-A", "S-A", "E-B"])),
    scheme=st.sampled_from(["iob1", "iob2", "bioes"]),
)
def test_any_sequence_gives_spans_that_do_not_overlap(tags: list[str], scheme: Scheme) -> None:
    if scheme != "bioes":
        tags = [t for t in tags if t[0] in "OBI"]
    spans, repairs = TagDecoder(scheme)(tags)
    covered = [i for s in spans for i in range(s.start, s.end)]
    assert len(covered) == len(set(covered))
    assert set(covered) == {i for i, t in enumerate(tags) if t != "O"}
    assert all(tags[r.index] != "O" for r in repairs)


@pytest.mark.parametrize(
    ("scheme", "tags", "spans", "repairs"),
    [
        ("iob2", "O I-A I-A", [(1, 3, "A")], [Repair(1, "inside_without_begin")]),
        ("iob2", "B-A I-B", [(0, 1, "A"), (1, 2, "B")], [Repair(1, "inside_without_begin")]),
        ("iob1", "O I-A B-A", [(1, 2, "A"), (2, 3, "A")], []),
        ("bioes", "B-A I-A O", [(0, 2, "A")], [Repair(1, "unclosed")]),
        ("bioes", "B-A", [(0, 1, "A")], [Repair(0, "unclosed")]),
        ("bioes", "O E-A", [(1, 2, "A")], [Repair(1, "end_without_begin")]),
        ("bioes", "I-A E-A", [(0, 2, "A")], [Repair(0, "inside_without_begin")]),
        ("bioes", "B-A S-A", [(0, 1, "A"), (1, 2, "A")], [Repair(0, "unclosed")]),
        ("bioes", "B-A M-A E-A W-A", [(0, 3, "A"), (3, 4, "A")], []),
        ("bilou", "B-A L-A U-A", [(0, 2, "A"), (2, 3, "A")], []),
        ("io", "A A O I-B", [(0, 2, "A"), (3, 4, "B")], []),
    ],
)
def test_repairs(
    scheme: Scheme, tags: str, spans: list[tuple[int, int, str]], repairs: list[Repair]
) -> None:
    found, made = TagDecoder(scheme)(tags.split())
    assert triples(found) == spans
    assert made == repairs


def test_bad_tags_and_spans() -> None:
    with pytest.raises(TagError) as error:
        spans_from_tags(["O", "L-PER"], "iob2")
    assert (error.value.index, error.value.tag) == (1, "L-PER")
    with pytest.raises(ValueError, match="overlap"):
        tags_from_spans([Span(0, 2, "A"), Span(1, 3, "A")], 3)
    with pytest.raises(ValueError, match="does not fit a sentence of 3 words"):
        tags_from_spans([Span(2, 4, "A")], 3)
