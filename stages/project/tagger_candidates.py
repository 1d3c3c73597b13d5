"""Spans that a tagger of the target language offers as candidates (2501.18750).

The tagger says where an entity may be; links and spelling still say which one it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from stages.project.batch import Batch
from stages.project.candidates import Candidates
from stages.project.words import BoolArray, FloatArray
from stages.tagger.word_tagger import WordTagger

Use = Literal["prefer", "only"]


class TaggerCandidates:
    """The spans of a tagger as candidates.

    Args:
        tagger: A tagger (:class:`stages.tagger.word_tagger.WordTagger`) or a folder that holds one,
            which is loaded when it is first needed.
        use: ``prefer``: a candidate that is offered becomes :attr:`odds` times as likely against
            the others; ``only``: the others are ruled out.
        odds: For ``prefer``.
    """

    def __init__(self, tagger: WordTagger | Path, use: Use = "prefer", odds: float = 3.0) -> None:
        self._tagger = tagger
        self.use: Use = use
        self.odds = odds

    def offered(self, batch: Batch) -> set[tuple[int, int]]:
        """Return the offered ranges of all rows as flat target positions; types are ignored."""
        rows = sorted({int(r) for r in batch.entity_row})
        names = batch.vocabulary.words
        found = self._loaded().predict([batch.target.words(r, names) for r in rows])
        offsets = batch.target.offsets
        return {
            (int(offsets[r]) + s.start, int(offsets[r]) + s.end)
            for r, spans in zip(rows, found, strict=True)
            for s in spans
        }

    def weigh(
        self,
        prob: FloatArray,
        candidates: Candidates,
        n_entities: int,
        offered: set[tuple[int, int]],
    ) -> FloatArray:
        """Return the probabilities of the candidates, given what is offered.

        Args:
            prob: Their probabilities without the tagger; what is missing to one per entity is that
                it is not rendered.
            candidates: The candidates.
            n_entities: Number of entities.
            offered: What :meth:`offered` returned.
        """
        hit: BoolArray = np.array(
            [
                (s, e) in offered
                for s, e in zip(candidates.start.tolist(), candidates.end.tolist(), strict=True)
            ],
            np.bool_,
        )
        factor = hit.astype(np.float64) if self.use == "only" else np.where(hit, self.odds, 1.0)
        lost = np.maximum(0.0, 1.0 - np.bincount(candidates.entity, prob, n_entities))
        raised = prob * factor
        total = np.bincount(candidates.entity, raised, n_entities) + lost
        out: FloatArray = raised / np.maximum(total, 1e-12)[candidates.entity]
        return out

    def _loaded(self) -> WordTagger:
        if isinstance(self._tagger, Path):
            from stages.external.loading import load_tagger

            self._tagger = load_tagger(self._tagger)
        return self._tagger
