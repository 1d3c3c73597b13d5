"""An encoder on the CPU, over sentences laid end to end.

All but attention works on single tokens, so sentences need no padding there: a batch is one row of
all their tokens, with the positions that they have in their sentences. The code is that of
Transformers, with three things exchanged: attention sees runs of sentences of one length; query,
key and value are one product; and products are done by the operators that are quickest. What this
gains is in docs/alignment.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.activations import GELUActivation

from stages.align.layers import TorchLayers
from stages.encoder_facts import OFFSET_POSITIONS
from stages.machine import has_vnni, prefers_mkl

Apply = Callable[[Tensor], Tensor]

_FAMILIES: Final = frozenset(
    ("bert", "electra", "roberta", "xlm-roberta", "camembert", "marian", "m2m_100")
)
_END_TO_END: Final = "xlner_end_to_end"
_QUERY_KEY_VALUE: Final = (("query", "key", "value"), ("q_proj", "k_proj", "v_proj"))
_ACTIVATED: Final = {"dense": "intermediate_act_fn", "fc1": "activation_fn"}
"""Linear maps that an activation follows, which oneDNN can do with them: the names of both."""


def of_a_family(encoder: Any) -> bool:
    """Whether an encoder is of a family whose tokens meet in attention alone."""
    config = encoder.config
    return config.model_type in _FAMILIES and not getattr(config, "is_decoder", False)


def supported(dtype: str) -> bool:
    """Whether this build of torch and this processor have what a precision needs here."""
    # Without VNNI, sums of two products of eight bits overflow in sixteen.
    return dtype != "int8" or (has_vnni() and hasattr(torch.ops.onednn, "qlinear_pointwise"))


class PackedLayers:
    """The lower layers of an encoder, run by torch on the CPU without padding.

    Args:
        layers: The layers, with padding and in float32; they are changed.
        dtype: ``float32``, ``bfloat16``, or ``int8`` (weights per row, activations per batch as
            they come, the rest in bfloat16).
        rows: Tokens of a full batch. oneDNN prepares itself for every number of them anew, so
            batches of more than half as many are filled up to it.
    """

    device = "cpu"
    padded = False
    rows: int | None

    def __init__(self, layers: TorchLayers, dtype: str, rows: int) -> None:
        self.rows = self._full = rows
        self._layers = layers
        encoder = layers.encoder
        AttentionInterface.register(_END_TO_END, _attend)
        encoder.set_attn_implementation(_END_TO_END)
        config = encoder.config
        self._first_place = 0
        if config.model_type in OFFSET_POSITIONS:
            self._first_place = int(config.pad_token_id) + 1
        self._positions: _Positions | None = None
        if hasattr(encoder, "embed_positions"):
            self._positions = encoder.embed_positions = _Positions(encoder.embed_positions)
        stack = next(m for m in encoder.modules() if isinstance(m, nn.ModuleList))
        _exchange_products(stack, dtype, rows)
        if dtype != "float32":
            # Embeddings stay in float32 and are rounded once.
            stack[0].register_forward_pre_hook(lambda _, args: (args[0].bfloat16(), *args[1:]))
            stack.bfloat16()
            if hasattr(encoder, "layer_norm"):
                encoder.layer_norm.bfloat16()

    def __call__(self, batch: Sequence[Sequence[int]]) -> Tensor:
        """Return the hidden states ``(tokens of all sentences, width)`` in float32."""
        lengths = np.array([len(s) for s in batch])
        total = int(lengths.sum())
        rows = self._full if self._full < 2 * total <= 2 * self._full else total
        ids, places = np.zeros((2, 1, rows), dtype=np.int64)
        ids[0, :total] = np.concatenate([np.asarray(s, dtype=np.int64) for s in batch])
        places[0, :total] = np.arange(total) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        inputs: dict[str, Any] = {"input_ids": torch.from_numpy(ids), "runs": _runs(lengths)}
        if self._positions is None:
            inputs["position_ids"] = torch.from_numpy(places + self._first_place)
        else:
            self._positions.of_tokens = torch.from_numpy(places)
        with torch.inference_mode():
            return self._layers.states(**inputs)[0, :total].float()


class _Positions(nn.Module):
    """Positions of a translator's encoder, which takes none and counts them itself."""

    def __init__(self, own: Any) -> None:
        super().__init__()
        # M2M100 counts from after the padding index.
        table = own.weights[own.padding_idx + 1 :] if hasattr(own, "weights") else own.weight
        self.table = table.detach()
        self.of_tokens: Any = None

    def forward(self, *_: Any, **__: Any) -> Tensor:
        states: Tensor = self.table[self.of_tokens]
        return states


def _attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    runs: Sequence[tuple[int, int, int]] = (),
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend within each sentence: what Transformers calls in the place of its own attention."""
    heads, total, width = query.shape[1:]
    context = query.new_zeros(1, total, heads, width)
    for start, count, length in runs:
        part = slice(start, start + count * length)
        q, k, v = (
            side[0, :, part].view(heads, count, length, width).transpose(0, 1)
            for side in (query, key, value)
        )
        seen = scaled_dot_product_attention(q, k, v, scale=scaling).transpose(1, 2)
        context[0, part].view(count, length, heads, width).copy_(seen)
    return context, None


class _Product(nn.Module):
    """A linear map by another operator."""

    def __init__(self, product: Apply) -> None:
        super().__init__()
        self.product = product

    def forward(self, states: Tensor) -> Tensor:
        return self.product(states[0])[None]


class _OneOfThree(nn.Module):
    """Query, key or value: the one that is asked first has the product, and makes all of them."""

    def __init__(self, made: list[Tensor], product: Apply | None = None) -> None:
        super().__init__()
        self.made, self.product = made, product

    def forward(self, states: Tensor) -> Tensor:
        if self.product is not None:
            self.made[:] = self.product(states[0]).chunk(3, 1)
        return self.made.pop(0)[None]


def _exchange_products(stack: nn.Module, dtype: str, rows: int) -> None:
    """Have all linear maps of layers done by the operators of a precision."""
    make = {"float32": _single, "bfloat16": _half, "int8": _quantised}[dtype]
    fuses = make is _quantised or (make is _single and _by_onednn())
    for owner in list(stack.modules()):
        for names in _QUERY_KEY_VALUE:
            if all(hasattr(owner, name) for name in names):
                parts: list[Any] = [getattr(owner, name) for name in names]
                weight = torch.cat([part.weight.detach() for part in parts])
                bias = torch.cat([part.bias.detach() for part in parts])
                made: list[Tensor] = []
                first, *others = names
                setattr(owner, first, _OneOfThree(made, make(weight, bias, rows, False)))
                for name in others:
                    setattr(owner, name, _OneOfThree(made))
        for name, child in list(owner.named_children()):
            if isinstance(child, nn.Linear):
                after = _ACTIVATED.get(name, "")
                gelu = fuses and type(getattr(owner, after, None)) is GELUActivation
                if gelu:
                    setattr(owner, after, nn.Identity())
                product = make(child.weight.detach(), child.bias.detach(), rows, gelu)
                setattr(owner, name, _Product(product))


def _runs(lengths: npt.NDArray[np.intp]) -> list[tuple[int, int, int]]:
    """Return runs of sentences of one length: where each starts, how many, and how long."""
    borders = [0, *(np.flatnonzero(np.diff(lengths)) + 1).tolist(), len(lengths)]
    starts = np.cumsum(lengths) - lengths
    return [(int(starts[a]), b - a, int(lengths[a])) for a, b in pairwise(borders)]


def _by_onednn() -> bool:
    """Whether float32 is multiplied by oneDNN: by MKL on Intel's processors."""
    return not prefers_mkl() and torch.backends.mkldnn.is_available()


def _single(weight: Tensor, bias: Tensor, rows: int, gelu: bool) -> Apply:
    """In float32.

    The one place that calls private operators of torch: its public ones take MKL, or copy states to
    oneDNN's layout and back for every product, and both fall below five times simalign's speed
    (docs/alignment.md).
    """
    if not _by_onednn():
        return _plain(weight, bias)
    mkldnn: Any = torch.ops.mkldnn
    arranged = mkldnn._reorder_linear_weight(weight.contiguous(), rows)
    fused = "gelu" if gelu else "none"
    return lambda x: mkldnn._linear_pointwise(x, arranged, bias, fused, [], "none")


def _half(weight: Tensor, bias: Tensor, rows: int, gelu: bool) -> Apply:
    """In bfloat16."""
    return _plain(weight.bfloat16(), bias.bfloat16())


def _plain(weight: Tensor, bias: Tensor) -> Apply:
    weight = weight.contiguous()
    return lambda x: linear(x, weight, bias)


def _quantised(weight: Tensor, bias: Tensor, rows: int, gelu: bool) -> Apply:
    """In int8, by oneDNN: weights symmetrically per row, what is multiplied per batch."""
    scales = weight.abs().amax(1).clamp(min=1e-12) / 127
    whole = (weight / scales[:, None]).round().clamp(-127, 127).to(torch.int8)
    onednn: Any = torch.ops.onednn
    arranged = onednn.qlinear_prepack(whole, [rows, weight.shape[1]])
    zeros = torch.zeros(len(scales), dtype=torch.int64)
    fused = "gelu" if gelu else "none"

    def apply(x: Tensor) -> Tensor:
        low, high = (float(end) for end in torch.aminmax(x))
        low, high = min(low, 0.0), max(high, 0.0)
        # 254 steps, so that rounding both ends away from each other stays within eight bits.
        step = (high - low) / 254 or 1.0
        zero = round(-low / step)
        whole = x.float().mul_(1 / step).add_(zero).round_().to(torch.uint8)
        of_input, of_weight = (whole, step, zero), (arranged, scales, zeros)
        made: Tensor = onednn.qlinear_pointwise(
            *of_input, *of_weight, bias, 1.0, 0, torch.bfloat16, fused, [], "none"
        )
        return made

    return apply
