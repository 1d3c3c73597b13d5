"""The features that need corpus statistics: habits, renderings and the dictionary.

All of them are looked up with the sentence's own contribution left out, and are zero where the
corpus says nothing, so that a single sentence is still scored by its links and spelling.
"""

from __future__ import annotations

import numpy as np

from stages.project.batch import Batch
from stages.project.candidates import Candidates, Cells, segment_max
from stages.project.features import Columns, Ranges
from stages.project.hashing import SequenceHasher, combine
from stages.project.statistics import (
    MAX_LENGTH,
    Chosen,
    Contribution,
    Habits,
    RowTotals,
    Statistics,
    length_habits,
    shape_habits,
)
from stages.project.words import N_SHAPES, FloatArray, HashArray, IntArray

_LEAST = 1e-3


def dictionary_evidence(
    batch: Batch, cells: Cells, entities: IntArray, statistics: Statistics, own: Contribution
) -> FloatArray:
    """Return per cell how much of the entity the word renders elsewhere: sum of P(target|source).

    Both directions are asked for: the probability is the smaller of p(target | source) and
    p(source | target), each damped by one unseen link. Words count by their stems.
    """
    stems = batch.vocabulary.stems
    lengths = (batch.entity_end - batch.entity_start)[entities]
    entity = np.repeat(np.arange(len(entities)), lengths)
    firsts = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    word = np.arange(int(lengths.sum())) + np.repeat(batch.entity_start[entities] - firsts, lengths)
    widths = np.diff(cells.first)[entity]
    pair_first = np.concatenate([[0], np.cumsum(widths)])[:-1]
    cell = np.arange(int(widths.sum())) + np.repeat(cells.first[entity] - pair_first, widths)
    source = stems[batch.source.codes[word]]
    target = stems[batch.target.codes]
    size = len(batch.vocabulary)
    codes = (
        np.repeat(batch.source.codes[word], widths) * size + batch.target.codes[cells.target[cell]]
    )
    distinct, inverse = np.unique(codes, return_inverse=True)
    keys = combine(stems[distinct // size], stems[distinct % size])
    seen = statistics.dictionary.get(keys)[:, 0][inverse]
    hit = np.flatnonzero(seen)
    cell, pair_word = cell[hit], np.repeat(np.arange(len(word)), widths)[hit]
    rows = batch.source.rows[word][pair_word]
    both = (
        seen[hit]
        - RowTotals(own.pair_rows, own.pair_keys, own.pair_probs).get(rows, keys[inverse[hit]])[
            :, 0
        ]
    )
    by_source = statistics.sources.get(source) - RowTotals(
        own.pair_rows, own.pair_sources, own.pair_probs
    ).get(batch.source.rows[word], source)
    by_target = statistics.targets.get(target)[:, 0]
    both = np.maximum(both, 0.0)
    both[both < _LEAST] = 0.0
    forward = both / (np.maximum(by_source[pair_word, 0], both) + 1.0)
    backward = both / (np.maximum(by_target[cells.target[cell]], both) + 1.0)
    out = np.zeros(len(cells))
    np.add.at(out, cell, np.sqrt(forward * backward))
    return np.minimum(out, 1.0)


def corpus_columns(
    batch: Batch,
    cells: Cells,
    entities: IntArray,
    candidates: Candidates,
    statistics: Statistics,
    chosen: Chosen,
    own: Contribution,
    habits: Habits,
    dictionary: FloatArray,
) -> Columns:
    """Yield ``(name, group, column)`` for what the corpus tells."""
    ranges = Ranges(batch, cells, candidates)
    entity = candidates.entity
    sizes = (batch.entity_end - batch.entity_start)[entities].astype(np.float64)
    inside = habits.inside[cells.target]
    first, last = habits.first[cells.target], habits.last[cells.target]
    yield "inside_mean", "habits", ranges.sum(inside) / ranges.length
    yield "inside_sum", "habits", ranges.sum(inside)
    yield "inside_least", "habits", np.minimum(ranges.at_first(inside), ranges.at_last(inside))
    lengths = length_habits(batch, statistics, chosen)
    size = np.minimum(sizes[entity], MAX_LENGTH - 1).astype(np.int64)
    length = np.minimum(ranges.length, MAX_LENGTH - 1).astype(np.int64)
    yield "length_habit", "length_habits", lengths[size, length]
    kinds = shape_habits(batch, statistics, chosen, entities)
    shapes = batch.vocabulary.shapes[batch.target.codes]
    yield "type_first", "type_habits", kinds[entity, shapes[candidates.start]]
    yield "type_last", "type_habits", kinds[entity, N_SHAPES + shapes[candidates.end - 1]]
    yield "inside_first", "habits", ranges.at_first(inside)
    yield "inside_last", "habits", ranges.at_last(inside)
    yield "inside_before", "habits", ranges.at_before(inside)
    yield "inside_after", "habits", ranges.at_after(inside)
    yield "habit_first", "habits", ranges.at_first(first)
    yield "habit_before", "habits", ranges.at_before(first)
    yield "habit_last", "habits", ranges.at_last(last)
    yield "habit_after", "habits", ranges.at_after(last)
    expected, expecting = habits.expected[cells.target], habits.expecting[cells.target]
    # What the edges of the candidate cut apart, and how usual it is that it stands together.
    yield "cut_before", "neighbours", ranges.at_first(expected)
    yield "cut_first", "neighbours", ranges.at_first(expecting)
    yield "cut_last", "neighbours", ranges.at_after(expected)
    yield "cut_after", "neighbours", ranges.at_after(expecting)

    total = np.bincount(cells.entity, weights=dictionary, minlength=len(sizes))
    yield "dictionary_cover", "dictionary", ranges.sum(dictionary) / sizes[entity]
    yield "dictionary_share", "dictionary", ranges.sum(dictionary) / ranges.length
    lost = (total[entity] - ranges.sum(dictionary)) / sizes[entity]
    yield "dictionary_lost", "dictionary", lost
    yield "dictionary_first", "dictionary", ranges.at_first(dictionary)
    yield "dictionary_last", "dictionary", ranges.at_last(dictionary)
    yield "dictionary_before", "dictionary", ranges.at_before(dictionary)
    yield "dictionary_after", "dictionary", ranges.at_after(dictionary)

    hashes = batch.vocabulary.hashes
    entity_hash = SequenceHasher(hashes[batch.source.codes])(
        batch.entity_start[entities], batch.entity_end[entities]
    )
    name = SequenceHasher(hashes[batch.target.codes])(candidates.start, candidates.end)
    rows = batch.entity_row[entities]
    chosen_rows = batch.entity_row[chosen.entity]

    def without_own(
        seen: FloatArray, keys: HashArray, own_keys: HashArray, at: IntArray
    ) -> FloatArray:
        mine = RowTotals(chosen_rows, own_keys, chosen.prob).get(at, keys)[:, 0]
        left = np.maximum(seen - mine, 0.0)
        return np.where(left < _LEAST, 0.0, left)

    pair = combine(entity_hash[entity], name)
    times = without_own(
        statistics.renderings.get(pair)[:, 0], pair, own.rendering_keys, rows[entity]
    )
    known = without_own(
        statistics.entities.get(entity_hash)[:, 0], entity_hash, own.entity_keys, rows
    )
    share = times / (known[entity] + 1.0)
    best = np.maximum(segment_max(share, entity, len(sizes)), 0.0)
    names = without_own(statistics.names.get(name)[:, 0], name, own.name_keys, rows[entity])
    yield "rendering", "renderings", share
    yield "rendering_log", "renderings", np.log1p(times)
    yield "rendering_lost", "renderings", best[entity] - share
    yield "name", "renderings", np.log1p(names)
    best_name = np.maximum(segment_max(np.log1p(names), entity, len(sizes)), 0.0)
    yield "name_lost", "renderings", best_name[entity] - np.log1p(names)
