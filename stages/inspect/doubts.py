"""What speaks against a projected label: gold labels where there are any, else plain signs.

A sign is no proof: docs/report.md says how often they were right where gold labels exist.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from pipeline.formats.words import composed, folded
from pipeline.schema import Span
from stages.inspect.view import Doubt, View

if TYPE_CHECKING:
    from pipeline.artifacts import Artifact
    from stages.project.config import PairFilters


CERTAIN: Final = frozenset({"not_gold", "gold_missed"})
"""Kinds that gold labels prove."""

_WEIGHTS: Final = {
    "not_gold": 9,
    "gold_missed": 8,
    "translation": 6,
    "stands_elsewhere": 5,
    "other_word": 4,
    "usually_other": 4,
    "not_a_name": 4,
    "other_length": 3,
    "unlike_others": 3,
    "unsure": 2,
    "repeated": 1,
    "unlabelled": 1,
}
CHOSEN: Final = 0.5
"""Aligners store links that they considered but did not choose with a probability below this."""

UNSURE: Final = 0.5
"""A kept span that scores below this is doubted."""

UNLIKE: Final = 0.9
"""A kept span is doubted that a classifier learnt from other sentences holds this unlikely."""

_OFTEN: Final = 4  # other sentences that a usual rendering has to come from, at least
_USUAL: Final = 0.6  # share of a rendering that is called usual
_RARE: Final = 0.15  # share of one that is doubted


def shown_score(score: float) -> str:
    """Return a score as it is shown: two digits, from thousandths, as the report has them."""
    return f"{(round(1000 * score) + 5) // 10 / 100:.2f}"


def weight(doubts: Iterable[Doubt]) -> int:
    """Return how much there is to doubt in a sentence: its worst doubt first, then how many."""
    weights = [_WEIGHTS[d.kind] for d in doubts]
    return 10 * max(weights, default=0) + min(9, len(weights))


def is_wrong(doubts: Iterable[Doubt]) -> bool:
    """Whether gold labels prove a label of the sentence wrong."""
    return any(d.kind in CERTAIN for d in doubts)


def _text(words: Sequence[str], span: Span) -> str:
    return " ".join(words[span.start : span.end])


class Renderings:
    """How each source entity was rendered, over all sentences of a language."""

    def __init__(self) -> None:
        self._of: dict[str, Counter[str]] = defaultdict(Counter)

    @classmethod
    def of(cls, projected: Artifact) -> Renderings:
        """Count the kept spans of a projected dataset, streaming."""
        found = cls()
        columns = ["source_words", "source_spans", "words", "spans"]
        for data in projected.tables():
            for row in data.select(columns).to_pylist():
                for span in row["spans"]:
                    if span["kept"] and span["source"] is not None:
                        source = row["source_spans"][span["source"]]
                        found.add(
                            " ".join(row["source_words"][source["start"] : source["end"]]),
                            " ".join(row["words"][span["start"] : span["end"]]),
                        )
        return found

    def add(self, source: str, target: str) -> None:
        """Count one rendering."""
        self._of[folded(source)][folded(target)] += 1

    def usual(self, source: str, target: str) -> tuple[str, int, int] | None:
        """Return the usual rendering of ``source`` if ``target`` is a rare and different one.

        Returns:
            The usual rendering, in how many of how many sentences; ``None`` if there is none, or
            if ``target`` is like it (an inflected form, say).
        """
        counts = self._of.get(folded(source))
        if counts is None:
            return None
        rare = folded(target)
        total = counts.total()
        best, n = max(counts.items(), key=lambda item: (item[1], item[0]))
        if n < _OFTEN or n < _USUAL * total or counts[rare] > _RARE * total:
            return None
        return None if _alike(best, rare) else (best, n, total)


def _alike(one: str, other: str) -> bool:
    from rapidfuzz.fuzz import ratio

    return one in other or other in one or ratio(one, other) >= 60


def judged(views: Iterable[View], renderings: Renderings) -> Iterator[View]:
    """Yield the sentences with what speaks against their labels in :attr:`View.doubts`."""
    for view in views:
        view.doubts = list(doubts_of(view, renderings))
        yield view


def doubts_of(view: View, renderings: Renderings) -> Iterator[Doubt]:
    """Yield what speaks against the kept labels of one projected sentence.

    With gold labels, they decide, and signs are only given for the labels that they prove wrong.
    """
    wrong: set[int] | None = None
    if view.gold is not None:
        found = list(_against_gold(view, view.gold))
        yield from found
        wrong = {d.span for d in found if d.span is not None}
    for index, item in enumerate(view.spans):
        if item.kept and (wrong is None or index in wrong):
            yield from _signs(view, index, renderings)
    if wrong is None and (doubt := _of_translation(view)):
        yield doubt
    if wrong is None and view.kept:
        labelled = {s.source for s in view.spans if s.kept}
        for number, source in enumerate(view.source_spans):
            if number not in labelled:
                name = _text(view.source_words, source)
                yield Doubt("unlabelled", None, f"{name} ({source.type})")


def _of_translation(view: View) -> Doubt | None:
    """Return what speaks against the sentence pair, by the usual thresholds of the filters."""
    from stages.project.decide import pair_reason
    from stages.registry import STAGES

    scores = [{"name": name, "value": value} for name, value in view.scores.items()]
    reason = pair_reason(scores, _usual_filters())
    return Doubt("translation", None, STAGES.reasons[reason]) if reason else None


@cache
def _usual_filters() -> PairFilters:
    from stages.project.config import PairFilters

    return PairFilters()


def _against_gold(view: View, gold: Sequence[Span]) -> Iterator[Doubt]:
    right = {(s.start, s.end, s.type) for s in gold}
    touched: set[tuple[int, int]] = set()
    for index, item in enumerate(view.spans):
        span = item.span
        if not item.kept:
            continue
        there = [g for g in gold if g.start < span.end and span.start < g.end]
        touched.update((g.start, g.end) for g in there)
        if (span.start, span.end, span.type) not in right:
            told = ", ".join(f"{_text(view.words, g)} ({g.type})" for g in there)
            yield Doubt("not_gold", index, told or "no entity")
    for g in gold:
        if (g.start, g.end) not in touched:
            yield Doubt("gold_missed", None, f"{_text(view.words, g)} ({g.type})")


def _signs(view: View, index: int, renderings: Renderings) -> Iterator[Doubt]:
    item = view.spans[index]
    span = item.span
    target = view.words[span.start : span.end]
    if item.source is not None:
        source = view.source_spans[item.source]
        names = view.source_words[source.start : source.end]
        name, rendering = " ".join(names), " ".join(target)
        if elsewhere := _stands_elsewhere(view, names):
            same = folded(rendering) == folded(name)
            yield Doubt("repeated" if same else "stands_elsewhere", index, elsewhere)
        usual = renderings.usual(name, rendering)
        if usual:
            yield Doubt("usually_other", index, f"{usual[0]} ({usual[1]} of {usual[2]})")
        if other := _other_word(view, source, span):
            yield Doubt("other_word", index, other)
        if _is_name(names) and not _is_name(target) and _has_case(view.words):
            yield Doubt("not_a_name", index)
        if not len(names) / 3 - 1 <= len(target) <= 3 * len(names) + 1:
            yield Doubt("other_length", index, f"{len(target)} against {len(names)}")
    unlikely = view.unlikely.get(index, 0.0)
    if unlikely >= UNLIKE:
        yield Doubt("unlike_others", index, shown_score(1.0 - unlikely))
    if span.score is not None and span.score < UNSURE:
        yield Doubt("unsure", index, shown_score(span.score))


def _other_word(view: View, source: Span, target: Span) -> str:
    """Return the first source word that ``target`` is linked to, if none of ``source`` is.

    That no word is linked to the name says little: aligners miss many names.
    """
    found = sorted(
        link.source
        for link in view.links
        if link.prob >= CHOSEN and target.start <= link.target < target.end
    )
    if any(source.start <= word < source.end for word in found):
        return ""
    words = (view.source_words[word] for word in found)
    return next((w for w in words if any(map(str.isalnum, w))), "")


def _stands_elsewhere(view: View, names: Sequence[str]) -> str:
    """Return the name if the target sentence holds it as it is, outside of the kept spans."""
    if not _is_name(names):
        return ""
    size = len(names)
    name, words = [composed(w) for w in names], [composed(w) for w in view.words]
    taken = {i for s in view.spans if s.kept for i in range(s.span.start, s.span.end)}
    for start in range(len(words) - size + 1):
        if words[start : start + size] == name and taken.isdisjoint(range(start, start + size)):
            return " ".join(names)
    return ""


def _is_name(words: Sequence[str]) -> bool:
    return any(c.isupper() or c.istitle() for word in words for c in word)


def _has_case(words: Sequence[str]) -> bool:
    return any(c.islower() for word in words for c in word)
