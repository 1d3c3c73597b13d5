"""While aligners learn, each sentence is computed once, and what they learn stays the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages.align import build, contextual, planning, remembered
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.embeddings import Embedded
from stages.align.kinds.base import PairsToLearn
from stages.align.remembered import StateMemory
from stages.align.subwords import SentenceSubwords, Specials
from tests.stages.align.conftest import Pairs

Sentence = tuple[SentenceSubwords, Specials]


def sentence(*ids: int, before: int = 0) -> Sentence:
    subwords = SentenceSubwords(list(ids), np.arange(len(ids)), np.zeros(len(ids), bool))
    return subwords, Specials((before,), ())


class Counted:
    """States that tell where they come from, and a list of what was computed."""

    def __init__(self) -> None:
        self.computed: list[list[int]] = []

    def __call__(self, sentences: Sequence[Sentence]) -> Embedded:
        self.computed.extend(list(s.ids) for s, _ in sentences)
        rows = [[float(i), float(p.before[0])] for s, p in sentences for i in s.ids]
        starts = [0, *np.cumsum([len(s.ids) for s, _ in sentences]).tolist()]
        return Embedded(torch.tensor(rows) if rows else torch.empty((0, 1)), starts)


CALLS: list[list[Sentence]] = [
    [sentence(), sentence(5, 6)],
    [sentence(5, 6), sentence(7), sentence(5, 6), sentence()],
    [sentence(7), sentence(5, 6, before=1)],
    [sentence()],
    [],
]


@pytest.mark.parametrize("room", [0, 2, 100])
def test_states_are_those_of_the_embedder_whatever_is_kept(
    room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "_MOST_SUBWORDS", room)
    embed = StateMemory().of("model", Counted())
    for call in CALLS:
        found, expected = embed(call), Counted()(call)
        assert found.starts == expected.starts
        assert torch.equal(found.states, expected.states) or not len(expected.states)


def test_what_is_kept_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted()
    embed = StateMemory().of("model", counted)
    for call in CALLS[1:3]:
        embed(call)
    assert counted.computed == [[5, 6], [7], [], [5, 6]], "the last has another special token"
    monkeypatch.setattr(remembered, "_MOST_SUBWORDS", 2)
    full = Counted()
    embed = StateMemory().of("model", full)
    for _ in range(2):
        embed([sentence(5, 6), sentence(7)])
    assert full.computed == [[5, 6], [7], [7]]


def test_what_is_kept_holds_nothing_else() -> None:
    memory = StateMemory()
    memory.of("model", Counted())([sentence(5), sentence(*range(1000))])
    small = min(memory._kept.values(), key=len)
    assert small.untyped_storage().nbytes() == small.numel() * small.element_size()


def test_models_do_not_share_states() -> None:
    memory, first, second = StateMemory(), Counted(), Counted()
    memory.of("first", first)([sentence(5)])
    memory.of("second", second)([sentence(5)])
    assert first.computed == second.computed == [[5]]


def test_learning_computes_each_sentence_once(
    bert: Path, made_up: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[tuple[int, ...]] = []
    load = contextual.encoder_layers

    def counting(*how: Any) -> Any:
        layers = load(*how)

        class Counting:
            device, padded, rows = layers.device, layers.padded, layers.rows

            def __call__(self, batch: Sequence[Sequence[int]]) -> torch.Tensor:
                rows.extend(map(tuple, batch))
                return layers(batch)

        return Counting()

    monkeypatch.setattr(contextual, "encoder_layers", counting)
    softmax = {"aligner": "softmax", "center": True, "by_agreement": True, "guides": True}
    config = AlignConfig.model_validate(
        {"aligner": "ensemble", "members": [{"aligner": "statistical"}, softmax]}
    )
    planned = planning.plan(config, AlignmentContext("en", "de", str(bert), None))
    build.learn(planned, PairsToLearn(lambda: iter(made_up), lambda: iter(())), tmp_path)
    assert len(rows) == len(set(rows)) == len({tuple(s) for pair in made_up for s in pair})
