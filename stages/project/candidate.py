"""Projection by choosing among all candidate ranges: the default, and the published score."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import numpy as np

from stages.project.assign import choose_exact, choose_greedy
from stages.project.batch import Batch
from stages.project.candidates import Candidates, make_candidates, make_cells
from stages.project.evidence import entity_of_words
from stages.project.features import Ranges
from stages.project.matching import (
    MIN_PROB,
    Evidence,
    Weights,
    choose,
    chunks,
    default_weights,
    first_pass,
    second_pass,
)
from stages.project.projector import Projection, why_lost
from stages.project.statistics import Chosen, Statistics
from stages.project.tagger_candidates import TaggerCandidates
from stages.project.words import FloatArray, IntArray, hash_word

Solver = Literal["exact", "greedy"]
_SOLVERS: Final = {"exact": choose_exact, "greedy": choose_greedy}


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

    def gather(self, batch: Batch, statistics: Statistics) -> list[Evidence]:
        """First pass: project ``batch`` by links and spelling, and count the outcome.

        Returns:
            The evidence, for :meth:`refine`.
        """
        evidence = [x for x, _ in self._evidence(batch)]
        parts = []
        for x in evidence:
            scored = first_pass(batch, x, self.weights)
            parts.append(choose(x, scored.candidates, scored.prob))
        statistics.add(batch, Chosen.join(parts))
        return evidence

    def refine(
        self,
        batch: Batch,
        known: Statistics,
        refined: Statistics,
        evidence: list[Evidence] | None = None,
    ) -> None:
        """Project ``batch`` with what is ``known``, and count the outcome in ``refined``.

        Args:
            batch: The batch.
            known: What an earlier round gathered.
            refined: Where to count.
            evidence: What :meth:`gather` returned, if the batch is part of what is known.
        """
        counted = evidence is not None
        parts = []
        for x in evidence or [x for x, _ in self._evidence(batch)]:
            scored = second_pass(batch, x, self.weights, known, counted=counted)
            parts.append(choose(x, scored.candidates, scored.prob))
        refined.add(batch, Chosen.join(parts))

    def project(self, batch: Batch) -> Projection:
        """Project all entities of ``batch``."""
        found: list[Chosen] = []
        lost: dict[int, str] = {}
        offered = self.offers.offered(batch) if self.offers and batch.n_entities else set()
        for evidence, entities in self._evidence(batch):
            if self.statistics is None:
                scored = first_pass(batch, evidence, self.weights)
            else:
                scored = second_pass(batch, evidence, self.weights, self.statistics)
            c, prob = scored.candidates, scored.prob
            if self.offers is not None:
                prob = self.offers.weigh(prob, c, len(entities), offered)
            taken, reasons = _assign(batch, entities, c, prob - MIN_PROB, self.solver)
            index = taken[taken >= 0]
            found.append(Chosen(entities[taken >= 0], c.start[index], c.end[index], prob[index]))
            lost.update(reasons)
        return _collect(found, lost, self.name)

    @staticmethod
    def _evidence(batch: Batch) -> list[tuple[Evidence, IntArray]]:
        return [(Evidence.of(batch, entities), entities) for entities in chunks(batch)]


class PublishedProjector:
    """Candidate matching with the score of 2501.18750.

    ``2 * linked pairs inside both / (words of the entity + words of the candidate)``; candidates
    hold no ``!`` or ``?``. Ranges that begin or end on an unlinked word are pruned: the range
    without that word has the same links and a higher score.

    Args:
        min_link: Links weaker than this are ignored; the others count as one each.
        solver: ``greedy`` is what the authors ran, ``exact`` what they wrote down.
    """

    name: ClassVar[str] = "published"

    def __init__(self, min_link: float = 0.5, solver: Solver = "greedy") -> None:
        self.min_link = min_link
        self.solver: Solver = solver

    def project(self, batch: Batch) -> Projection:
        """Project all entities of ``batch``."""
        found: list[Chosen] = []
        lost: dict[int, str] = {}
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
            taken, reasons = _assign(batch, entities, candidates, score, self.solver)
            index = taken[taken >= 0]
            value = np.minimum(score[index], 1.0)
            kept = entities[taken >= 0]
            found.append(Chosen(kept, candidates.start[index], candidates.end[index], value))
            lost.update(reasons)
        return _collect(found, lost, self.name)


def _assign(
    batch: Batch, entities: IntArray, candidates: Candidates, value: FloatArray, solver: Solver
) -> tuple[IntArray, dict[int, str]]:
    n = len(entities)
    taken = _SOLVERS[solver](candidates.entity, candidates.start, candidates.end, value, n)
    useful = np.zeros(n, np.bool_)
    useful[candidates.entity[value > 0]] = True
    missing = np.flatnonzero(taken < 0)
    lost = {int(entities[k]): "conflict" for k in missing if useful[k]}
    lost.update(why_lost(batch, [int(entities[k]) for k in missing if not useful[k]]))
    return taken, lost


def _collect(found: list[Chosen], lost: dict[int, str], name: str) -> Projection:
    c = Chosen.join(found)
    return Projection(c.entity, c.start, c.end, c.prob, [name] * len(c.entity), lost)
