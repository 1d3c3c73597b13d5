"""Projection through markers in the translation (EasyProject, Chen et al. 2023; CROP, Yang 2022).

The entities were wrapped in brackets before translation; here the brackets are read off the marked
translation. Markers say where an entity is but not which one: which of the bracketed texts belongs
to which entity is an assignment by fuzzy match of the spelling, of what the alignment says of those
words, and of the order. CROP's slots (:mod:`stages.translate.slots`) and LabelPigeon's tags
(:mod:`stages.translate.tags`) say which entity it is and need no match.
Where a marker was lost, the fallback projector decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from stages.project.batch import Batch
from stages.project.projector import Projection, Projector, settle
from stages.project.words import fold
from stages.translate.slots import read_inserted, read_replaced
from stages.translate.tags import read_tags

_ORDER_WEIGHT = 0.25
_ALIGNMENT_WEIGHT = 1.0
_LEAST_MATCH = 0.15


def read_markers(marked: str, markers: tuple[str, str]) -> list[tuple[str, int, int]]:
    """Return the bracketed texts of a marked sentence.

    Each comes with its place among the characters of the sentence that are neither white space nor
    markers: ``(text, first, end)``. Brackets without a partner are ignored; of nested ones the
    innermost counts.
    """
    opening, closing = markers
    found: list[tuple[str, int, int]] = []
    at = place = 0
    open_at: tuple[int, int] | None = None
    while at < len(marked):
        if marked.startswith(opening, at) and not (opening == closing and open_at is not None):
            at += len(opening)
            open_at = (at, place)
        elif marked.startswith(closing, at):
            if open_at is not None and place > open_at[1]:
                found.append((marked[open_at[0] : at].strip(), open_at[1], place))
            open_at = None
            at += len(closing)
        else:
            place += not marked[at].isspace()
            at += 1
    return found


def words_between(words: list[str], first: int, end: int) -> tuple[int, int] | None:
    """Return the words that hold the non-space characters ``[first, end)`` of a sentence.

    A word that is only half inside counts if most of it is.
    """
    start = stop = None
    at = 0
    for index, word in enumerate(words):
        size = sum(not c.isspace() for c in word)
        shared = min(at + size, end) - max(at, first)
        if shared * 2 > size or (shared > 0 and shared == end - first):
            start = index if start is None else start
            stop = index + 1
        at += size
    return None if start is None or stop is None else (start, stop)


Found = tuple[int, int, int, float]
"""An entity, its words in the sentence ``[start, end)``, and a score."""


@dataclass(frozen=True)
class MarkerProjector:
    """Reads entities off the markers in the translation, with a fallback where they were lost.

    Attributes:
        fallback: The projector for entities (and sentences) without markers; it also helps to tell
            which bracket is which.
        markers: The opening and the closing marker.
        style: ``brackets`` (``markers``); CROP's numbered slots, ``insert`` or ``replace``; or
            tags, ``xml``.
    """

    fallback: Projector | None
    markers: tuple[str, str] = ("[", "]")
    style: Literal["brackets", "insert", "replace", "xml"] = "brackets"
    name: ClassVar[str] = "markers"

    def project(self, batch: Batch) -> Projection:
        """Project all entities of ``batch``."""
        names = batch.vocabulary.words
        other = self.fallback.project(batch) if self.fallback else None
        guesses: dict[int, tuple[int, int]] = {}
        if other is not None:
            starts = other.start - batch.target.offsets[batch.entity_row[other.entity]]
            places = zip(starts.tolist(), (starts + other.end - other.start).tolist(), strict=True)
            guesses = dict(zip(other.entity.tolist(), places, strict=True))
        proposals: list[tuple[int, int, int, float, str]] = []
        firsts = np.searchsorted(batch.entity_row, np.arange(len(batch) + 1))
        for row, marked in enumerate(batch.marked):
            entities = list(range(firsts[row], firsts[row + 1]))
            if not (marked and entities):
                continue
            words, offset = batch.target.words(row, names), int(batch.target.offsets[row])
            if self.style == "brackets":
                found = self._matched(batch, words, entities, marked, guesses)
            else:
                found = self._numbered(batch, words, entities, marked)
            proposals += [(e, offset + s, offset + t, p, self.name) for e, s, t, p in found]
        done = {p[0] for p in proposals}
        reasons = {e: "marker_lost" for e in range(batch.n_entities) if e not in done}
        if other is not None:
            taken = np.zeros(len(batch.target.codes), np.bool_)
            for _, start, end, _, _ in proposals:
                taken[start:end] = True
            for k, e in enumerate(other.entity.tolist()):
                start, end = int(other.start[k]), int(other.end[k])
                if e not in done and not taken[start:end].any():
                    proposals.append((e, start, end, float(other.score[k]), other.method[k]))
                elif e not in done:
                    reasons[e] = "conflict"
            for e, reason in other.lost.items():
                if e not in done:
                    reasons[e] = reason
        owners, starts, ends = np.array([p[:3] for p in proposals], np.int64).reshape(-1, 3).T
        score = np.array([p[3] for p in proposals], np.float64)
        return settle(batch, owners, starts, ends, score, [p[4] for p in proposals], reasons)

    def _numbered(
        self, batch: Batch, words: list[str], entities: list[int], marked: str
    ) -> list[Found]:
        numbers = [int(batch.entity_index[e]) for e in entities]
        found: dict[int, tuple[int, int]] = {}
        if self.style == "replace":
            sizes = [0] * (max(numbers) + 1)
            for e, number in zip(entities, numbers, strict=True):
                sizes[number] = int(batch.entity_end[e] - batch.entity_start[e])
            found = read_replaced(marked, words, sizes)
        else:
            read = read_tags if self.style == "xml" else read_inserted
            for number, place in read(marked).items():
                between = words_between(words, *place)
                if between is not None:
                    found[number] = between
        numbered = zip(entities, numbers, strict=True)
        return [(e, *found[number], 1.0) for e, number in numbered if number in found]

    def _matched(
        self,
        batch: Batch,
        words: list[str],
        entities: list[int],
        marked: str,
        guesses: dict[int, tuple[int, int]],
    ) -> list[Found]:
        from rapidfuzz.distance import Indel
        from scipy.optimize import linear_sum_assignment

        spans = []
        for text, first, after in read_markers(marked, self.markers):
            found = words_between(words, first, after)
            if found is not None:
                spans.append((text, *found))
        if not spans:
            return []
        names = batch.vocabulary.words
        value = np.zeros((len(entities), len(spans)))
        for a, e in enumerate(entities):
            lo, hi = int(batch.entity_start[e]), int(batch.entity_end[e])
            entity = "".join(fold(names[c]) for c in batch.source.codes[lo:hi])
            guess = guesses.get(e)
            for b, (text, start, end) in enumerate(spans):
                spelled = "".join(fold(w) for w in text.split())
                value[a, b] = Indel.normalized_similarity(entity, spelled)
                if guess:
                    both = min(guess[1], end) - max(guess[0], start)
                    either = max(guess[1], end) - min(guess[0], start)
                    value[a, b] += _ALIGNMENT_WEIGHT * max(0, both) / either
                place = abs((a + 0.5) / len(entities) - (b + 0.5) / len(spans))
                value[a, b] += _ORDER_WEIGHT * (1 - place)
        complete = len(spans) == len(entities)
        out = []
        for a, b in zip(*linear_sum_assignment(-value), strict=True):
            match = value[a, b] / (1 + _ALIGNMENT_WEIGHT * bool(guesses) + _ORDER_WEIGHT)
            if complete or match >= _LEAST_MATCH:
                score = float(min(1.0, max(match, 0.5 if complete else 0.0)))
                out.append((entities[a], *spans[b][1:], score))
        return out
