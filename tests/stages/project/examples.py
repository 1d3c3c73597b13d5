"""Small hand-made sentence pairs for the tests of projection."""

from __future__ import annotations

from hypothesis import strategies as st

from pipeline.schema import Link, Span
from stages.project.batch import LabelledPair


def pair(
    source: str, spans: str, target: str, links: str, *, marked: str | None = None, id: str = "x"
) -> LabelledPair:
    """Build a pair: spans as ``0-2:PER``, links as ``0-0 1-2:0.4``."""
    found = []
    for item in spans.split():
        place, kind = item.split(":")
        start, end = map(int, place.split("-"))
        found.append(Span(start, end, kind))
    linked = []
    for item in links.split():
        place, _, prob = item.partition(":")
        i, j = map(int, place.split("-"))
        linked.append(Link(i, j, float(prob or 1)))
    return LabelledPair(source.split(), found, target.split(), linked, marked, id)


VISIT = pair(
    "Angela Merkel visited the European Parliament in Strasbourg .",
    "0-2:PER 4-6:ORG 7-8:LOC",
    "Angela Merkel besuchte das Europäische Parlament in Straßburg .",
    "0-0 1-1 2-2 3-3 4-4 5-5 6-6 7-7 8-8",
)

WORDS = ["Bonn", "Ulm", "der", "die", "(", ")", "1999", "EU-Rat", "北京", "Москва", "!", "x"]


@st.composite
def pairs(draw: st.DrawFn) -> LabelledPair:
    """Draw a pair with any words, spans that do not overlap, and any links."""
    source = draw(st.lists(st.sampled_from(WORDS), max_size=8))
    target = draw(st.lists(st.sampled_from(WORDS), max_size=8))
    cuts = sorted(draw(st.sets(st.integers(0, len(source)), max_size=6)))
    spans = [
        Span(a, b, draw(st.sampled_from(["PER", "LOC"])))
        for a, b in zip(cuts[::2], cuts[1::2], strict=False)
    ]
    links = []
    if source and target:
        places = st.tuples(st.integers(0, len(source) - 1), st.integers(0, len(target) - 1))
        for i, j in sorted(draw(st.sets(places, max_size=12))):
            links.append(Link(i, j, draw(st.sampled_from([0.04, 0.1, 0.5, 0.9, 1.0]))))
    return LabelledPair(source, spans, target, links, id="drawn")
