"""Projection that follows links alone: smallest to largest link, and merged runs.

Links of at least ``min_link`` are taken as they are, without looking at the words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.project.batch import Batch
from stages.project.evidence import entity_of_words
from stages.project.projector import Projection, settle
from stages.project.words import FloatArray, IntArray


@dataclass(frozen=True)
class RunsProjector:
    """Runs of linked target words; those at most ``distance`` words apart are one.

    A run is kept if it has more than ``ratio`` times as many words as the entity, which may keep
    several; its score is the mean probability over its words (a hole counts as zero). With a
    distance of 1 and a ratio of 0.8 it is the alignment heuristic of 2501.18750.

    Attributes:
        name: The name of the method.
        min_link: Links weaker than this are ignored.
        distance: Largest number of words between runs that are merged; ``None``: all are, to the
            span from the smallest to the largest linked word.
        ratio: A run must be longer than this times the entity.
    """

    name: str
    min_link: float = 0.5
    distance: int | None = None
    ratio: float = 0.0

    def project(self, batch: Batch) -> Projection:
        """Project all entities of ``batch``."""
        entity, word, prob = linked_words(batch, self.min_link)
        if not len(entity):
            return settle(batch, entity, word, word, prob, self.name)
        breaks = entity[1:] != entity[:-1]
        if self.distance is not None:
            breaks |= word[1:] - word[:-1] > self.distance + 1
        firsts = np.flatnonzero(np.concatenate([[True], breaks]))
        lasts = np.concatenate([firsts[1:], [len(entity)]]) - 1
        owner, start, end = entity[firsts], word[firsts], word[lasts] + 1
        score = np.add.reduceat(prob, firsts) / (end - start)
        kept = (end - start) / (batch.entity_end - batch.entity_start)[owner] > self.ratio
        short = {int(e): "length_ratio" for e in set(owner.tolist()) - set(owner[kept].tolist())}
        return settle(batch, owner[kept], start[kept], end[kept], score[kept], self.name, short)


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
