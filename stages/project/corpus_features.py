"""The features that need corpus statistics: habits, renderings and the dictionary.

All of them are looked up with the sentence's own contribution left out, and are zero where the
corpus says nothing, so that a single sentence is still scored by its links and spelling.
"""

from __future__ import annotations

import numpy as np

from stages.project.batch import Batch
from stages.project.candidates import Candidates, Cells, segment_max
from stages.project.features import Columns, Ranges
from stages.project.hashing import CountTable, SequenceHasher, combine
from stages.project.statistics import (
    MAX_LENGTH,
    Contribution,
    LinkCounts,
    Statistics,
    habits,
    length_habits,
    of_own_row,
    shape_habits,
)
from stages.project.words import N_SHAPES, FloatArray, HashArray, IntArray
from stages.ranges import ranges

_LEAST = 1e-3


def dictionary_evidence(
    batch: Batch, cells: Cells, entities: IntArray, statistics: Statistics, own: LinkCounts
) -> FloatArray:
    """Return per cell how much of the entity the word renders elsewhere: sum of P(target|source).

    Both directions are asked for: the probability is the smaller of p(target | source) and
    p(source | target), each damped by one unseen link. Words count by their stems.
    """
    stems = batch.vocabulary.stems
    lengths = (batch.entity_end - batch.entity_start)[entities]
    entity = np.repeat(np.arange(len(entities)), lengths)
    word = ranges(batch.entity_start[entities], lengths)
    widths = np.diff(cells.first)[entity]
    cell = ranges(cells.first[entity], widths)
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
    both = seen[hit] - of_own_row((own.rows, own.pairs, own.probs), rows, keys[inverse[hit]])[:, 0]
    by_source = statistics.sources.get(source)
    by_source -= of_own_row((own.rows, own.sources, own.probs), batch.source.rows[word], source)
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
    own: Contribution | None,
    dictionary: FloatArray,
) -> Columns:
    """Yield ``(name, group, column)`` for what the corpus tells, ``own`` left out."""
    ranges = Ranges(batch, cells, candidates)
    found = habits(batch, statistics, own)
    entity = candidates.entity
    sizes = (batch.entity_end - batch.entity_start)[entities].astype(np.float64)
    inside = found.inside[cells.target]
    first, last = found.first[cells.target], found.last[cells.target]
    inside_sum = ranges.sum(inside)
    yield "inside_mean", "habits", inside_sum / ranges.length
    yield "inside_sum", "habits", inside_sum
    yield "inside_least", "habits", np.minimum(ranges.at_first(inside), ranges.at_last(inside))
    lengths = length_habits(statistics)
    size = np.minimum(sizes[entity], MAX_LENGTH - 1).astype(np.int64)
    length = np.minimum(ranges.length, MAX_LENGTH - 1).astype(np.int64)
    yield "length_habit", "length_habits", lengths[size, length]
    kinds = shape_habits(batch, statistics, own, entities)
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
    expected, expecting = found.expected[cells.target], found.expecting[cells.target]
    # What the edges of the candidate cut apart, and how usual it is that it stands together.
    yield "cut_before", "neighbours", ranges.at_first(expected)
    yield "cut_first", "neighbours", ranges.at_first(expecting)
    yield "cut_last", "neighbours", ranges.at_after(expected)
    yield "cut_after", "neighbours", ranges.at_after(expecting)

    total = np.bincount(cells.entity, weights=dictionary, minlength=len(sizes))
    covered = ranges.sum(dictionary)
    yield "dictionary_cover", "dictionary", covered / sizes[entity]
    yield "dictionary_share", "dictionary", covered / ranges.length
    lost = (total[entity] - covered) / sizes[entity]
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

    def elsewhere(table: CountTable, keys: HashArray, mine: str, at: IntArray) -> FloatArray:
        seen = table.get(keys)[:, 0]
        if own is not None:
            hit = np.flatnonzero(seen)
            contributed = (own.rows, getattr(own, mine), own.probs)
            seen[hit] -= of_own_row(contributed, at[hit], keys[hit])[:, 0]
        return np.where(seen < _LEAST, 0.0, seen)

    pair = combine(entity_hash[entity], name)
    times = elsewhere(statistics.renderings, pair, "rendering_keys", rows[entity])
    known = elsewhere(statistics.entities, entity_hash, "entity_keys", rows)
    names = elsewhere(statistics.names, name, "name_keys", rows[entity])
    share = times / (known[entity] + 1.0)
    best = np.maximum(segment_max(share, entity, len(sizes)), 0.0)
    yield "rendering", "renderings", share
    yield "rendering_log", "renderings", np.log1p(times)
    yield "rendering_lost", "renderings", best[entity] - share
    named = np.log1p(names)
    yield "name", "renderings", named
    best_name = np.maximum(segment_max(named, entity, len(sizes)), 0.0)
    yield "name_lost", "renderings", best_name[entity] - named
