"""An ensemble of projectors that decides by agreement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from stages.project.assign import choose
from stages.project.batch import Batch
from stages.project.projector import Projection, Projector, settle


@dataclass(frozen=True)
class EnsembleProjector:
    """Each projector votes for the spans it found, with their scores; the total is maximised.

    The score of a span is the weighted mean over all members (0 from those that chose another);
    each member weighs half of the one named before it. Spans of different entities compete for
    words as in ``candidates``.

    Attributes:
        members: The projectors, the most trusted first.
    """

    members: Sequence[Projector]
    name: ClassVar[str] = "ensemble"

    def project(self, batch: Batch) -> Projection:
        """Project all entities of ``batch``."""
        votes: dict[tuple[int, int, int], float] = defaultdict(float)
        lost: dict[int, str] = {}
        weights = [0.5**rank for rank in range(len(self.members))]
        for weight, member in zip(weights, self.members, strict=True):
            found = member.project(batch)
            for e, start, end, score in zip(
                found.entity.tolist(),
                found.start.tolist(),
                found.end.tolist(),
                found.score.tolist(),
                strict=True,
            ):
                # The tiny bonus keeps every vote above zero.
                votes[e, start, end] += weight * (score / sum(weights) + 1e-6)
            for e, reason in found.lost.items():
                lost.setdefault(e, reason)
        keys = sorted(votes)
        entity, start, end = (np.array([k[i] for k in keys], np.int64) for i in range(3))
        value = np.array([votes[k] for k in keys], np.float64)
        taken = choose(entity, start, end, value, batch.n_entities)
        score = np.minimum(value, 1.0)
        return settle(batch, entity, start, end, score, self.name, lost, taken[taken >= 0])
