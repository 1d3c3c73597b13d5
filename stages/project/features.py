"""The features of a candidate: one column each, computed for all candidates of a batch at once.

Sums over a candidate are differences of prefix sums over cells, so that the cost does not depend on
its length. :data:`FEATURES` names the columns and the group each belongs to (the ablation removes
one group at a time). The weights are in ``weights.json``; ``benchmarks.project.fit_weights`` fitted
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from stages.project.batch import Batch
from stages.project.candidates import Candidates, Cells, segment_max
from stages.project.evidence import LinkEvidence, SpellingEvidence
from stages.project.hashing import SequenceHasher
from stages.project.words import (
    DIGIT,
    LOWER,
    MIXED,
    N_SHAPES,
    PUNCT,
    TITLE,
    UNCASED,
    UPPER,
    BoolArray,
    CodedWords,
    FloatArray,
    IntArray,
)
from stages.ranges import sums

Column = tuple[str, str, FloatArray]
"""Name, group and values of a feature."""
Columns = Iterator[Column]
_CAPITAL: Final = np.isin(np.arange(N_SHAPES), (TITLE, UPPER, MIXED)).astype(np.float64)
"""Per shape whether a word has a capital."""
_CASED: Final = _CAPITAL + np.eye(N_SHAPES)[LOWER] - np.eye(N_SHAPES)[UNCASED]
"""Per shape 1 for scripts with letter case, -1 for those without, 0 for what tells nothing."""
CUT: Final = 0.8
"""Share of words of one character from which on a text counts as cut into characters: Chinese words
are one character half of the time."""
HOLE: Final = 0.1
"""A word of a candidate whose best link to the entity is weaker than this is a hole."""


class Ranges:
    """Look-ups and sums over the words of each candidate."""

    def __init__(self, batch: Batch, cells: Cells, candidates: Candidates) -> None:
        self.candidates = candidates
        rows = batch.target.rows[candidates.start]
        self.has_before = candidates.start > batch.target.offsets[rows]
        self.has_after = candidates.end < batch.target.offsets[rows + 1]
        self.before = np.where(self.has_before, candidates.left - 1, 0)
        self.after = np.where(self.has_after, candidates.right, 0)
        self.last = candidates.right - 1
        self.length = (candidates.right - candidates.left).astype(np.float64)

    def sum(self, cell_values: FloatArray) -> FloatArray:
        """Return the sum over the candidate's cells."""
        return sums(cell_values, self.candidates.left, self.candidates.right)

    def sum_words(self, word_values: FloatArray) -> FloatArray:
        """Return the sum over the candidate's words of values per flat target position."""
        return sums(word_values, self.candidates.start, self.candidates.end)

    def at_before(self, cell_values: FloatArray) -> FloatArray:
        """Return the value of the word before the candidate, 0 at the start of the sentence."""
        return np.where(self.has_before, cell_values[self.before], 0.0)

    def at_after(self, cell_values: FloatArray) -> FloatArray:
        """Return the value of the word after the candidate, 0 at the end of the sentence."""
        return np.where(self.has_after, cell_values[self.after], 0.0)

    def at_first(self, cell_values: FloatArray) -> FloatArray:
        """Return the value of the candidate's first word."""
        return cell_values[self.candidates.left]

    def at_last(self, cell_values: FloatArray) -> FloatArray:
        """Return the value of the candidate's last word."""
        return cell_values[self.last]


def base_columns(
    batch: Batch,
    cells: Cells,
    entities: IntArray,
    candidates: Candidates,
    links: LinkEvidence,
    spelling: SpellingEvidence,
) -> Columns:
    """Yield ``(name, group, column)`` for all that needs no corpus statistics."""
    ranges = Ranges(batch, cells, candidates)
    sizes = (batch.entity_end - batch.entity_start)[entities].astype(np.float64)
    yield from _link_columns(ranges, cells, candidates, links, sizes)
    yield from _spelling_columns(batch, ranges, cells, entities, candidates, spelling, sizes)
    yield from _shape_columns(batch, ranges, cells, entities, candidates)
    yield from _length_columns(batch, ranges, entities, candidates, sizes)


def _link_columns(
    ranges: Ranges,
    cells: Cells,
    candidates: Candidates,
    links: LinkEvidence,
    sizes: FloatArray,
) -> Columns:
    entity = candidates.entity
    size, length = sizes[entity], ranges.length
    n = len(sizes)
    mass = ranges.sum(links.mass)
    total = np.bincount(cells.entity, weights=links.mass, minlength=n)
    inside = ranges.sum(links.best)
    strongest = np.maximum(segment_max(links.best, cells.entity, n), 1e-3)
    pull_free = np.maximum(0.0, links.free - links.best)
    pull_other = np.maximum(0.0, links.other - links.best)
    claim = np.maximum(0.0, links.best - np.maximum(links.free, links.other))
    claimed = np.bincount(cells.entity, weights=claim, minlength=n)
    hole = (links.best < HOLE).astype(np.float64)
    free, missed = ranges.sum(pull_free), claimed[entity] - ranges.sum(claim)
    yield "cover", "links", mass / size
    yield "cover_share", "links", mass / np.maximum(total, 1e-3)[entity]
    yield "linked", "links", inside / length
    yield "linked_relative", "links", inside / strongest[entity] / length
    yield "pull_free", "links", free
    yield "pull_free_share", "links", free / length
    yield "pull_other", "links", ranges.sum(pull_other)
    yield "claim_missed", "links", missed
    yield "claim_missed_share", "links", missed / size
    yield "holes", "links", ranges.sum(hole)
    yield "hole_first", "links", ranges.at_first(hole)
    yield "hole_last", "links", ranges.at_last(hole)
    yield "first_link", "links", ranges.at_first(links.best)
    yield "last_link", "links", ranges.at_last(links.best)
    yield "before_link", "links", ranges.at_before(links.best)
    yield "after_link", "links", ranges.at_after(links.best)
    yield "first_free", "links", ranges.at_first(links.free)
    yield "last_free", "links", ranges.at_last(links.free)
    yield "before_free", "links", ranges.at_before(links.free)
    yield "after_free", "links", ranges.at_after(links.free)
    rival = np.maximum(links.free, links.other)
    for name, unseen in (("odds", 0.05), ("odds_soft", 0.3)):
        odds = np.log((links.best + unseen) / (rival + unseen))
        positive = np.bincount(cells.entity, weights=np.maximum(odds, 0.0), minlength=n)
        yield f"{name}_gap", "links", ranges.sum(odds) - positive[entity]
    yield "unlinked", "links", (mass <= 0.0).astype(np.float64)
    # The range from the smallest to the largest link, for links that are more likely than not.
    strong = links.best >= 0.5
    cell = np.arange(len(strong))
    lowest = -segment_max(np.where(strong, -cell, -np.inf), cells.entity, n)
    highest = segment_max(np.where(strong, cell, -np.inf), cells.entity, n)
    at_left = (candidates.left == lowest[entity]).astype(np.float64)
    at_right = (ranges.last == highest[entity]).astype(np.float64)
    yield "outer_first", "links", at_left
    yield "outer_last", "links", at_right
    yield "outer", "links", at_left * at_right


def _spelling_columns(
    batch: Batch,
    ranges: Ranges,
    cells: Cells,
    entities: IntArray,
    candidates: Candidates,
    spelling: SpellingEvidence,
    sizes: FloatArray,
) -> Columns:
    entity = candidates.entity
    cover = np.minimum(ranges.sum(spelling.cover) / sizes[entity], 1.0)
    total = np.bincount(cells.entity, weights=spelling.cover, minlength=len(sizes))
    yield "spell_cover", "spelling", cover
    yield "spell_cover_lost", "spelling", np.minimum(total / sizes, 1.0)[entity] - cover
    yield "spell_share", "spelling", ranges.sum(spelling.best) / ranges.length
    yield "spell_first", "spelling", ranges.at_first(spelling.first)
    yield "spell_last", "spelling", ranges.at_last(spelling.last)
    yield "spell_before", "spelling", ranges.at_before(spelling.best)
    yield "spell_after", "spelling", ranges.at_after(spelling.best)
    yield "same", "spelling", same_words(batch, entities, candidates)


def same_words(batch: Batch, entities: IntArray, candidates: Candidates) -> FloatArray:
    """Return whether the candidate is the entity, or its translation, word for word, case apart."""
    hashes = batch.vocabulary.hashes
    source = SequenceHasher(hashes[batch.source.codes])
    target = SequenceHasher(hashes[batch.target.codes])
    mine = source(batch.entity_start[entities], batch.entity_end[entities])
    found = target(candidates.start, candidates.end)
    same = mine[candidates.entity] == found
    if batch.alone is not None:
        alone = SequenceHasher(hashes[batch.alone.codes])
        first = batch.alone.offsets
        same |= alone(first[entities], first[entities + 1])[candidates.entity] == found
    out: FloatArray = same * 1.0
    return out


def _shape_columns(
    batch: Batch, ranges: Ranges, cells: Cells, entities: IntArray, candidates: Candidates
) -> Columns:
    shapes = batch.vocabulary.shapes[batch.target.codes]
    opening = batch.vocabulary.opening[batch.target.codes].astype(np.float64)
    source_shapes = batch.vocabulary.shapes[batch.source.codes]
    entity = candidates.entity
    start, end = batch.entity_start[entities], batch.entity_end[entities]

    def of_entity(kind: FloatArray) -> FloatArray:
        return sums(kind, start, end)[entity]

    lower = (shapes == LOWER).astype(np.float64)
    capital = _CAPITAL[shapes]
    punct = (shapes == PUNCT).astype(np.float64)
    digit = (shapes == DIGIT).astype(np.float64)
    source_capital = _CAPITAL[source_shapes]
    first, last, last_word = candidates.start, candidates.end - 1, (end - 1)[entity]
    initial = (first == batch.target.offsets[batch.target.rows[first]]).astype(np.float64)
    entity_lower_first = (source_shapes[start] == LOWER).astype(np.float64)[entity]
    rows = batch.target.rows[first]
    cased = cased_rows(batch)[rows].astype(np.float64)
    e_capital = of_entity(source_capital)
    has_capitals = cased * (e_capital > 0)
    yield "first_lower", "casing", lower[first] * (1 - entity_lower_first) * has_capitals
    yield "last_lower", "casing", lower[last] * (source_shapes[last_word] != LOWER) * has_capitals
    n_capital, n_lower = ranges.sum_words(capital), ranges.sum_words(lower)
    no_capital = (n_capital == 0) & (n_lower > 0)
    yield "no_capital", "casing", has_capitals * no_capital
    yield "lower_share", "casing", has_capitals * n_lower / ranges.length
    extra = cased * (n_capital - e_capital)
    yield "more_capitals", "casing", np.maximum(0.0, extra)
    yield "fewer_capitals", "casing", np.maximum(0.0, -extra)
    cell_capital = capital[cells.target]
    yield "before_capital", "casing", ranges.at_before(cell_capital)
    yield "after_capital", "casing", ranges.at_after(cell_capital)
    yield "initial", "casing", initial
    upper = (shapes == UPPER).astype(np.float64)
    source_upper = (source_shapes == UPPER).astype(np.float64)
    yield (
        "upper_differs",
        "casing",
        cased * np.abs(ranges.sum_words(upper) - of_entity(source_upper)),
    )

    source_punct = (source_shapes == PUNCT).astype(np.float64)
    source_digit = (source_shapes == DIGIT).astype(np.float64)
    n_punct, e_punct = ranges.sum_words(punct), of_entity(source_punct)
    yield "first_punct", "punctuation", punct[first]
    yield "last_punct", "punctuation", punct[last] * (1 - source_punct[last_word])
    yield "more_punct", "punctuation", np.maximum(0.0, n_punct - e_punct)
    yield "fewer_punct", "punctuation", np.maximum(0.0, e_punct - n_punct)
    yield "unbalanced", "punctuation", np.minimum(np.abs(ranges.sum_words(opening)), 1.0)
    yield "digits_differ", "punctuation", np.abs(ranges.sum_words(digit) - of_entity(source_digit))
    opens = (opening > 0).astype(np.float64)[cells.target]
    closes = (opening < 0).astype(np.float64)[cells.target]
    yield "enclosed", "punctuation", ranges.at_before(opens) * ranges.at_after(closes)


def cased_rows(batch: Batch) -> BoolArray:
    """Return per row whether both sides are in scripts with letter case."""
    if batch.cased_rows is None:
        batch.cased_rows = _cased(batch, batch.source) & _cased(batch, batch.target)
    return batch.cased_rows


def character_rows(batch: Batch) -> BoolArray:
    """Return per row whether spelling tells next to nothing, or the target is cut into characters.

    The first are rows without case where most words of a side are written in characters that stand
    for syllables or more: their transliteration resembles any other word.
    """
    uncased = ~cased_rows(batch)
    if not uncased.any():  # most batches; the rest need not be looked at
        return uncased
    vocabulary, target = batch.vocabulary, batch.target
    single = target.sums(vocabulary.single[target.codes])
    out = (target.lengths > 0) & (single >= CUT * target.lengths)
    for side in (batch.source, target):
        syllabic = side.sums(vocabulary.syllabic[side.codes])
        spelled = side.sums(vocabulary.folded_chars[side.codes] > 0)
        out |= (syllabic > 0) & (2 * syllabic >= spelled)
    return out & uncased


def _cased(batch: Batch, side: CodedWords) -> BoolArray:
    """Return per row whether it has capitals, and most of its words a script that has them."""
    shapes = batch.vocabulary.shapes[side.codes]
    both: BoolArray = (side.sums(_CAPITAL[shapes]) > 0) & (side.sums(_CASED[shapes]) > 0)
    return both


def _row_ratio(batch: Batch, source: FloatArray, target: FloatArray, usual: float) -> FloatArray:
    """Return per row the log of target over source totals; ``usual`` shrinks it towards 0."""
    left, right = batch.source.sums(source), batch.target.sums(target)
    return np.log((right + usual) / (left + usual))


def _length_columns(
    batch: Batch, ranges: Ranges, entities: IntArray, candidates: Candidates, sizes: FloatArray
) -> Columns:
    entity = candidates.entity
    size = sizes[entity]
    rows = batch.entity_row[entities][entity]
    ratio = np.log(ranges.length / size)
    # How many words (letters) this language takes for the same text is no property of the name.
    ones = np.ones(len(batch.source.codes)), np.ones(len(batch.target.codes))
    ratio -= _row_ratio(batch, *ones, 20.0)[rows]
    yield "longer", "length", np.maximum(0.0, ratio)
    yield "shorter", "length", np.maximum(0.0, -ratio)
    yield "extra_words", "length", np.maximum(0.0, ranges.length - size)
    yield "single_to_many", "length", ((size == 1) & (ranges.length > 1)) * 1.0
    yield "many_to_single", "length", ((size > 1) & (ranges.length == 1)) * 1.0
    chars = batch.vocabulary.chars[batch.target.codes]
    source_chars = batch.vocabulary.chars[batch.source.codes]
    entity_chars = sums(source_chars, batch.entity_start[entities], batch.entity_end[entities])
    char_ratio = np.log((ranges.sum_words(chars) + 1) / (entity_chars[entity] + 1))
    char_ratio -= _row_ratio(batch, source_chars, chars, 100.0)[rows]
    yield "chars_longer", "length", np.maximum(0.0, char_ratio)
    yield "chars_shorter", "length", np.maximum(0.0, -char_ratio)
    middle = (candidates.start + candidates.end) / 2 - batch.target.offsets[rows]
    place = middle / np.maximum(1, batch.target.lengths[rows])
    source_middle = ((batch.entity_start + batch.entity_end) / 2)[entities][entity]
    source_middle = source_middle - batch.source.offsets[rows]
    source_place = source_middle / np.maximum(1, batch.source.lengths[rows])
    yield "displaced", "position", np.abs(place - source_place)
