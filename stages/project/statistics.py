"""What the corpus tells about its own entities: gathered in a first pass, used in the second.

- **Habits** of target words: how often a word (or, for rare words, its shape) stands inside a
  projected span, first, last, just before or just after one. Articles, titles, prepositions,
  brackets and casing are learnt from this, whatever the language.
- **Neighbours**: how often two target words stand side by side, of all the times that either
  occurs. Parts of a name, or of a word that was cut into tokens (*Isra 'ila*), do not stand alone.
- **Renderings**: how an entity was projected elsewhere, and which word sequences were projected on
  at all.
- A **dictionary**: which target words the words of entities are linked to elsewhere. Words count by
  their first letters, so that inflected forms tell of each other.

A sentence never votes for itself: what its own first-pass decisions added is subtracted before its
statistics are looked up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final

import numpy as np

from stages.project.batch import Batch
from stages.project.evidence import entity_of_words
from stages.project.hashing import CountTable, SequenceHasher, combine, group_sums, sums_of
from stages.project.words import N_SHAPES, FloatArray, HashArray, IntArray, hash_word

N, IN, FIRST, LAST, BEFORE, AFTER = range(6)
"""Columns of the habits: occurrences, inside a span, its first word, its last, before, after."""
_WIDTH: Final = 6
_MIN_LINK: Final = 0.2
# Of how many more occurrences of a word nothing is known: neighbours seen once tell little.
_UNSEEN: Final = 5.0
_SHAPE: Final = 2.0  # weight of the habits of a word's shape, in occurrences of the word
MAX_LENGTH: Final = 16


@dataclass(slots=True)
class Chosen:
    """Target ranges for entities of a batch, proposed or decided on.

    Attributes:
        entity: Entity of each range, ascending.
        start: Flat target position of its first word.
        end: Flat target position after its last word.
        prob: Its probability.
    """

    entity: IntArray
    start: IntArray
    end: IntArray
    prob: FloatArray

    @classmethod
    def join(cls, parts: Sequence[Chosen]) -> Chosen:
        """Return those for several groups of entities of one batch as one."""
        none = np.zeros(0, np.int64)
        return cls(
            np.concatenate([none, *(p.entity for p in parts)]),
            np.concatenate([none, *(p.start for p in parts)]),
            np.concatenate([none, *(p.end for p in parts)]),
            np.concatenate([np.zeros(0), *(p.prob for p in parts)]),
        )

    def some(self, index: IntArray) -> Chosen:
        """Return those with these numbers."""
        return Chosen(self.entity[index], self.start[index], self.end[index], self.prob[index])


@dataclass(slots=True)
class Statistics:
    """Counts over a corpus.

    Attributes:
        habits: Per word: the columns ``N`` to ``AFTER``.
        shapes: The same per shape, ``(N_SHAPES, 6)``.
        neighbours: Per two target words that follow one another: occurrences.
        entities: Per entity string: the probability mass of its projections.
        renderings: Per entity string and target string: that mass.
        names: Per target string: that mass over all entities.
        dictionary: Per stem of a word of an entity and of a target word: link probability.
        sources: Per stem of a word of an entity: link probability over all target words.
        targets: Per stem of a target word: link probability over all source words.
    """

    habits: CountTable = field(default_factory=lambda: CountTable(_WIDTH))
    shapes: FloatArray = field(default_factory=lambda: np.zeros((N_SHAPES, _WIDTH)))
    neighbours: CountTable = field(default_factory=CountTable)
    entities: CountTable = field(default_factory=CountTable)
    renderings: CountTable = field(default_factory=CountTable)
    names: CountTable = field(default_factory=CountTable)
    dictionary: CountTable = field(default_factory=CountTable)
    sources: CountTable = field(default_factory=CountTable)
    targets: CountTable = field(default_factory=CountTable)
    lengths: FloatArray = field(default_factory=lambda: np.zeros((MAX_LENGTH, MAX_LENGTH)))
    types: CountTable = field(default_factory=lambda: CountTable(2 * N_SHAPES))

    def add(self, batch: Batch, chosen: Chosen) -> None:
        """Count a batch, given the ranges chosen for its entities in the first pass."""
        own, links = Contribution.of(batch, chosen), LinkCounts.of(batch)
        words = batch.vocabulary.hashes[batch.target.codes]
        first, second = _neighbours(batch)
        self.habits.add(words, own.positions)
        self.neighbours.add(combine(words[first], words[second]), np.ones(len(first)))
        self.shapes += sums_of(batch.vocabulary.shapes[batch.target.codes], own.positions, N_SHAPES)
        self.lengths += _length_counts(batch, chosen)
        self.types.add(own.type_keys, own.shapes)
        self.entities.add(own.entity_keys, own.probs)
        self.renderings.add(own.rendering_keys, own.probs)
        self.names.add(own.name_keys, own.probs)
        self.dictionary.add(links.pairs, links.probs)
        self.sources.add(links.sources, links.probs)
        self.targets.add(links.targets, links.target_probs)

    def copy(self) -> Statistics:
        """Return the same counts, to be added to apart from these."""
        tables = {name: getattr(self, name).copy() for name in _TABLES}
        return Statistics(shapes=self.shapes.copy(), lengths=self.lengths.copy(), **tables)

    def save(self, folder: Path) -> None:
        """Write the counts into ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in _TABLES:
            getattr(self, name).save(folder / f"{name}.npz")
        np.save(folder / "shapes.npy", self.shapes)
        np.save(folder / "lengths.npy", self.lengths)

    @classmethod
    def load(cls, folder: Path) -> Statistics:
        """Read what :meth:`save` wrote."""
        tables = {name: CountTable.load(folder / f"{name}.npz") for name in _TABLES}
        return cls(
            shapes=np.load(folder / "shapes.npy"),
            lengths=np.load(folder / "lengths.npy"),
            **tables,
        )


_TABLES: Final = tuple(f.name for f in fields(Statistics) if f.name not in ("shapes", "lengths"))


@dataclass(slots=True)
class LinkCounts:
    """What the links of a batch add to the dictionary.

    Attributes:
        pairs: Hash of source and target stem, per link from a word of an entity.
        sources: Hash of its source stem.
        probs: Its probability.
        rows: Its row.
        targets: Hash of the target stem, per link.
        target_probs: Its probability.
    """

    pairs: HashArray
    sources: HashArray
    probs: FloatArray
    rows: IntArray
    targets: HashArray
    target_probs: FloatArray

    @classmethod
    def nothing(cls) -> LinkCounts:
        """Return what a batch adds that is not counted."""
        keys, numbers = np.zeros(0, np.uint64), np.zeros(0)
        return cls(keys, keys, numbers, np.zeros(0, np.int64), keys, numbers)

    @classmethod
    def of(cls, batch: Batch) -> LinkCounts:
        """Work out what a batch adds."""
        keep = batch.link_prob >= _MIN_LINK
        in_entity = keep & (entity_of_words(batch)[batch.link_source] >= 0)
        source_stem = batch.vocabulary.stems[batch.source.codes]
        target_stem = batch.vocabulary.stems[batch.target.codes]
        sources = source_stem[batch.link_source[in_entity]]
        linked = batch.link_target[in_entity]
        return cls(
            combine(sources, target_stem[linked]),
            sources,
            batch.link_prob[in_entity],
            batch.target.rows[linked],
            target_stem[batch.link_target[keep]],
            batch.link_prob[keep],
        )


@dataclass(slots=True)
class Contribution:
    """What the choices in one batch add to the statistics: for adding it and for leaving it out.

    Attributes:
        positions: ``(n_target_words, 6)``, the habits' columns per target word.
        rows: Row of each chosen range.
        probs: Its probability.
        entity_keys: Hash of the entity's words, per chosen range.
        name_keys: Hash of the target words, per chosen range.
        rendering_keys: Hash of both.
        type_keys: Hash of the entity's type.
        shapes: ``(n, 2 * N_SHAPES)``: the shapes of its first and its last word.
    """

    positions: FloatArray
    rows: IntArray
    probs: FloatArray
    entity_keys: HashArray
    name_keys: HashArray
    rendering_keys: HashArray
    type_keys: HashArray
    shapes: FloatArray

    @classmethod
    def of(cls, batch: Batch, chosen: Chosen) -> Contribution:
        """Work out the contribution of a batch."""
        source_hash = batch.vocabulary.hashes[batch.source.codes]
        target_hash = batch.vocabulary.hashes[batch.target.codes]
        entity_keys = SequenceHasher(source_hash)(
            batch.entity_start[chosen.entity], batch.entity_end[chosen.entity]
        )
        name_keys = SequenceHasher(target_hash)(chosen.start, chosen.end)
        return cls(
            _positions(batch, chosen),
            batch.entity_row[chosen.entity],
            chosen.prob,
            entity_keys,
            name_keys,
            combine(entity_keys, name_keys),
            type_hashes(batch)[chosen.entity],
            _edge_shapes(batch, chosen),
        )


def _neighbours(batch: Batch) -> tuple[IntArray, IntArray]:
    """Return the flat positions of target words that follow one another, joiners left aside."""
    rows = batch.target.rows
    words = np.flatnonzero(~batch.vocabulary.joiners[batch.target.codes])
    same = rows[words[1:]] == rows[words[:-1]]
    return words[:-1][same], words[1:][same]


def _positions(batch: Batch, chosen: Chosen) -> FloatArray:
    size = len(batch.target.codes)
    out = np.zeros((size, _WIDTH))
    out[:, N] = 1.0
    step = np.zeros(size + 1)
    np.add.at(step, chosen.start, chosen.prob)
    np.add.at(step, chosen.end, -chosen.prob)
    out[:, IN] = np.cumsum(step)[:-1]
    np.add.at(out[:, FIRST], chosen.start, chosen.prob)
    np.add.at(out[:, LAST], chosen.end - 1, chosen.prob)
    rows = batch.entity_row[chosen.entity]
    before = chosen.start > batch.target.offsets[rows]
    np.add.at(out[:, BEFORE], chosen.start[before] - 1, chosen.prob[before])
    after = chosen.end < batch.target.offsets[rows + 1]
    np.add.at(out[:, AFTER], chosen.end[after], chosen.prob[after])
    return np.clip(out, 0.0, None)


def of_own_row(
    counted: tuple[IntArray, HashArray, FloatArray], rows: IntArray, keys: HashArray
) -> FloatArray:
    """Return what each row itself contributed under a key.

    Args:
        counted: Rows, keys and values of all contributions of the batch.
        rows: Rows that are asked for, ``(n,)``.
        keys: Their keys.

    Returns:
        Sums, ``(n, width)``.
    """
    own_rows, own_keys, values = counted
    table = CountTable(1 if values.ndim == 1 else values.shape[1])
    table.add(in_row(own_rows, own_keys), values)
    return table.get(in_row(rows, keys))


def in_row(rows: IntArray, keys: HashArray) -> HashArray:
    """Return a hash per row and key."""
    return combine(rows.astype(np.uint64) + np.uint64(1), keys)


@dataclass(slots=True)
class Habits:
    """Log-odds per target word of a batch, from the other sentences of the corpus.

    Attributes:
        inside: That the word is part of an entity.
        first: That, standing at the left edge of an entity, it is its first word and not the word
            before it.
        last: That, standing at the right edge, it is the last word and not the word after it.
        expected: Instead of log-odds, the share of the occurrences of the word before it that this
            word follows.
        expecting: The share of the word's occurrences that follow the word before it.
    """

    inside: FloatArray
    first: FloatArray
    last: FloatArray
    expected: FloatArray
    expecting: FloatArray


def habits(batch: Batch, statistics: Statistics, own: Contribution | None) -> Habits:
    """Look up the habits of every target word, smoothed towards those of its shape.

    Args:
        batch: The batch.
        statistics: The corpus.
        own: What the batch added, if it did, which is left out row by row.
    """
    words, rows = batch.vocabulary.hashes[batch.target.codes], batch.target.rows
    before, second = _neighbours(batch)
    pairs = combine(words[before], words[second])
    counts = statistics.habits.get(words)
    together = statistics.neighbours.get(pairs)
    if own is not None:
        counts -= group_sums(in_row(rows, words), own.positions)
        together -= group_sums(in_row(rows[second], pairs), np.ones_like(together))
    counts, together = np.maximum(counts, 0.0), np.maximum(together[:, 0], 0.0)
    shapes = statistics.shapes
    prior = shapes.sum(axis=0)
    rate = (shapes[:, IN] + prior[IN] / max(prior[N], 1.0)) / (shapes[:, N] + 1.0)
    left = (shapes[:, FIRST] + 1.0) / (shapes[:, FIRST] + shapes[:, BEFORE] + 2.0)
    right = (shapes[:, LAST] + 1.0) / (shapes[:, LAST] + shapes[:, AFTER] + 2.0)
    kind = batch.vocabulary.shapes[batch.target.codes]

    def odds(yes: FloatArray, both: FloatArray, expected: FloatArray) -> FloatArray:
        p = np.clip((yes + _SHAPE * expected[kind]) / (both + _SHAPE), 1e-4, 1 - 1e-4)
        return np.log(p / (1 - p))

    expected, expecting = np.zeros(len(words)), np.zeros(len(words))
    follows = together / (counts[before, N] + _UNSEEN)
    precedes = together / (counts[second, N] + _UNSEEN)
    # A cut on either side of a joiner tears apart what stands before and after it.
    for gap in range(int((second - before).max(initial=0))):
        wide = second - before > gap
        expected[second[wide] - gap] = follows[wide]
        expecting[second[wide] - gap] = precedes[wide]
    return Habits(
        odds(counts[:, IN], counts[:, N], np.minimum(rate, 1.0)),
        odds(counts[:, FIRST], counts[:, FIRST] + counts[:, BEFORE], left),
        odds(counts[:, LAST], counts[:, LAST] + counts[:, AFTER], right),
        expected,
        expecting,
    )


def _length_counts(batch: Batch, chosen: Chosen) -> FloatArray:
    size = (batch.entity_end - batch.entity_start)[chosen.entity]
    length = chosen.end - chosen.start
    out = np.zeros((MAX_LENGTH, MAX_LENGTH))
    index = (np.minimum(size, MAX_LENGTH - 1), np.minimum(length, MAX_LENGTH - 1))
    np.add.at(out, index, chosen.prob)
    return out


def length_habits(statistics: Statistics) -> FloatArray:
    """Return log P(words of the span | words of the entity), ``(MAX_LENGTH, MAX_LENGTH)``."""
    counts = statistics.lengths
    size = np.arange(MAX_LENGTH)
    prior = np.exp(-np.abs(np.log((size[None, :] + 1.0) / (size[:, None] + 1.0))) * 4)
    prior[:, 0] = 0.0
    prior /= prior.sum(axis=1, keepdims=True)
    ratio = (counts + 10.0 * prior) / (counts.sum(axis=1, keepdims=True) + 10.0)
    out: FloatArray = np.log(np.maximum(ratio, 1e-4))
    return out


def type_hashes(batch: Batch) -> HashArray:
    """Return a hash of the type of each entity."""
    hashes = {name: hash_word(name) for name in set(batch.entity_type)}
    return np.array([hashes[name] for name in batch.entity_type], np.uint64)


def _edge_shapes(batch: Batch, chosen: Chosen) -> FloatArray:
    shapes = batch.vocabulary.shapes[batch.target.codes]
    out = np.zeros((len(chosen.entity), 2 * N_SHAPES))
    rows = np.arange(len(out))
    out[rows, shapes[chosen.start]] += chosen.prob
    out[rows, N_SHAPES + shapes[chosen.end - 1]] += chosen.prob
    return out


def shape_habits(
    batch: Batch, statistics: Statistics, own: Contribution | None, entities: IntArray
) -> FloatArray:
    """Return log P(shape of the first / last word | type), ``(n_entities, 2 * N_SHAPES)``."""
    kinds = type_hashes(batch)[entities]
    counts = statistics.types.get(kinds)
    if own is not None:
        mine = (own.rows, own.type_keys, own.shapes)
        counts -= of_own_row(mine, batch.entity_row[entities], kinds)
    counts = np.clip(counts, 0.0, None)
    total = np.concatenate(
        [statistics.shapes[:, FIRST] + 0.5, statistics.shapes[:, LAST] + 0.5]
    ).reshape(2, N_SHAPES)
    prior = (total / total.sum(axis=1, keepdims=True)).reshape(-1)
    norm = np.repeat(counts.reshape(-1, 2, N_SHAPES).sum(axis=2), N_SHAPES, axis=1)
    out: FloatArray = np.log((counts + 5.0 * prior) / (norm + 5.0))
    return out
