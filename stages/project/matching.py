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
from stages.project.assign import choose_exact
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
    """Candidates of some entities with their features.

    Attributes:
        candidates: The candidates; ``entity`` counts from 0 within ``entities``.
        columns: Name, group and values of each feature, base columns first, where they are kept.
        prob: Probability of each candidate.
    """

    candidates: Candidates
    columns: list[Column]
    prob: FloatArray

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [name for name, _, _ in self.columns]

    @property
    def groups(self) -> list[str]:
        """Their groups."""
        return [group for _, group, _ in self.columns]

    @property
    def matrix(self) -> FloatArray:
        """Their values, ``(n_candidates, n_columns)``."""
        return np.column_stack([values for _, _, values in self.columns])


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
    """Split the entities of a batch at row boundaries so that no chunk has too many cells."""
    if not batch.n_entities:
        return []
    cells = np.cumsum(batch.target.lengths[batch.entity_row])
    block = cells // MAX_CELLS
    # A row stays whole: its entities compete for the same words.
    rows, firsts = np.unique(batch.entity_row, return_index=True)
    block = np.repeat(block[firsts], np.diff(np.append(firsts, batch.n_entities)))
    del rows
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


def dot(columns: Sequence[Column], weights: Mapping[str, float]) -> FloatArray:
    """Return the weighted sum of the columns (at least one) plus the weight ``bias``.

    Columns without a weight count nothing; a weight without a column is left out too, so that the
    ablation can remove either.
    """
    total = Total(len(columns[0][2]), [(weights, None)])
    for column in columns:
        total.add(column)
    return total.scores()


def first_pass(batch: Batch, evidence: Evidence, weights: Weights, *, keep: bool = False) -> Scored:
    """Score by links, spelling and shapes alone; ``keep`` the columns, for fitting, or not."""
    candidates = _candidates(batch, evidence, evidence.seeds())
    total = Total(len(candidates), _parts(batch, evidence, candidates, weights, "first"))
    kept = _taken(_base_columns(batch, evidence, candidates), [total], keep=keep)
    prob = probabilities(total.scores(), candidates.entity, len(evidence.entities))
    return Scored(candidates, kept, prob)


def _candidates(batch: Batch, evidence: Evidence, seeds: BoolArray) -> Candidates:
    return make_candidates(evidence.cells, seeds, max_lengths(batch, evidence.entities))


def _base_columns(batch: Batch, evidence: Evidence, candidates: Candidates) -> Columns:
    cells, entities = evidence.cells, evidence.entities
    return base_columns(batch, cells, entities, candidates, evidence.links, evidence.spelling)


def _taken(columns: Columns, totals: Sequence[Total], *, keep: bool) -> list[Column]:
    """Add columns to totals; return them, or none."""
    kept = []
    for column in columns:
        for total in totals:
            total.add(column)
        if keep:
            kept.append(column)
    return kept


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


def choose(evidence: Evidence, candidates: Candidates, prob: FloatArray) -> Chosen:
    """Take the assignment with the greatest expected number of right spans."""
    c = candidates
    taken = choose_exact(c.entity, c.start, c.end, prob - MIN_PROB, len(evidence.entities))
    local = np.flatnonzero(taken >= 0)
    index = taken[local]
    return Chosen(evidence.entities[local], c.start[index], c.end[index], prob[index])


def second_pass(
    batch: Batch,
    evidence: Evidence,
    weights: Weights,
    statistics: Statistics,
    *,
    counted: bool = True,
    keep: bool = False,
) -> Scored:
    """Score with what the corpus tells.

    Args:
        batch: The batch.
        evidence: Of some of its entities.
        weights: The weights of both passes.
        statistics: The corpus.
        counted: Whether the batch is part of the corpus: then each row's own choices (those of the
            first pass stand in for them) are left out.
        keep: Whether to keep the columns, for fitting.
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
    kept = _taken(_base_columns(batch, evidence, candidates), totals, keep=keep)
    own = None
    if counted:
        # The candidates of the first pass are those that need no dictionary.
        score = first.scores()
        score[~are_candidates(cells, candidates, seeds)] = -np.inf
        prob = probabilities(score, candidates.entity, len(entities))
        own = Contribution.of(batch, choose(evidence, candidates, prob))
    columns = corpus_columns(batch, cells, entities, candidates, statistics, own, dictionary)
    kept += _taken(columns, [second], keep=keep)
    prob = probabilities(second.scores(), candidates.entity, len(entities))
    return Scored(candidates, kept, prob)
