"""The blockwise cross-entropy against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy, linear

from model_recipes.shared.vocabulary_loss import vocabulary_loss


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("with_bias", [False, True])
def test_loss_and_gradients_are_those_of_torch(label_smoothing: float, with_bias: bool) -> None:
    torch.manual_seed(0)
    # More positions than one block holds, and the last block is not full.
    hidden = torch.randn(600, 16, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(90, 16, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(90, dtype=torch.float64, requires_grad=True) if with_bias else None
    gold = torch.randint(0, 90, (600,))
    inputs = [hidden, weight, *([bias] if bias is not None else [])]
    wanted = cross_entropy(linear(hidden, weight, bias), gold, label_smoothing=label_smoothing)
    got = vocabulary_loss(hidden, weight, gold, bias, label_smoothing)
    assert torch.allclose(got, wanted)
    pairs = zip(
        torch.autograd.grad(got * 3, inputs), torch.autograd.grad(wanted * 3, inputs), strict=True
    )
    for ours, theirs in pairs:
        assert torch.allclose(ours, theirs, atol=1e-12)


def test_a_subword_without_any_probability_costs_what_it_should() -> None:
    hidden = torch.tensor([[300.0]], requires_grad=True)
    weight = torch.tensor([[1.0], [-1.0]], requires_grad=True)
    loss = vocabulary_loss(hidden, weight, torch.tensor([1]))
    assert loss.item() == pytest.approx(600.0)


def test_bfloat16_products_come_close() -> None:
    torch.manual_seed(0)
    hidden = torch.randn(300, 32, requires_grad=True)
    weight = torch.randn(200, 32, requires_grad=True)
    gold = torch.randint(0, 200, (300,))
    exact = torch.autograd.grad(vocabulary_loss(hidden, weight, gold), [hidden, weight])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = vocabulary_loss(hidden, weight, gold)
    rough = torch.autograd.grad(loss, [hidden, weight])
    for ours, wanted in zip(rough, exact, strict=True):
        assert ours.dtype == torch.float32
        assert (ours - wanted).norm() < 0.02 * wanted.norm()
