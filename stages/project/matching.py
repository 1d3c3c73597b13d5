"""Scores the candidates of a batch: features times fitted weights, turned into probabilities.

``P(candidate | entity)`` is a softmax over the candidates of the entity and the alternative that
the sentence does not render it at all. It is stored as the score of the projected span.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

import numpy as np

from pipeline.errors import DataError
from stages.project.assign import choose
from stages.project.batch import Batch
from stages.project.candidates import (
    Candidates,
    Cells,
    are_candidates,
    make_candidates,
    make_cells,
    max_lengths,
    segment_max,
)
from stages.project.corpus_features import corpus_columns, dictionary_evidence
from stages.project.evidence import LinkEvidence, SpellingEvidence, link_evidence, spelling_evidence
from stages.project.features import Column, Columns, base_columns, cased_rows, character_rows
from stages.project.statistics import Chosen, Contribution, LinkCounts, Statistics
from stages.project.words import BoolArray, FloatArray, IntArray

MIN_LINK: Final = 0.05
MIN_DICTIONARY: Final = 0.1
MIN_PROB: Final = 0.01
"""Candidates less likely than this are not worth a span: the value of one is its excess."""
MAX_CELLS: Final = 100_000
MAX_ROW_CELLS: Final = 4_000_000
"""Cells of a row, 2,000 entities in 2,000 words, from which on it is not scored all at once."""
WEIGHTS: Final = Path(__file__).with_name("weights.json")


@dataclass(frozen=True)
class Weights:
    """Fitted weights by feature name.

    Attributes:
        first: For the first pass.
        second: For the second pass.
        uncased: The same for rows where a side has no letter case; default: these.
        characters: The same for such rows where characters stand for syllables or more, or the
            target is cut into characters; default: ``uncased``.
    """

    first: dict[str, float]
    second: dict[str, float]
    uncased: Weights | None = None
    characters: Weights | None = None

    @classmethod
    def read(cls, path: Path) -> Weights:
        """Read a JSON file: ``first`` and ``second``, and again under each kind of writing.

        Raises:
            DataError: If the file is not such a file.
        """
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            main, *others = (
                cls(dict(part["first"]), dict(part["second"]))
                for part in (stored, stored["uncased"], stored["characters"])
            )
            return cls(main.first, main.second, *others)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: not a file of projection weights: {error}") from error


@cache
def default_weights() -> Weights:
    """Return the weights that ship; ``docs/projection.md`` says what they were fitted on."""
    return Weights.read(WEIGHTS)


@dataclass(slots=True)
class Scored:
    """Candidates of some entities.

    Attributes:
        candidates: The candidates; ``entity`` counts from 0 within those entities.
        prob: Probability of each candidate.
    """

    candidates: Candidates
    prob: FloatArray


@dataclass(slots=True)
class Evidence:
    """What links and spelling say about the cells of some entities of a batch.

    Attributes:
        entities: Indices of the entities.
        cells: Their cells.
        links: What links say.
        spelling: What spelling says.
    """

    entities: IntArray
    cells: Cells
    links: LinkEvidence
    spelling: SpellingEvidence

    @classmethod
    def of(cls, batch: Batch, entities: IntArray) -> Evidence:
        """Gather the evidence for the entities with these (ascending) indices."""
        cells = make_cells(batch, entities)
        return cls(
            entities,
            cells,
            link_evidence(batch, cells, entities),
            spelling_evidence(batch, cells, entities),
        )

    def seeds(self) -> np.ndarray:
        """Return which cells links or spelling speak for."""
        return (self.links.best >= MIN_LINK) | self.spelling.match


def chunks(batch: Batch) -> list[IntArray]:
    """Split the entities of a batch so that no chunk has too many cells.

    A row stays whole, as what it tells of itself is left out chunk by chunk, unless it is a whole
    text with thousands of entities.
    """
    lengths = batch.target.lengths[batch.entity_row]
    block = np.cumsum(lengths) // MAX_CELLS
    _, firsts, row = np.unique(batch.entity_row, return_index=True, return_inverse=True)
    huge = np.bincount(row, lengths)[row] > MAX_ROW_CELLS
    block = np.where(huge, block, block[firsts][row])
    return [np.flatnonzero(block == b) for b in np.unique(block)]


def probabilities(score: FloatArray, entity: IntArray, n_entities: int) -> FloatArray:
    """Return the softmax of the scores over each entity's candidates and a null of score 0."""
    if not len(score):
        return np.zeros(0)
    top = np.maximum(0.0, segment_max(score, entity, n_entities))
    weight = np.exp(score - top[entity])
    total = np.bincount(entity, weights=weight, minlength=n_entities) + np.exp(-top)
    prob: FloatArray = weight / total[entity]
    return prob


class Total:
    """Weighted sums of columns, which are taken up as they come.

    All columns of a batch together are larger than a core's cache: keeping them takes half as long
    again as working them out.

    Args:
        size: Number of candidates.
        parts: The weights of all candidates, then those of some and of which.
    """

    def __init__(
        self, size: int, parts: Sequence[tuple[Mapping[str, float], BoolArray | None]]
    ) -> None:
        self._parts = parts
        self._sums = [
            np.full(size if at is None else np.count_nonzero(at), weights.get("bias", 0.0))
            for weights, at in parts
        ]

    def add(self, column: Column) -> None:
        """Add a column; one without a weight counts nothing."""
        name, _, values = column
        for (weights, at), total in zip(self._parts, self._sums, strict=True):
            if weight := weights.get(name):
                total += weight * (values if at is None else values[at])

    def scores(self) -> FloatArray:
        """Return the sum of each candidate, the weight ``bias`` included."""
        out = self._sums[0].copy()
        for (_, at), total in zip(self._parts[1:], self._sums[1:], strict=True):
            out[at] = total
        # Sums over a range of words are differences of running sums, whose last bits depend on the
        # rows that come before in the batch; what is written must not.
        return np.round(out, 9)


def first_pass(
    batch: Batch, evidence: Evidence, weights: Weights, kept: list[Column] | None = None
) -> Scored:
    """Score by links, spelling and shapes alone; ``kept`` gets the columns, for fitting."""
    candidates = _candidates(batch, evidence, evidence.seeds())
    total = Total(len(candidates), _parts(batch, evidence, candidates, weights, "first"))
    _take(_base_columns(batch, evidence, candidates), [total], kept)
    prob = probabilities(total.scores(), candidates.entity, len(evidence.entities))
    return Scored(candidates, prob)


def _candidates(batch: Batch, evidence: Evidence, seeds: BoolArray) -> Candidates:
    return make_candidates(evidence.cells, seeds, max_lengths(batch, evidence.entities))


def _base_columns(batch: Batch, evidence: Evidence, candidates: Candidates) -> Columns:
    cells, entities = evidence.cells, evidence.entities
    return base_columns(batch, cells, entities, candidates, evidence.links, evidence.spelling)


def _take(columns: Columns, totals: Sequence[Total], kept: list[Column] | None) -> None:
    """Add columns to totals, and to those that are kept."""
    for column in columns:
        for total in totals:
            total.add(column)
        if kept is not None:
            kept.append(column)


def _parts(
    batch: Batch,
    evidence: Evidence,
    candidates: Candidates,
    weights: Weights,
    which: Literal["first", "second"],
) -> list[tuple[Mapping[str, float], BoolArray | None]]:
    """Return the weights of a pass, and those of rows in other writings with their candidates."""
    found: list[tuple[Mapping[str, float], BoolArray | None]] = [(getattr(weights, which), None)]
    for other, rows in (
        (weights.uncased, ~cased_rows(batch)),
        (weights.characters, character_rows(batch)),
    ):
        here = rows[batch.entity_row[evidence.entities]][candidates.entity]
        if other is not None and here.any():
            found.append((getattr(other, which), here))
    return found


def likely(scored: Scored, entities: IntArray) -> Chosen:
    """Return the candidates that are worth a span; ``entities`` are those that were scored."""
    c, at = scored.candidates, np.flatnonzero(scored.prob > MIN_PROB)
    return Chosen(entities[c.entity[at]], c.start[at], c.end[at], scored.prob[at])


def choose_likeliest(parts: Sequence[Chosen], n_entities: int) -> Chosen:
    """Take the assignment of likely candidates with the greatest expected number of right spans."""
    found = Chosen.join(parts)
    value = found.prob - MIN_PROB
    taken = choose(found.entity, found.start, found.end, value, n_entities)
    return found.some(taken[taken >= 0])


def second_pass(
    batch: Batch,
    evidence: Evidence,
    weights: Weights,
    statistics: Statistics,
    *,
    counted: bool = True,
    kept: list[Column] | None = None,
) -> Scored:
    """Score with what the corpus tells.

    Args:
        batch: The batch.
        evidence: Of some of its entities.
        weights: The weights of both passes.
        statistics: The corpus.
        counted: Whether the batch is part of the corpus: then each row's own choices (those of the
            first pass stand in for them) are left out.
        kept: Gets the columns, base columns first, for fitting.
    """
    cells, entities = evidence.cells, evidence.entities
    links = LinkCounts.of(batch) if counted else LinkCounts.nothing()
    dictionary = dictionary_evidence(batch, cells, entities, statistics, links)
    seeds = evidence.seeds()
    candidates = _candidates(batch, evidence, seeds | (dictionary >= MIN_DICTIONARY))
    first, second = (
        Total(len(candidates), _parts(batch, evidence, candidates, weights, which))
        for which in ("first", "second")
    )
    totals = [first, second] if counted else [second]
    _take(_base_columns(batch, evidence, candidates), totals, kept)
    own = None
    if counted:
        # The candidates of the first pass are those that need no dictionary.
        score = first.scores()
        score[~are_candidates(cells, candidates, seeds)] = -np.inf
        prob = probabilities(score, candidates.entity, len(entities))
        alone = likely(Scored(candidates, prob), entities)
        own = Contribution.of(batch, choose_likeliest([alone], batch.n_entities))
    columns = corpus_columns(batch, cells, entities, candidates, statistics, own, dictionary)
    _take(columns, [second], kept)
    prob = probabilities(second.scores(), candidates.entity, len(entities))
    return Scored(candidates, prob)
