"""Projection by choosing among all candidate ranges: the default, and the published score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from stages.project.assign import Solver, choose
from stages.project.batch import Batch
from stages.project.candidates import make_candidates, make_cells
from stages.project.evidence import entity_of_words
from stages.project.features import Ranges
from stages.project.matching import (
    MIN_PROB,
    Evidence,
    Weights,
    choose_likeliest,
    chunks,
    default_weights,
    first_pass,
    likely,
    second_pass,
)
from stages.project.projector import Projection, settle
from stages.project.statistics import Chosen, Statistics
from stages.project.tagger_candidates import TaggerCandidates
from stages.project.words import hash_word


class CandidateProjector:
    """All sub-ranges, one to one, not overlapping, by the fitted score.

    With statistics it is the second of two passes; without, the first pass is the answer. The
    assignment maximises the expected number of right spans: the sum of ``P(candidate | entity)``,
    less :data:`stages.project.matching.MIN_PROB` for each span.

    Args:
        statistics: What :meth:`gather` collected over the corpus, or ``None``.
        weights: Fitted weights; default: those that ship.
        solver: ``exact``, or ``greedy`` as in the published implementation.
        offers: A tagger whose spans are preferred, or the only candidates.
    """

    name: ClassVar[str] = "candidates"

    def __init__(
        self,
        statistics: Statistics | None = None,
        *,
        weights: Weights | None = None,
        solver: Solver = "exact",
        offers: TaggerCandidates | None = None,
    ) -> None:
        self.statistics = statistics
        self.offers = offers
        self.weights = weights or default_weights()
        self.solver: Solver = solver

    def gather(self, batch: Batch, counts: Statistics) -> None:
        """First pass: project ``batch`` by links and spelling, and count the outcome."""
        parts = [likely(first_pass(batch, x, self.weights), x.entities) for x in _evidence(batch)]
        counts.add(batch, choose_likeliest(parts, batch.n_entities))

    def refine(self, batch: Batch, known: Statistics, counts: Statistics, *, counted: bool) -> None:
        """Project ``batch`` with what is ``known``, and count the outcome.

        Args:
            batch: The batch.
            known: What an earlier round gathered.
            counts: Where to count.
            counted: Whether the batch is part of what is known.
        """
        parts = [
            likely(second_pass(batch, x, self.weights, known, counted=counted), x.entities)
            for x in _evidence(batch)
        ]
        counts.add(batch, choose_likeliest(parts, batch.n_entities))

    def project(self, batch: Batch) -> Projection:
        """Project all entities of ``batch``."""
        found = []
        offered = self.offers.offered(batch) if self.offers and batch.n_entities else set()
        for x in _evidence(batch):
            if self.statistics is None:
                scored = first_pass(batch, x, self.weights)
            else:
                scored = second_pass(batch, x, self.weights, self.statistics)
            if self.offers is not None:
                entities = len(x.entities)
                scored.prob = self.offers.weigh(scored.prob, scored.candidates, entities, offered)
            found.append(likely(scored, x.entities))
        return _assigned(batch, found, MIN_PROB, self.solver, self.name)


@dataclass(frozen=True)
class PublishedProjector:
    """Candidate matching with the score of 2501.18750.

    ``2 * linked pairs inside both / (words of the entity + words of the candidate)``; candidates
    hold no ``!`` or ``?``. Ranges that begin or end on an unlinked word are pruned: the range
    without that word has the same links and a higher score.

    Attributes:
        min_link: Links weaker than this are ignored; the others count as one each.
        solver: ``greedy`` is what the authors ran, ``exact`` what they wrote down.
    """

    min_link: float = 0.5
    solver: Solver = "greedy"
    name: ClassVar[str] = "published"

    def project(self, batch: Batch) -> Projection:
        """Project all entities of ``batch``."""
        found = []
        owner = entity_of_words(batch)[batch.link_source]
        strong = batch.link_prob >= self.min_link
        stops = np.array([hash_word("!"), hash_word("?")], np.uint64)
        stop = np.isin(batch.vocabulary.hashes[batch.target.codes], stops).astype(np.float64)
        for entities in chunks(batch):
            cells = make_cells(batch, entities)
            local = np.full(batch.n_entities + 1, -1, np.int64)
            local[entities] = np.arange(len(entities))
            mine = strong & (owner >= 0) & (local[owner] >= 0)
            cell = batch.link_target[mine] + cells.shift[local[owner[mine]]]
            pairs = np.bincount(cell, minlength=len(cells)).astype(np.float64)
            candidates = make_candidates(
                cells, pairs > 0, batch.target.lengths[batch.entity_row[entities]], margin=0
            )
            ranges = Ranges(batch, cells, candidates)
            size = (batch.entity_end - batch.entity_start)[entities][candidates.entity]
            score = 2 * ranges.sum(pairs) / (size + ranges.length)
            score[ranges.sum_words(stop) > 0] = 0.0
            every = Chosen(entities[candidates.entity], candidates.start, candidates.end, score)
            found.append(every.some(np.flatnonzero(score > 0)))
        return _assigned(batch, found, 0.0, self.solver, self.name)


def _evidence(batch: Batch) -> Iterator[Evidence]:
    return (Evidence.of(batch, entities) for entities in chunks(batch))


def _assigned(
    batch: Batch, parts: Sequence[Chosen], least: float, solver: Solver, name: str
) -> Projection:
    """Assign entities to candidates by what these score above ``least``, which all of them do."""
    f = Chosen.join(parts)
    taken = choose(f.entity, f.start, f.end, f.prob - least, batch.n_entities, solver)
    score = np.minimum(f.prob, 1.0)
    made = settle(batch, f.entity, f.start, f.end, score, name, kept=taken[taken >= 0])
    # Those that others took the words of go first, as they always have in what is written.
    made.lost = dict(sorted(made.lost.items(), key=lambda item: item[1] != "conflict"))
    return made
