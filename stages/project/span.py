"""Projection that follows links alone: smallest to largest link, and merged runs.

Both take links of at least ``min_link`` as they are, without looking at the words.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from stages.project.batch import Batch
from stages.project.evidence import entity_of_words
from stages.project.projector import Projection, settle
from stages.project.words import FloatArray, IntArray


def linked_words(batch: Batch, min_link: float) -> tuple[IntArray, IntArray, FloatArray]:
    """Return distinct ``(entity, flat target word, best probability)``, sorted by both."""
    owner = entity_of_words(batch)[batch.link_source]
    keep = (owner >= 0) & (batch.link_prob >= min_link)
    size = max(len(batch.target.codes), 1)
    key = owner[keep] * size + batch.link_target[keep]
    distinct, inverse = np.unique(key, return_inverse=True)
    prob = np.zeros(len(distinct))
    np.maximum.at(prob, inverse, batch.link_prob[keep])
    return distinct // size, distinct % size, prob


def _stretches(
    entity: IntArray, word: IntArray, prob: FloatArray, breaks: npt.NDArray[np.bool_]
) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """Return entity, start, end and score of each stretch of linked words between breaks.

    The score is the mean probability over the words of the stretch (a hole counts as zero).
    """
    firsts = np.flatnonzero(np.concatenate([[True], breaks]))
    lasts = np.concatenate([firsts[1:], [len(entity)]]) - 1
    start, end = word[firsts], word[lasts] + 1
    return entity[firsts], start, end, np.add.reduceat(prob, firsts) / (end - start)


class SpanProjector:
    """The span from the smallest to the largest linked target word.

    Args:
        min_link: Links weaker than this are ignored.
    """

    name: ClassVar[str] = "span"

    def __init__(self, min_link: float = 0.5) -> None:
        self.min_link = min_link

    def project(self, batch: Batch) -> Projection:
        """Project all entities of ``batch``."""
        entity, word, prob = linked_words(batch, self.min_link)
        if not len(entity):
            return settle(batch, entity, word, word, prob, self.name)
        found = _stretches(entity, word, prob, entity[1:] != entity[:-1])
        return settle(batch, *found, self.name)


class MergedRunsProjector:
    """The alignment heuristic of 2501.18750.

    Runs of linked target words at most ``distance`` words apart are merged; a run is kept if it has
    more than ``ratio`` times as many words as the entity. An entity may keep several runs.

    Args:
        min_link: Links weaker than this are ignored.
        distance: Largest number of words between runs that are merged.
        ratio: A run must be longer than this times the entity.
    """

    name: ClassVar[str] = "merged_runs"

    def __init__(self, min_link: float = 0.5, distance: int = 1, ratio: float = 0.8) -> None:
        self.min_link = min_link
        self.distance = distance
        self.ratio = ratio

    def project(self, batch: Batch) -> Projection:
        """Project all entities of ``batch``."""
        entity, word, prob = linked_words(batch, self.min_link)
        if not len(entity):
            return settle(batch, entity, word, word, prob, self.name)
        breaks = (entity[1:] != entity[:-1]) | (word[1:] - word[:-1] > self.distance + 1)
        owner, start, end, score = _stretches(entity, word, prob, breaks)
        size = (batch.entity_end - batch.entity_start)[owner]
        kept = (end - start) / size > self.ratio
        short = {int(e): "length_ratio" for e in set(owner.tolist()) - set(owner[kept].tolist())}
        return settle(
            batch, owner[kept], start[kept], end[kept], score[kept], self.name, reasons=short
        )
