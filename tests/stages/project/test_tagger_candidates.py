"""Candidates offered by a tagger."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.schema import Link, Span
from stages.project.batch import Batch, LabelledPair
from stages.project.build import project_batches
from stages.project.candidate import CandidateProjector
from stages.project.config import ProjectConfig
from stages.project.matching import WEIGHTS
from stages.project.tagger_candidates import TaggerCandidates, Use

TARGET = ["der", "Bund", "Deutscher", "Architekten", "tagt"]


class OneSpan:
    """Finds the same span in every sentence."""

    def __init__(self, start: int, end: int) -> None:
        self.span = Span(start, end, "MISC")

    def predict(self, sentences: list[list[str]]) -> list[list[Span]]:
        """Return the span."""
        assert all(isinstance(w, str) for words in sentences for w in words)
        return [[self.span] for _ in sentences]


def _batch() -> Batch:
    # The link to "Bund" is missing, so that links alone take two words.
    pair = LabelledPair(
        ["the", "Architects", "Society", "meets"],
        [Span(1, 3, "ORG")],
        TARGET,
        [Link(0, 0, 0.9), Link(1, 3, 0.9), Link(2, 2, 0.4), Link(3, 4, 0.9)],
    )
    empty = LabelledPair(["no", "names"], [], ["keine", "Namen"])
    return Batch.from_pairs([empty, pair])


def _words(offers: TaggerCandidates | None) -> list[str]:
    batch = _batch()
    found = CandidateProjector(offers=offers).project(batch)
    names = list(batch.vocabulary.codes)
    return [
        " ".join(names[c] for c in batch.target.codes[s:e])
        for s, e in zip(found.start, found.end, strict=True)
    ]


@pytest.mark.parametrize("use", ["only", "prefer"])
def test_an_offered_span_wins(use: Use) -> None:
    # Whichever of the two links alone choose, the tagger can choose the other.
    for start in (1, 2):
        offers = TaggerCandidates(OneSpan(start, 4), use, odds=1e5)
        assert _words(offers) == [" ".join(TARGET[start:4])]


def test_a_whole_corpus_is_projected_with_the_tagger_and_the_weights_that_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TaggerCandidates, "_loaded", lambda self: OneSpan(4, 5))
    only = ProjectConfig(candidate_tagger=str(tmp_path), candidate_use="only")
    assert [spans for spans, _ in project_batches([_batch()], only)] == [[], []]
    plain = list(project_batches([_batch()], ProjectConfig()))
    assert plain[1][0]
    weights = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    for part in (weights, weights["uncased"], weights["characters"]):
        part["first"] = part["second"] = {"unlinked": 0.0}
    file = tmp_path / "weights.json"
    file.write_text(json.dumps(weights), encoding="utf-8")
    named = list(project_batches([_batch()], ProjectConfig(weights="weights.json"), tmp_path))
    assert named[1] != plain[1]


def test_nothing_else_is_taken() -> None:
    assert _words(TaggerCandidates(OneSpan(4, 5), "only")) == []
    assert _words(TaggerCandidates(OneSpan(4, 5), "prefer")) == _words(None)


def test_probabilities_stay_probabilities() -> None:
    batch = _batch()
    offers = TaggerCandidates(OneSpan(1, 4), odds=5.0)
    assert offers.offered(batch) == {(3, 6)}
    plain = CandidateProjector().project(batch).score
    raised = CandidateProjector(offers=offers).project(batch).score
    assert np.all((raised >= 0) & (raised <= 1))
    assert np.all((plain >= 0) & (plain <= 1))
