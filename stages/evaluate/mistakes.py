"""Error analysis: what went wrong, and where on its way a projected entity was lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.formats.words import folded
from pipeline.schema import Span
from stages.evaluate.grading import Graded
from stages.evaluate.results import Category


@dataclass(frozen=True, slots=True)
class Mistake:
    """One error: a gold span, a predicted span, or both, that do not agree."""

    id: str
    category: Category
    gold: Span | None
    predicted: Span | None


def mistakes(sentence: Graded) -> Iterator[Mistake]:
    """Yield the errors in one sentence, each gold and each predicted span in at most one.

    Spans that match exactly are no errors. Of the rest, gold and predicted spans that share words
    are paired one to one: same boundaries first, then same type, then the larger overlap. What
    stays alone is ``missed`` (gold) or ``spurious`` (predicted).
    """
    exact = {(s.start, s.end, s.type) for s in sentence.gold} & {
        (s.start, s.end, s.type) for s in sentence.predicted
    }
    gold = [s for s in sentence.gold if (s.start, s.end, s.type) not in exact]
    predicted = [s for s in sentence.predicted if (s.start, s.end, s.type) not in exact]
    candidates = sorted(
        (_rank(g, p), -_overlap(g, p), gi, pi)
        for gi, g in enumerate(gold)
        for pi, p in enumerate(predicted)
        if _overlap(g, p)
    )
    free_gold, free_predicted = set(range(len(gold))), set(range(len(predicted)))
    for _, _, gi, pi in candidates:
        if gi in free_gold and pi in free_predicted:
            free_gold.remove(gi)
            free_predicted.remove(pi)
            yield Mistake(sentence.id, _category(gold[gi], predicted[pi]), gold[gi], predicted[pi])
    for gi in sorted(free_gold):
        yield Mistake(sentence.id, "missed", gold[gi], None)
    for pi in sorted(free_predicted):
        yield Mistake(sentence.id, "spurious", None, predicted[pi])


def _overlap(a: Span, b: Span) -> int:
    return max(0, min(a.end, b.end) - max(a.start, b.start))


def _same_range(a: Span, b: Span) -> bool:
    return (a.start, a.end) == (b.start, b.end)


def _rank(a: Span, b: Span) -> int:
    if _same_range(a, b):
        return 0
    return 1 if a.type == b.type else 2


def _category(gold: Span, predicted: Span) -> Category:
    if _same_range(gold, predicted):
        return "wrong_type"
    return "wrong_boundary" if gold.type == predicted.type else "wrong_both"


def entity_text(words: Sequence[str], span: Span) -> str:
    """Return an entity's words as one string."""
    return " ".join(words[span.start : span.end])


def entity_strings(rows: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return the entity strings of labelled rows, folded, whatever their types."""
    return frozenset(
        folded(" ".join(row["words"][s["start"] : s["end"]])) for row in rows for s in row["spans"]
    )


def familiarity(graded: Iterable[Graded], seen: frozenset[str]) -> dict[bool, tuple[int, int]]:
    """Return ``{seen?: (found, gold)}`` by whether the source training data holds the string."""
    found: Counter[bool] = Counter()
    total: Counter[bool] = Counter()
    for sentence in graded:
        predicted = {(s.start, s.end, s.type) for s in sentence.predicted}
        for span in sentence.gold:
            known = folded(entity_text(sentence.words, span)) in seen
            total[known] += 1
            found[known] += (span.start, span.end, span.type) in predicted
    return {known: (found[known], total[known]) for known in (True, False)}


STAGE_OF_REASON: Final[Mapping[str, str]] = {
    "empty_source": "translate",
    "empty_translation": "translate",
    "too_long": "translate",
    "untranslated": "translate",
    "marker_lost": "translate",
    "unaligned": "align",
    "no_link": "align",
    "no_candidate": "project",
    "conflict": "project",
}
"""Which stage a reason of the projected dataset speaks of; all others are filters."""


def blame(sentence: Graded, row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield ``(stage, reason)`` for each gold entity that projection did not find.

    Args:
        sentence: The gold target entities against the kept projected ones.
        row: The projected row of the sentence.
    """
    for mistake in mistakes(sentence):
        gold = mistake.gold
        if gold is None:
            continue
        if mistake.category != "missed":
            # The source side says the type, so that a wrong one is the annotation's doing.
            wrong = mistake.category == "wrong_type"
            yield ("source labels", "wrong_type") if wrong else ("project", mistake.category)
            continue
        dropped = [
            s["reason"]
            for s in row["spans"]
            if not s["kept"] and s["start"] < gold.end and gold.start < s["end"]
        ]
        if dropped:
            yield STAGE_OF_REASON.get(dropped[0], "filter"), dropped[0]
            continue
        of_type = [
            item["reason"]
            for item in row["lost"]
            if row["source_spans"][item["source"]]["type"] == gold.type
        ]
        if of_type:
            yield STAGE_OF_REASON.get(of_type[0], "filter"), of_type[0]
        elif row["reason"] and not row["words"]:
            yield STAGE_OF_REASON.get(row["reason"], "translate"), row["reason"]
        else:
            # Every source entity of this type went somewhere else, or there was none.
            yield "source labels", "no_source_entity"
