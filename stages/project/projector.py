"""The contract of a projector, and what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from stages.project.assign import drop_overlaps
from stages.project.batch import Batch
from stages.project.words import FloatArray, IntArray


@dataclass(slots=True)
class Projection:
    """The spans found for a batch, in flat arrays, sorted by entity and start.

    Attributes:
        entity: Entity (of the batch) of each span.
        start: Flat target position of its first word.
        end: Flat target position after its last word.
        score: Confidence in [0, 1].
        method: The name of the projector that made it, per span.
        lost: Entity to reason, for those without a span.
    """

    entity: IntArray
    start: IntArray
    end: IntArray
    score: FloatArray
    method: list[str]
    lost: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.entity)


class Projector(Protocol):
    """Finds target spans for the source spans of a batch of sentence pairs.

    Implementations guarantee that the spans of a row do not overlap and are in range, and that
    every entity has a span or a reason in ``lost``.
    """

    def project(self, batch: Batch) -> Projection:
        """Project all entities of ``batch``."""


def settle(
    batch: Batch,
    entity: IntArray,
    start: IntArray,
    end: IntArray,
    score: FloatArray,
    method: str | Sequence[str],
    reasons: dict[int, str] | None = None,
    kept: IntArray | None = None,
) -> Projection:
    """Make a :class:`Projection` of proposed spans: drop overlaps, say why entities are lost.

    Args:
        batch: The batch.
        entity: Entity of each proposal.
        start: Flat target position of its first word.
        end: Flat target position after its last word.
        score: Its score.
        method: Name of the projector, for all or per proposal.
        reasons: Why entities without a proposal have none; default: what :func:`why_lost` says.
        kept: Which proposals are taken; default: where some overlap, the better one.
    """
    if kept is None:
        kept = np.array(drop_overlaps(start, end, score), np.int64)
    kept = kept[np.lexsort((start[kept], entity[kept]))]
    proposed = set(entity.tolist())
    found = set(entity[kept].tolist())
    names = [method] * len(kept) if isinstance(method, str) else [method[k] for k in kept]
    lost = dict(reasons or {})
    for e in proposed - found:
        lost[e] = "conflict"
    missing = [e for e in range(batch.n_entities) if e not in found and e not in lost]
    lost.update(why_lost(batch, missing))
    lost = {e: r for e, r in sorted(lost.items()) if e not in found}
    return Projection(entity[kept], start[kept], end[kept], score[kept], names, lost)


def why_lost(batch: Batch, entities: Sequence[int]) -> dict[int, str]:
    """Return the reason for each entity that no candidate was found for."""
    if not entities:
        return {}
    ids = np.asarray(entities)
    linked = np.zeros(len(batch.source.codes) + 1, np.int64)
    linked[batch.link_source + 1] = 1
    total = np.cumsum(linked)
    links = total[batch.entity_end[ids]] - total[batch.entity_start[ids]]
    empty = batch.target.lengths[batch.entity_row[ids]] == 0
    return {
        int(e): "untranslated" if no_words else ("no_candidate" if n else "no_link")
        for e, n, no_words in zip(ids, links, empty, strict=True)
    }
