"""Cross-entropy over a vocabulary, without ever holding the scores of all positions.

With a small model and thousands of subwords, most of a training step on CPU is the softmax: plain
autograd writes a matrix of positions times subwords about ten times, in fp32. Here it is worked off
in blocks that stay in the cache, and the gradient is made in the same pass (the idea of Liger
Kernel, arXiv:2410.10989, and of Cut Cross-Entropy, arXiv:2411.09009, for a CPU).
"""

from __future__ import annotations

from typing import Any

import torch

_BLOCK = 256
"""Positions worked off at a time on a CPU; a GPU takes more."""


def vocabulary_loss(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    gold: torch.Tensor,
    bias: torch.Tensor | None = None,
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """Mean of `cross_entropy(hidden @ weight.T + bias, gold)`; products in the autocast type.

    Args:
        hidden: Shape (positions, width).
        weight: Embeddings of the subwords, shape (subwords, width).
        gold: Subword of each position, shape (positions,), int64.
        bias: Of the subwords, shape (subwords,), or none.
        label_smoothing: Share of the probability spread over all subwords.

    Returns:
        A scalar, in fp32 or wider.
    """
    device = hidden.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
    loss: torch.Tensor = _VocabularyLoss.apply(hidden, weight, gold, bias, label_smoothing, dtype)
    return loss


class _VocabularyLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        gold: torch.Tensor,
        bias: torch.Tensor | None,
        label_smoothing: float,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        with torch.autocast(hidden.device.type, enabled=False):
            states, subwords = hidden.detach().to(dtype), weight.detach().to(dtype)
            offset = None if bias is None else bias.detach().to(dtype)
            wide = torch.promote_types(dtype, torch.float32)
            count, sharp = len(gold), 1.0 - label_smoothing
            # The smoothed part pulls every position towards the mean subword.
            middle = subwords.to(wide).mean(0)
            middle_bias = 0.0 if bias is None else bias.detach().to(wide).mean()
            total = hidden.new_zeros((), dtype=wide)
            d_hidden = torch.empty_like(hidden)
            d_weight = torch.zeros_like(weight, dtype=wide)
            d_bias = None if bias is None else torch.zeros_like(bias, dtype=wide)
            block = _BLOCK if hidden.device.type == "cpu" else 64 * _BLOCK
            for start in range(0, count, block):
                rows = states[start : start + block]
                wanted = gold[start : start + block]
                place = (torch.arange(len(wanted), device=wanted.device), wanted)
                scores = rows @ subwords.T
                if offset is not None:
                    scores += offset
                share = scores.softmax(1)
                mine, chance = scores[place].to(wide), share[place].to(wide)
                # log-sum-exp from the wanted subword, unless its share is too small to have a log.
                log_total = mine - chance.log()
                if not bool((chance > 0).all()):
                    log_total = scores.to(wide).logsumexp(1)
                total += (log_total - sharp * mine).sum()
                if label_smoothing:
                    total -= label_smoothing * ((rows.to(wide) @ middle) + middle_bias).sum()
                share[place] -= sharp
                d_hidden[start : start + block] = share @ subwords
                d_weight += share.T @ rows
                if d_bias is not None:
                    d_bias += share.to(wide).sum(0)
            if label_smoothing:
                d_hidden -= label_smoothing * middle
                spread = label_smoothing / len(weight)
                d_weight -= spread * states.to(wide).sum(0)
                if d_bias is not None:
                    d_bias -= spread * count
        ctx.save_for_backward(d_hidden, d_weight, *([] if d_bias is None else [d_bias]))
        ctx.count = count
        ctx.dtypes = (hidden.dtype, weight.dtype)
        return total / count

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        scale = grads[0] / ctx.count
        d_hidden, d_weight, *d_bias = ctx.saved_tensors
        return (
            (d_hidden * scale).to(ctx.dtypes[0]),
            (d_weight * scale).to(ctx.dtypes[1]),
            None,
            d_bias[0] * scale if d_bias else None,
            None,
            None,
        )
