"""An encoder that was taken apart, on the CPU, over sentences laid end to end.

All but attention works on single tokens, so sentences need no padding there: a batch is one matrix
``(tokens, width)``. Attention sees runs of sentences of one length; query, key and value are one
product. What this gains is in docs/alignment.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from stages.align.parts import Encoder, Linear, Norm
from stages.machine import has_vnni, prefers_mkl

if TYPE_CHECKING:
    import torch

Apply = Callable[["torch.Tensor"], "torch.Tensor"]


def supported(dtype: str) -> bool:
    """Whether this build of torch and this processor have what a precision needs here."""
    import torch

    # Without VNNI, sums of two products of eight bits overflow in sixteen.
    return dtype != "int8" or (has_vnni() and hasattr(torch.ops.onednn, "qlinear_pointwise"))


class PackedLayers:
    """The lower layers of an encoder, run by torch on the CPU without padding.

    Args:
        encoder: The layers.
        dtype: ``float32``, ``bfloat16``, or ``int8`` (weights per row, activations per batch as
            they come, the rest in bfloat16).
        rows: Tokens of a full batch. oneDNN prepares itself for every number of them anew, so
            batches of more than half as many are filled up to it.
    """

    device = "cpu"
    padded = False
    rows: int | None

    def __init__(self, encoder: Encoder, dtype: str, rows: int) -> None:
        import torch

        self.rows = self._full = rows
        self._heads = encoder.heads
        self._dtype = torch.float32 if dtype == "float32" else torch.bfloat16
        self._words, self._positions, self._scale = encoder.words, encoder.positions, encoder.scale
        self._type = None if encoder.types is None else encoder.types[0]
        self._first_norm = _norm(encoder.embedding_norm, torch.float32)
        self._last_norm = _norm(encoder.final_norm, self._dtype)
        self._pre_norm = encoder.pre_norm
        make = {"float32": _single, "bfloat16": _half, "int8": _quantised}[dtype]
        self._blocks = [
            (
                make(b.qkv, rows, None),
                make(b.out, rows, None),
                _norm(b.attention_norm, self._dtype),
                make(b.up, rows, encoder.activation),
                make(b.down, rows, None),
                _norm(b.norm, self._dtype),
            )
            for b in encoder.blocks
        ]

    def __call__(self, batch: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return the hidden states ``(tokens of all sentences, width)`` in float32."""
        import torch

        lengths = np.array([len(s) for s in batch])
        total = int(lengths.sum())
        rows = self._full if self._full < 2 * total <= 2 * self._full else total
        ids, places = np.zeros((2, rows), dtype=np.int64)
        ids[:total] = np.concatenate([np.asarray(s, dtype=np.int64) for s in batch])
        places[:total] = np.arange(total) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        runs = _runs(lengths)
        with torch.inference_mode():
            states = self._words[torch.from_numpy(ids)] * self._scale
            if self._type is not None:
                states += self._type
            states += self._positions[torch.from_numpy(places)]
            states = self._first_norm(states).to(self._dtype)
            context = torch.zeros_like(states)
            for qkv, out, attention_norm, up, down, norm in self._blocks:
                if self._pre_norm:
                    self._attend(qkv(attention_norm(states)), runs, context)
                    states = out(context).add_(states)
                    states = down(up(norm(states))).add_(states)
                else:
                    self._attend(qkv(states), runs, context)
                    states = attention_norm(out(context).add_(states))
                    states = norm(down(up(states)).add_(states))
            return self._last_norm(states[:total]).float()

    def _attend(
        self, qkv: torch.Tensor, runs: Sequence[tuple[int, int, int]], context: torch.Tensor
    ) -> None:
        from torch.nn.functional import scaled_dot_product_attention

        for start, count, length in runs:
            part = slice(start, start + count * length)
            heads = qkv[part].view(count, length, 3, self._heads, -1)
            query, key, value = heads.permute(2, 0, 3, 1, 4)
            seen = scaled_dot_product_attention(query, key, value).transpose(1, 2)
            context[part].view(count, length, self._heads, -1).copy_(seen)


def _runs(lengths: npt.NDArray[np.intp]) -> list[tuple[int, int, int]]:
    """Return runs of sentences of one length: where each starts, how many, and how long."""
    borders = [0, *(np.flatnonzero(np.diff(lengths)) + 1).tolist(), len(lengths)]
    starts = np.cumsum(lengths) - lengths
    return [(int(starts[a]), b - a, int(lengths[a])) for a, b in pairwise(borders)]


def _norm(norm: Norm | None, dtype: torch.dtype) -> Apply:
    from torch.nn.functional import layer_norm

    if norm is None:
        return lambda x: x

    weight, bias = norm.weight.to(dtype), norm.bias.to(dtype)
    return lambda x: layer_norm(x, weight.shape, weight, bias, norm.eps)


def _activation(name: str | None) -> Apply:
    if name is None:
        return lambda x: x
    from transformers.activations import ACT2FN

    function: Apply = ACT2FN[name]
    return function


def _single(linear: Linear, rows: int, activation: str | None) -> Apply:
    """In float32: by MKL on Intel's processors, by oneDNN elsewhere.

    The one place that calls private operators of torch: its public ones take MKL, or copy states to
    oneDNN's layout and back for every product, and both fall below five times simalign's speed
    (docs/alignment.md).
    """
    import torch

    weight, bias = linear.weight.float(), linear.bias.float()
    if prefers_mkl() or not torch.backends.mkldnn.is_available():
        return _plain(weight, bias, activation)
    mkldnn: Any = torch.ops.mkldnn
    arranged = mkldnn._reorder_linear_weight(weight.contiguous(), rows)
    fused, after = _fused(activation)
    return lambda x: after(mkldnn._linear_pointwise(x, arranged, bias, fused, [], "none"))


def _half(linear: Linear, rows: int, activation: str | None) -> Apply:
    """In bfloat16."""
    return _plain(linear.weight.bfloat16(), linear.bias.bfloat16(), activation)


def _plain(weight: torch.Tensor, bias: torch.Tensor, activation: str | None) -> Apply:
    from torch.nn.functional import linear as product

    weight, after = weight.contiguous(), _activation(activation)
    return lambda x: after(product(x, weight, bias))


def _quantised(linear: Linear, rows: int, activation: str | None) -> Apply:
    """In int8, by oneDNN: weights symmetrically per row, what is multiplied per batch."""
    import torch

    weight, bias = linear.weight.float(), linear.bias.float()
    scales = weight.abs().amax(1).clamp(min=1e-12) / 127
    whole = (weight / scales[:, None]).round().clamp(-127, 127).to(torch.int8)
    onednn: Any = torch.ops.onednn
    arranged = onednn.qlinear_prepack(whole, [rows, weight.shape[1]])
    zeros = torch.zeros(len(scales), dtype=torch.int64)
    fused, after = _fused(activation)

    def apply(x: torch.Tensor) -> torch.Tensor:
        low, high = (float(end) for end in torch.aminmax(x))
        low, high = min(low, 0.0), max(high, 0.0)
        # 254 steps, so that rounding both ends away from each other stays within eight bits.
        step = (high - low) / 254 or 1.0
        zero = round(-low / step)
        whole = x.float().mul_(1 / step).add_(zero).round_().to(torch.uint8)
        of_input, of_weight = (whole, step, zero), (arranged, scales, zeros)
        return after(
            onednn.qlinear_pointwise(
                *of_input, *of_weight, bias, 1.0, 0, torch.bfloat16, fused, [], "none"
            )
        )

    return apply


def _fused(activation: str | None) -> tuple[str, Apply]:
    """Return what oneDNN shall do within the product, and what is left to do."""
    if activation == "gelu":
        return "gelu", _activation(None)
    return "none", _activation(activation)
