"""What speaks for and against each target word belonging to each entity: links and spelling.

All arrays are over the cells of :mod:`stages.project.candidates` (one per entity and target word).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import Indel
from rapidfuzz.process import cpdist

from stages.project.batch import Batch
from stages.project.candidates import Cells
from stages.project.words import BoolArray, FloatArray, IntArray, Vocabulary
from stages.ranges import ranges

SIMILAR = 0.5
"""Spelling similarities (normalised indel similarity of folded words) below this count as none."""

MIN_MATCH = 0.6
MATCH_MARGIN = 0.1


@dataclass(slots=True)
class LinkEvidence:
    """Links per cell.

    Attributes:
        best: The best link probability between the word and the entity.
        mass: Sum over the entity's words of link probability, each word's links scaled to sum to
            at most one: the share of the entity that this word renders.
        free: The best probability of a link to a source word outside all entities.
        other: The best probability of a link to another entity.
    """

    best: FloatArray
    mass: FloatArray
    free: FloatArray
    other: FloatArray


def entity_of_words(batch: Batch) -> IntArray:
    """Return the entity of each source word of the batch, -1 outside entities."""
    out = np.full(len(batch.source.codes), -1, np.int64)
    lengths = batch.entity_end - batch.entity_start
    out[ranges(batch.entity_start, lengths)] = np.repeat(np.arange(batch.n_entities), lengths)
    return out


def link_evidence(batch: Batch, cells: Cells, entities: IntArray) -> LinkEvidence:
    """Gather the links of a batch per cell of ``entities`` (ascending indices of the batch's)."""
    n_target = len(batch.target.codes)
    owner = entity_of_words(batch)[batch.link_source]
    inside = owner >= 0
    free = np.zeros(n_target)
    np.maximum.at(free, batch.link_target[~inside], batch.link_prob[~inside])
    # Best link to any entity per target word, and the best to an entity other than that one.
    target, prob, owner_in = batch.link_target[inside], batch.link_prob[inside], owner[inside]
    top = np.zeros(n_target)
    np.maximum.at(top, target, prob)
    top_owner = np.full(n_target, -1, np.int64)
    winner = prob >= top[target]
    top_owner[target[winner][::-1]] = owner_in[winner][::-1]
    second = np.zeros(n_target)
    losing = owner_in != top_owner[target]
    np.maximum.at(second, target[losing], prob[losing])

    total = np.bincount(
        batch.link_source, weights=batch.link_prob, minlength=len(batch.source.codes)
    )
    scaled = prob / np.maximum(1.0, total[batch.link_source[inside]])

    local = np.full(batch.n_entities, -1, np.int64)
    local[entities] = np.arange(len(entities))
    mine = local[owner_in] >= 0
    cell = target[mine] + cells.shift[local[owner_in[mine]]]
    best = np.zeros(len(cells))
    np.maximum.at(best, cell, prob[mine])
    mass = np.bincount(cell, scaled[mine], len(cells)).astype(np.float64)
    own_top = top_owner[cells.target] == entities[cells.entity]
    other = np.where(own_top, second[cells.target], top[cells.target])
    return LinkEvidence(best, mass, free[cells.target], other)


@dataclass(slots=True)
class SpellingEvidence:
    """Spelling per cell.

    Attributes:
        best: Greatest similarity (0 below :data:`SIMILAR`) of the word to a word of the entity.
        cover: Sum over the entity's words that find their best match here of that similarity.
        first: Similarity to the entity's first word.
        last: Similarity to the entity's last word.
        match: Whether the word is (nearly) the most similar one in the sentence to a word of the
            entity, and similar enough to be one of its candidates for that alone.
    """

    best: FloatArray
    cover: FloatArray
    first: FloatArray
    last: FloatArray
    match: BoolArray


def spelling_evidence(batch: Batch, cells: Cells, entities: IntArray) -> SpellingEvidence:
    """Compare every word of every entity with every target word of its row.

    Where the entities were translated alone, the words of these translations are compared as well,
    and the more similar of the two counts.
    """
    starts = batch.entity_start[entities]
    lengths = batch.entity_end[entities] - starts
    own = _compared(batch, cells, batch.source.codes, starts, lengths)
    if batch.alone is None:
        return own
    starts, others = batch.alone.offsets[entities], batch.alone.lengths[entities]
    alone = _compared(batch, cells, batch.alone.codes, starts, others)
    # As if the translation had as many words as the entity.
    alone.cover *= (lengths / np.maximum(others, 1))[cells.entity]
    n = len(entities)
    covered = np.bincount(cells.entity, alone.cover, n) > np.bincount(cells.entity, own.cover, n)
    return SpellingEvidence(
        np.maximum(own.best, alone.best),
        np.where(covered[cells.entity], alone.cover, own.cover),
        np.maximum(own.first, alone.first),
        np.maximum(own.last, alone.last),
        own.match | alone.match,
    )


def _compared(
    batch: Batch, cells: Cells, codes: IntArray, starts: IntArray, lengths: IntArray
) -> SpellingEvidence:
    """Compare ``codes[start : start + length]`` of each entity with the target words of its row."""
    entity = np.repeat(np.arange(len(starts)), lengths)
    word = ranges(starts, lengths)
    widths = np.diff(cells.first)[entity]
    # One pair per entity word and target word of its row.
    pair_word = np.repeat(np.arange(len(word)), widths)
    pair_cell = ranges(cells.first[entity], widths)
    similarity = similarities(
        batch.vocabulary,
        codes[word][pair_word],
        batch.target.codes[cells.target[pair_cell]],
    )
    hit = np.flatnonzero(similarity)
    pair_word, pair_cell, similarity = pair_word[hit], pair_cell[hit], similarity[hit]
    best = np.zeros(len(cells))
    np.maximum.at(best, pair_cell, similarity)
    top = np.zeros(len(word))
    np.maximum.at(top, pair_word, similarity)
    is_top = similarity >= top[pair_word] - 1e-9
    cover = np.bincount(pair_cell[is_top], similarity[is_top], len(cells)).astype(np.float64)
    first, last = np.zeros(len(cells)), np.zeros(len(cells))
    absolute = word[pair_word]
    at_first = absolute == starts[entity[pair_word]]
    at_last = absolute == (starts + lengths - 1)[entity[pair_word]]
    first[pair_cell[at_first]] = similarity[at_first]
    last[pair_cell[at_last]] = similarity[at_last]
    match = np.zeros(len(cells), np.bool_)
    near = (similarity >= MIN_MATCH) & (similarity >= top[pair_word] - MATCH_MARGIN)
    match[pair_cell[near]] = True
    return SpellingEvidence(best, cover, first, last, match)


def similarities(vocabulary: Vocabulary, left: IntArray, right: IntArray) -> FloatArray:
    """Return the spelling similarity of pairs of words given as codes, 0 below :data:`SIMILAR`.

    It is rapidfuzz's normalised indel similarity of the folded words; a hyphenated word also
    matches by its best part (``EU-Kommission`` and ``Commission``). Each distinct pair is compared
    once.
    """
    size = len(vocabulary)
    spelled, folded = vocabulary.spelled, vocabulary.folded
    worth = np.flatnonzero(spelled[left] & spelled[right])
    out = np.zeros(len(left))
    pairs, inverse = np.unique(left[worth] * size + right[worth], return_inverse=True)
    a, b = pairs // size, pairs % size
    # Indel similarity is twice the letters that both have, in order, over all of theirs: at most
    # all of a word but those that the other lacks. Skip what cannot reach the threshold.
    la, lb = vocabulary.folded_chars[a], vocabulary.folded_chars[b]
    ma, mb = vocabulary.alphabets[a], vocabulary.alphabets[b]
    most = np.minimum(la - np.bitwise_count(ma & ~mb), lb - np.bitwise_count(mb & ~ma))
    hyphen = vocabulary.hyphenated
    value = np.zeros(len(pairs))
    possible = np.flatnonzero(2 * most >= SIMILAR * (la + lb))
    if len(possible):
        one, other = folded[a[possible]].tolist(), folded[b[possible]].tolist()
        scorer = Indel.normalized_similarity
        value[possible] = cpdist(one, other, scorer=scorer, score_cutoff=SIMILAR, dtype=np.float32)
    hyphens = np.flatnonzero((hyphen[a] | hyphen[b]) & (a != b))
    for k, one, other in zip(hyphens.tolist(), folded[a[hyphens]], folded[b[hyphens]], strict=True):
        value[k] = max(value[k], _parts(one, other))
    out[worth] = value[inverse]
    return out


def _parts(left: str, right: str) -> float:
    scores = [
        Indel.normalized_similarity(x, y)
        for x in left.split("-")
        for y in right.split("-")
        if len(x) > 1 and len(y) > 1
    ]
    best = max(scores, default=0.0)
    return 0.9 * best if best >= 0.8 else 0.0
