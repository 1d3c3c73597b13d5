"""CROP's third and fourth step: mark, translate back, find what was marked in the raw sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
from rapidfuzz.distance import Indel

from pipeline.schema import Span, spans_of, table
from stages.project.batch import Batch, LabelledPair
from stages.project.build import pair_columns, span_rows
from stages.project.config import FilterConfig
from stages.project.decide import decide_row
from stages.project.markers import MarkerProjector
from stages.project.words import fold
from stages.tokenise import tokenise
from stages.translate.markers import CLOSE, OPEN, mark, unmark

LEAST_SIMILARITY = 0.7
"""How alike an entity of the back-translation and words of the raw sentence must be spelt."""
METHOD = "crop"


class MarkedBackTranslation:
    """Projects the entities of translations by marking them and translating back.

    Args:
        translate: Source-language texts to target-language texts; ``None`` where nothing came of
            one.
        filters: Which spans and sentences are dropped afterwards. Those that judge by the word
            alignment (COMP-SRC and COMP-TGT) are left out, as it is not asked here.
    """

    def __init__(
        self,
        translate: Callable[[Sequence[str]], Sequence[str | None]],
        filters: FilterConfig | None = None,
    ) -> None:
        self._translate = translate
        self._filters = (filters or FilterConfig()).without_links()
        # Which bracket is which: by spelling and order alone.
        self._markers = MarkerProjector(None, (OPEN, CLOSE))

    def __call__(self, translations: pa.Table, alignments: pa.Table, tagged: pa.Table) -> pa.Table:
        """Return ``projected`` rows; ``tagged`` are the labels of the translations."""
        rows = pair_columns(translations, tagged).to_pylist()
        spans = [spans_of(row, "source_spans") for row in rows]
        texts = [
            mark(row["source_words"], entities, row["source_lang"])
            for row, entities in zip(rows, spans, strict=True)
        ]
        asked = [text for text in texts if text is not None]
        answers = iter(self._translate(asked) if asked else [])
        marked = [next(answers) if text is not None else None for text in texts]
        backs = [
            tokenise(unmark(text), row["lang"]) if text else []
            for row, text in zip(rows, marked, strict=True)
        ]
        pairs = [
            LabelledPair(row["source_words"], entities, back, (), text, row["id"])
            for row, entities, back, text in zip(rows, spans, backs, marked, strict=True)
        ]
        batch = Batch.from_pairs(pairs)
        found = span_rows(batch, self._markers.project(batch))
        made = []
        for row, back, (marked_spans, lost) in zip(rows, backs, found, strict=True):
            asked_for = [(s["source"], back[s["start"] : s["end"]]) for s in marked_spans]
            placed = find_entities(asked_for, row["words"])
            missing = [
                {"source": source, "reason": "no_candidate"}
                for source, _ in asked_for
                if source not in {p[0] for p in placed}
            ]
            made.append(self._row(row, placed, [*lost, *missing]))
        return table("projected", made)

    def _row(
        self,
        row: dict[str, Any],
        placed: Sequence[tuple[int, Span]],
        lost: list[dict[str, Any]],
    ) -> dict[str, Any]:
        names = ("id", "lang", "source_id", "source_lang", "source_words", "source_spans", "words")
        spans = [
            {
                "start": span.start,
                "end": span.end,
                "type": row["source_spans"][source]["type"],
                "score": span.score,
                "method": METHOD,
                "source": source,
                "kept": True,
                "reason": None,
            }
            for source, span in placed
        ]
        lost.sort(key=lambda x: x["source"])
        undecided = {**{n: row[n] for n in names}, "spans": spans, "lost": lost}
        return decide_row(undecided, self._filters)


def find_entities(
    entities: Sequence[tuple[int, Sequence[str]]], words: Sequence[str]
) -> list[tuple[int, Span]]:
    """Find entities by their spelling in a sentence; the best matches first, no two overlap.

    Args:
        entities: Numbers and words of the entities.
        words: The sentence.

    Returns:
        Numbers and places of those that are there, sorted by place; scores are similarities.
    """
    folded = [fold(w) for w in words]
    proposals = []
    for number, entity in entities:
        sought = "".join(fold(w) for w in entity)
        if not sought:
            continue
        longest = len(entity) + 1
        for start in range(len(words)):
            for end in range(start + 1, min(start + longest, len(words)) + 1):
                if not folded[start] or not folded[end - 1]:
                    continue  # punctuation at the edge of a name
                alike = Indel.normalized_similarity(sought, "".join(folded[start:end]))
                if alike >= LEAST_SIMILARITY:
                    # Of equals, the words that are as many as the entity's, then the first.
                    odd = abs(end - start - len(entity))
                    proposals.append((-alike, odd, start, end, number))
    placed: dict[int, Span] = {}
    taken = [False] * len(words)
    for negative, _, start, end, number in sorted(proposals):
        if number not in placed and not any(taken[start:end]):
            placed[number] = Span(start, end, "", -negative)
            taken[start:end] = [True] * (end - start)
    return sorted(placed.items(), key=lambda item: item[1].start)
