"""Frozen layers are computed once per sentence; nothing else changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

from stages.tagger.modeling import LayerFusedForTokenClassification
from stages.train import frozen
from stages.train.frozen import FrozenPrefix
from stages.train.optimisation import freeze_layers
from tests.stages.train.test_training import same, train
from tests.tiny.encoders import FAMILIES, build_family
from tests.tiny.text import LABELS


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {f: build_family(f, tmp_path_factory.mktemp(f)) for f in FAMILIES}


@pytest.fixture(autouse=True)
def _no_states() -> None:
    frozen._store.cache_clear()


def tagger(folder: Path, layers: int, **head: Any) -> LayerFusedForTokenClassification:
    torch.manual_seed(0)
    model = LayerFusedForTokenClassification.from_encoder(folder, LABELS, **head)
    freeze_layers(model, layers)
    model.config.window = 32
    return model.train()


def batch(lengths: list[int], seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, 60, (len(lengths), max(lengths)), generator=generator)
    mask = torch.zeros_like(ids)
    for row, n in enumerate(lengths):
        mask[row, :n] = 1
    return {"input_ids": ids * mask, "attention_mask": mask}


HEADS: list[dict[str, Any]] = [
    {"fusion": "none"},
    {"fusion": "dlfa_aif", "fusion_layer": 0},
    {"fusion": "dlfa_aif", "fusion_layer": 1},
    {"fusion": "dlfa_sum", "fusion_layer": 2},
    {"fusion": "scalar_mix"},
]


@pytest.mark.parametrize("family", [f for f in FAMILIES if f != "deberta"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("head", HEADS, ids=lambda h: "-".join(map(str, h.values())))
def test_loss_and_gradients_are_the_same(
    folders: dict[str, Path], family: str, layers: int, head: dict[str, Any]
) -> None:
    found = []
    for kept in (False, True):
        model = tagger(folders[family], layers, dropout=0.0, **head)
        inputs = batch([7, 3, 12])
        prefix = FrozenPrefix(model, layers, inputs)
        assert prefix.possible
        if kept:
            with prefix.replaced():
                model(**inputs)  # computes the states
                loss = model(**inputs).logits[inputs["attention_mask"].bool()].square().sum()
            assert (prefix.store.hits, prefix.store.misses) == (3, 3)
        else:
            loss = model(**inputs).logits[inputs["attention_mask"].bool()].square().sum()
        loss.backward()
        moved = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
        found.append((loss.detach(), moved))
    (loss, grads), (other, others) = found
    torch.testing.assert_close(loss, other, rtol=1e-4, atol=1e-5)
    assert grads.keys() == others.keys()
    assert not any(f".{k}." in name for name in grads for k in range(layers) if "layer" in name)
    for name, grad in grads.items():
        torch.testing.assert_close(grad, others[name], rtol=1e-3, atol=1e-4, msg=name)


def test_nothing_is_dropped_in_frozen_layers(folders: dict[str, Path]) -> None:
    model = tagger(folders["bert"], 2, dropout=0.5)
    stack = model.encoder.encoder.layer
    assert not model.encoder.embeddings.training
    assert [layer.training for layer in stack] == [False, False, True]
    model.eval().train()
    assert [layer.training for layer in stack] == [False, False, True]


@pytest.mark.parametrize("autocast", [None, torch.bfloat16])
@given(st.lists(st.lists(st.integers(1, 32), min_size=1, max_size=40), min_size=1, max_size=3))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_states_do_not_depend_on_what_is_computed_beside_them_or_came_before(
    folders: dict[str, Path], autocast: torch.dtype | None, before: list[list[int]]
) -> None:
    model = tagger(folders["bert"], 2, dropout=0.0)
    wanted = batch([4, 15, 2, 32, 31, 7, 8], seed=99)
    prefix = FrozenPrefix(model, 2, wanted)
    found = []
    for others in (before, []):
        frozen._store.cache_clear()
        with prefix.replaced(autocast), torch.no_grad():
            for seed, lengths in enumerate(others):
                mixed = batch([*lengths, 4], seed)
                mixed["input_ids"][-1, :4] = wanted["input_ids"][0, :4]
                prefix.look_up(mixed["input_ids"], mixed["attention_mask"])
            states = prefix.look_up(wanted["input_ids"], wanted["attention_mask"])
            found.append(
                [
                    s[:, :n]
                    for s, n in zip(
                        states.transpose(0, 1), wanted["attention_mask"].sum(1), strict=True
                    )
                ]
            )
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_sentences_of_one_length_are_computed_together(folders: dict[str, Path]) -> None:
    model = tagger(folders["bert"], 2, dropout=0.0)
    inputs = batch([5, 6, 7, 12, 30, 32])
    prefix = FrozenPrefix(model, 2, inputs)
    shapes: list[tuple[int, ...]] = []
    below = prefix._below

    def noted(ids: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
        shapes.append(tuple(ids.shape))
        return below(ids, mask)

    prefix._below = noted  # type: ignore[method-assign]
    with prefix.replaced():
        model(**inputs)
    # The longest fills the window: there is no room for padding.
    assert shapes == [(64, 8), (32, 16), (16, 32), (1, 32)]


def test_seeds_and_arms_share_states_and_other_encoders_do_not(folders: dict[str, Path]) -> None:
    inputs = batch([5, 6])

    def misses(family: str, layers: int, **head: Any) -> int:
        model = tagger(folders[family], layers, **head)
        prefix = FrozenPrefix(model, layers, inputs)
        with prefix.replaced():
            before = prefix.store.misses
            model(**inputs)
        return prefix.store.misses - before

    assert misses("bert", 2) == 2
    assert misses("bert", 2, fusion="dlfa_aif", fusion_layer=2) == 0
    assert misses("bert", 2, fusion="dlfa_aif", fusion_layer=1) == 2
    assert misses("bert", 1) == 2
    assert misses("distilbert", 2) == 2


def test_memory_is_bounded(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    model = tagger(folders["bert"], 2)
    inputs = batch([5, 6])
    prefix = FrozenPrefix(model, 2, inputs)
    monkeypatch.setattr(frozen, "LIMIT", 6 * model.config.encoder.hidden_size * 4)
    with prefix.replaced():
        for _ in range(2):
            model(**inputs)
    assert prefix.store.size <= frozen.LIMIT
    assert (prefix.store.hits, prefix.store.misses) == (1, 3)


def test_an_encoder_that_is_put_together_otherwise_is_left_alone(folders: dict[str, Path]) -> None:
    model = tagger(folders["bert"], 2, dropout=0.0)
    inputs = batch([5, 6])

    layers = model.encoder.encoder.layer

    def forward(hidden: torch.Tensor, mask: torch.Tensor, **kwargs: Any) -> Any:
        """Hand the embeddings past the frozen layers, as a residual connection would."""
        first, states = hidden, hidden
        for k, layer in enumerate(layers):
            states = layer(states + first if k == 2 else states, mask)
        return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=states)

    assert FrozenPrefix(model, 2, inputs).possible
    model.encoder.encoder.forward = lambda hidden, attention_mask, **k: forward(
        hidden, attention_mask, **k
    )
    prefix = FrozenPrefix(model, 2, inputs)
    assert not prefix.possible
    with prefix.replaced():
        model(**inputs)
    assert prefix.store.misses == 0


def test_layers_that_share_something_that_moves_are_left_alone(folders: dict[str, Path]) -> None:
    model = tagger(folders["deberta"], 2)
    assert model.encoder.encoder.rel_embeddings.weight.requires_grad
    assert not FrozenPrefix(model, 2, batch([5, 6])).possible


def test_where_nothing_is_left_to_train_nothing_is_replaced(folders: dict[str, Path]) -> None:
    model = tagger(folders["bert"], 3)
    assert not FrozenPrefix(model, 3, batch([5, 6])).possible


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_learns_the_same_with_and_without(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    options = {"freeze_layers": 2, "precision": precision, "max_steps": 12, "dropout": 0.0}
    kept = train(tmp_path / "kept", folders["bert"], **options)
    again = train(tmp_path / "again", folders["bert"], **options)  # finds all states
    assert kept == again
    assert same(tmp_path / "kept", tmp_path / "again")
    with monkeypatch.context() as patch:
        patch.setattr(FrozenPrefix, "_same", lambda self, sample: False)
        plain = train(tmp_path / "plain", folders["bert"], **options)
    losses = [[e["loss"] for e in r.history if "loss" in e] for r in (kept, plain)]
    assert len(losses[0]) == 12
    tolerance = 1e-4 if precision == "float32" else 2e-2
    assert losses[0] == pytest.approx(losses[1], rel=tolerance)
