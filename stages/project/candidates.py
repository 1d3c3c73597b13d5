"""All target ranges that an entity could be projected on to, for a whole batch at once.

For each entity every target word of its row is a *cell*. A cell is a *seed* if something speaks for
it: a link from a word of the entity, a similar spelling, or a rendering learnt from the corpus. A
candidate is every range of words that contains a seed, begins and ends on a seed or within
``margin`` words of one, and is not longer than ``max_length``. All other sub-ranges are pruned:
nothing could speak for the words they add.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stages.project.batch import Batch
from stages.project.words import FloatArray, IntArray
from stages.ranges import offsets

BoolArray = npt.NDArray[np.bool_]
MARGIN: Final = 1
"""How far from a seed a candidate may begin or end."""


@dataclass(slots=True)
class Cells:
    """One cell per entity and target word of its row.

    Attributes:
        first: ``(n_entities + 1,)``; the cells of entity ``e`` are ``first[e]:first[e + 1]``.
        entity: ``(n_cells,)``.
        target: ``(n_cells,)``, flat target position.
        shift: ``(n_entities,)``; cell = flat target position + shift of the entity.
    """

    first: IntArray
    entity: IntArray
    target: IntArray
    shift: IntArray

    def __len__(self) -> int:
        return len(self.entity)


@dataclass(slots=True)
class Candidates:
    """Ranges of cells, in the order of entity, length and start.

    Attributes:
        entity: ``(n,)``.
        start: Flat target position of the first word.
        end: Flat target position after the last word.
        left: Cell of the first word.
        right: Cell after the last word.
    """

    entity: IntArray
    start: IntArray
    end: IntArray
    left: IntArray
    right: IntArray

    def __len__(self) -> int:
        return len(self.entity)


def make_cells(batch: Batch, entities: IntArray) -> Cells:
    """Lay out the cells of some of a batch's entities (indices, ascending)."""
    rows = batch.entity_row[entities]
    lengths = batch.target.lengths[rows]
    first = offsets(lengths)
    entity = np.repeat(np.arange(len(entities)), lengths)
    shift = first[:-1] - batch.target.offsets[rows]
    return Cells(first, entity, np.arange(len(entity)) - shift[entity], shift)


def max_lengths(batch: Batch, entities: IntArray) -> IntArray:
    """Return the longest candidate allowed per entity: twice its words and four more.

    Where the target takes more words for the same text (its tokens may be characters), as many
    times more words are allowed.
    """
    rows = batch.entity_row[entities]
    more = np.clip((batch.target.lengths + 20) / (batch.source.lengths + 20), 1.0, 4.0)[rows]
    sizes = (batch.entity_end - batch.entity_start)[entities]
    longest: IntArray = np.floor((2 * sizes + 4) * more).astype(np.int64)
    return longest


def dilate(seeds: BoolArray, entity: IntArray, margin: int) -> BoolArray:
    """Return the cells within ``margin`` cells of a seed of the same entity."""
    out = seeds.copy()
    for step in range(1, margin + 1):
        same = entity[step:] == entity[:-step]
        out[step:] |= seeds[:-step] & same
        out[:-step] |= seeds[step:] & same
    return out


def make_candidates(
    cells: Cells,
    seeds: BoolArray,
    longest: IntArray,
    margin: int = MARGIN,
) -> Candidates:
    """Enumerate the candidates.

    Args:
        cells: The cells.
        seeds: Which of them something speaks for.
        longest: Most words of a candidate, per entity.
        margin: How far from a seed a candidate may begin or end.
    """
    edge = dilate(seeds, cells.entity, margin)
    before = np.concatenate([[0], np.cumsum(seeds)])
    starts = np.flatnonzero(edge)
    limit = cells.first[cells.entity[starts] + 1]
    room = np.minimum(longest[cells.entity[starts]], limit - starts)
    lefts, rights = [], []
    for length in range(1, int(room.max(initial=0)) + 1):
        keep = room >= length
        starts, room = starts[keep], room[keep]
        ends = starts + length
        good = edge[ends - 1] & (before[ends] > before[starts])
        lefts.append(starts[good])
        rights.append(ends[good])
    left = np.concatenate(lefts) if lefts else np.zeros(0, np.int64)
    right = np.concatenate(rights) if rights else np.zeros(0, np.int64)
    entity = cells.entity[left]
    # By entity and length and start: no two are alike, which takes a quarter of a stable sort.
    order = np.argsort((entity * (right - left).max(initial=0) + right - left) * len(cells) + left)
    left, right, entity = left[order], right[order], entity[order]
    shift = cells.shift[entity]
    return Candidates(entity, left - shift, right - shift, left, right)


def are_candidates(cells: Cells, candidates: Candidates, seeds: BoolArray) -> BoolArray:
    """Return which candidates these seeds alone would make, of those that they and more made."""
    edge = dilate(seeds, cells.entity, MARGIN)
    before = np.concatenate([[0], np.cumsum(seeds)])
    left, right = candidates.left, candidates.right
    out: BoolArray = edge[left] & edge[right - 1] & (before[right] > before[left])
    return out


def segment_max(values: FloatArray, entity: IntArray, n_entities: int) -> FloatArray:
    """Return the greatest value per entity (``-inf`` where it has none); ``entity`` ascends."""
    out = np.full(n_entities, -np.inf)
    if len(values):
        firsts = np.flatnonzero(np.r_[True, entity[1:] != entity[:-1]])
        out[entity[firsts]] = np.maximum.reduceat(values, firsts)
    return out
