"""Each sentence is computed once, and what is learnt and aligned stays the same."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.loaded import keeping, unload
from stages.align import backends, build, contextual, planning, remembered
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.embeddings import Embedded
from stages.align.kinds.base import PairsToLearn
from stages.align.remembered import StateMemory
from stages.align.subwords import SentenceSubwords, Specials
from tests.stages.align.conftest import Pairs

ENCODER = Path(__file__).resolve().parents[3] / "artifacts/models/encoder"

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
    memory = StateMemory()
    for call in CALLS:
        expected = Counted()(call)
        for embed in (memory.keeping("model", Counted()), memory.looking("model", Counted())):
            found = embed(call)
            assert found.starts == expected.starts
            assert torch.equal(found.states, expected.states) or not len(expected.states)


def test_what_is_kept_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted()
    embed = StateMemory().keeping("model", counted)
    for call in CALLS[1:3]:
        embed(call)
    assert counted.computed == [[5, 6], [7], [], [5, 6]], "the last has another special token"
    monkeypatch.setattr(remembered, "_MOST_SUBWORDS", 2)
    full = Counted()
    embed = StateMemory().keeping("model", full)
    for _ in range(2):
        embed([sentence(5, 6), sentence(7)])
    assert full.computed == [[5, 6], [7], [7]]


def test_what_is_kept_holds_nothing_else() -> None:
    memory = StateMemory()
    memory.keeping("model", Counted())([sentence(5), sentence(*range(1000))])
    small = min(memory._kept.values(), key=len)
    assert small.untyped_storage().nbytes() == small.numel() * small.element_size()


def test_what_another_corpus_left_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_MOST_SUBWORDS", 4)
    before, memory, counted = StateMemory(), StateMemory(), Counted()
    before.keeping("model", Counted())([sentence(5, 6), sentence(7)])
    memory.take_over(before)
    memory.take_over(memory)
    embed = memory.keeping("model", counted)
    embed([sentence(7)])
    embed([sentence(1, 2, 3)])
    assert counted.computed == [[1, 2, 3]], "7 was there already"
    memory.looking("model", counted)([sentence(7), sentence(1, 2, 3), sentence(5, 6)])
    assert counted.computed == [[1, 2, 3], [5, 6]], "these had to go for it"
    embed([sentence(8)])
    embed([sentence(8)])
    assert counted.computed[2:] == [[8], [8]], "what this corpus asked for stays"


def test_two_encoders_may_have_left_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_MOST_SUBWORDS", 4)
    before, memory, counted = StateMemory(), StateMemory(), Counted()
    before.keeping("model", Counted())([sentence(5), sentence(7)])
    embed = memory.keeping("model", counted)
    memory.take_over(before)
    embed([sentence(7)])
    memory.take_over(before)
    embed([sentence(1, 2)])
    embed([sentence(1, 2), sentence(5), sentence(7)])
    assert counted.computed == [[1, 2]], "there was room for two more"


def test_models_do_not_share_states() -> None:
    memory, first, second = StateMemory(), Counted(), Counted()
    memory.keeping("first", first)([sentence(5)])
    memory.keeping("second", second)([sentence(5)])
    assert first.computed == second.computed == [[5]]


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, ...]]]:
    """The sentences that encoders have computed, but for those to try them with."""
    unload()
    rows: list[tuple[int, ...]] = []
    load, tried = contextual.encoder_layers, contextual.independent

    def counting(*how: Any) -> Any:
        layers = load(*how)

        class Counting:
            device, padded, rows = layers.device, layers.padded, layers.rows

            def __call__(self, batch: Sequence[Sequence[int]]) -> torch.Tensor:
                rows.extend(map(tuple, batch))
                return layers(batch)

        return Counting()

    def uncounted(layers: Any) -> bool:
        before = list(rows)
        found = tried(layers)
        rows[:] = before
        return found

    monkeypatch.setattr(contextual, "encoder_layers", counting)
    monkeypatch.setattr(contextual, "independent", uncounted)
    yield rows
    unload()


def learnt(bert: Path, pairs: Pairs, folder: Path) -> planning.Plan:
    softmax = {"aligner": "softmax", "center": True, "by_agreement": True, "guides": True}
    softmax["dtype"] = "float32"
    config = AlignConfig.model_validate(
        {"aligner": "ensemble", "members": [{"aligner": "statistical"}, softmax]}
    )
    planned = planning.plan(config, AlignmentContext("en", "de", str(bert), None))
    build.learn(planned, PairsToLearn(lambda: iter(pairs), lambda: iter(())), folder)
    return planned


def test_learning_computes_each_sentence_once(
    bert: Path, made_up: Pairs, tmp_path: Path, computed: list[tuple[int, ...]]
) -> None:
    learnt(bert, made_up, tmp_path)
    assert len(computed) == len(set(computed)) == len({tuple(s) for pair in made_up for s in pair})


@pytest.mark.parametrize("same_to_the_bit", [True, False])
def test_what_was_learnt_from_is_aligned_without_computing_it_again(
    bert: Path,
    made_up: Pairs,
    tmp_path: Path,
    computed: list[tuple[int, ...]],
    monkeypatch: pytest.MonkeyPatch,
    same_to_the_bit: bool,
) -> None:
    monkeypatch.setattr(contextual, "independent", lambda _: same_to_the_bit)
    sentences = len({tuple(s) for pair in made_up for s in pair})
    with keeping():
        planned = learnt(bert, made_up, tmp_path)
        links = build.build(planned, tmp_path).align(made_up)
    assert len(computed) == sentences * (1 if same_to_the_bit else 2)
    unload()
    with keeping():
        assert build.build(planned, tmp_path).align(made_up) == links


def test_the_next_language_finds_the_states_of_the_source(
    bert: Path,
    made_up: Pairs,
    tmp_path: Path,
    computed: list[tuple[int, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contextual, "independent", lambda _: True)
    with keeping():
        for n, pairs in enumerate([made_up, [(source, ["x", *t]) for source, t in made_up]]):
            folder = tmp_path / str(n)
            folder.mkdir()
            planned = learnt(bert, pairs, folder)
            build.build(planned, folder).align(pairs)
    assert len(computed) == len(set(computed))


def test_states_that_are_called_independent_are_it_to_the_bit() -> None:
    layers = backends.encoder_layers(ENCODER, 7)
    if not backends.independent(layers):
        pytest.skip("this processor's products in float32 depend on the number of rows")
    draw = random.Random(13)
    sentences = [[draw.randrange(10, 9000) for _ in range(draw.randint(3, 70))] for _ in range(80)]
    alone = [layers([s]) for s in sentences]
    for size in (2, 7, 20, 26):
        batch = draw.sample(range(len(sentences)), size)
        states = layers([sentences[k] for k in batch])
        assert torch.equal(states, torch.cat([alone[k] for k in batch])), size


def test_states_that_depend_on_their_batch_are_not_called_independent() -> None:
    class Batched:
        device, padded, rows = "cpu", False, 64

        def __call__(self, batch: Sequence[Sequence[int]]) -> torch.Tensor:
            states = torch.tensor([[float(i)] for s in batch for i in s])
            return states / states.max() if len(states) > self.most else states

        most = 0

    layers = Batched()
    for layers.most in (0, 20, 40, 200):
        assert not backends.independent(layers)
    layers.most = 1000
    assert backends.independent(layers)
    layers.padded = True
    assert not backends.independent(layers)
