"""Marian's transformer, lean: weights, copies to compute with, and gradients, each in one buffer.

What it computes is what transformers' `MarianMTModel` and CTranslate2 compute from the weights that
`export` names (checked to the last digit in float32): post-norm, sinusoids, tied embeddings.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model_recipes.shared.vocabulary_loss import vocabulary_loss

if TYPE_CHECKING:
    from sampling import Sampler

PLAIN = {
    "out": "self_attn.out_proj",
    "norm1": "self_attn_layer_norm",
    "q": "encoder_attn.q_proj",
    "cross": "encoder_attn.out_proj",
    "norm2": "encoder_attn_layer_norm",
    "fc1": "fc1",
    "fc2": "fc2",
    "norm3": "final_layer_norm",
}
FUSED = {
    "qkv": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    "kv": ["encoder_attn.k_proj", "encoder_attn.v_proj"],
}


class Shape(NamedTuple):
    """Size, in the words of `train_translator.shape`."""

    width: int
    heads: int
    feed_forward: int
    encoder_layers: int
    decoder_layers: int
    dropout: float
    max_positions: int


def layout(shape: Shape, size: int) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the weights, in their order."""
    w = shape.width
    rows: list[tuple[str, tuple[int, ...]]] = [("embed", (size, w))]

    def norm(name: str) -> None:
        rows.extend([(f"{name}.weight", (w,)), (f"{name}.bias", (w,))])

    def linear(name: str, out: int, into: int) -> None:
        rows.extend([(f"{name}.weight", (out, into)), (f"{name}.bias", (out,))])

    for part, layers in (("encoder", shape.encoder_layers), ("decoder", shape.decoder_layers)):
        for k in range(layers):
            p = f"{part}.{k}"
            linear(f"{p}.qkv", 3 * w, w)
            linear(f"{p}.out", w, w)
            norm(f"{p}.norm1")
            if part == "decoder":
                linear(f"{p}.q", w, w)
                linear(f"{p}.kv", 2 * w, w)
                linear(f"{p}.cross", w, w)
                norm(f"{p}.norm2")
            linear(f"{p}.fc1", shape.feed_forward, w)
            linear(f"{p}.fc2", w, shape.feed_forward)
            norm(f"{p}.norm3")
    return rows


class Model:
    """The model of a shape with fresh weights.

    Attributes:
        master: All weights in float32; what the optimiser changes.
        grad: All gradients, in the type that is computed in.
        training: Whether to drop out.
        sampler: Draws the subwords that a training step looks at; `None`: all.
    """

    others: ClassVar[dict[str, str]] = {}
    """What transformers calls weights outside the layers."""

    def __init__(
        self, shape: Shape, size: int, device: torch.device, dtype: torch.dtype, seed: int = 1
    ) -> None:
        self.shape, self.size = shape, size
        self.training = True
        self.sampler: Sampler | None = None
        rows = self.rows()
        self.parameters = sum(math.prod(dims) for _, dims in rows)
        self._slices: dict[str, tuple[int, int, tuple[int, ...]]] = {}
        at = 0
        for name, dims in rows:
            count = math.prod(dims)
            self._slices[name] = at, count, dims
            at += (count + 63) // 64 * 64  # products like aligned weights
        self.master = torch.zeros(at, device=device)
        self._copy = torch.zeros(at, device=device, dtype=dtype)
        self.grad = torch.zeros(at, device=device, dtype=dtype)
        self._initialise(seed)
        self.params: dict[str, Tensor] = {}
        for name in self._slices:
            p = self._view(self._copy, name).detach().requires_grad_(True)
            p.grad = self._view(self.grad, name)  # autograd adds to it in place
            self.params[name] = p
        self.sync()
        self._positions = torch.tensor(_sinusoids(shape), device=device).to(dtype)

    def rows(self) -> list[tuple[str, tuple[int, ...]]]:
        """Names and shapes of the weights, in their order."""
        return layout(self.shape, self.size)

    def slow(self) -> int:
        """How many weights, from the first on, learn at a rate of their own."""
        return 0

    def _view(self, flat: Tensor, name: str) -> Tensor:
        start, count, dims = self._slices[name]
        return flat[start : start + count].view(dims)

    @torch.no_grad()
    def _initialise(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for name, (_, _, dims) in self._slices.items():
            view = self._view(self.master, name)
            if name == "embed":
                view.copy_(torch.randn(dims, generator=generator) * self.shape.width**-0.5)
                view[-1].zero_()
            elif name.endswith("weight") and len(dims) == 2:
                unit = name.split(".")[2]
                fan = 2 * self.shape.width if unit in FUSED else sum(dims)
                # Small branches at first keep a deep post-norm model steady.
                bound = math.sqrt(6 / fan) * (0.5 if unit in ("out", "cross", "fc2") else 1.0)
                view.copy_((torch.rand(dims, generator=generator) * 2 - 1) * bound)
            elif name.endswith("weight"):
                view.fill_(1.0)

    @torch.no_grad()
    def start(self, embeddings: np.ndarray | None) -> None:
        """Start from embeddings, those of mean square 1 that are not zero; `None`: random ones."""
        if embeddings is not None:
            made = torch.from_numpy(embeddings).to(self.master)
            view, there = self._view(self.master, "embed"), made.abs().sum(1) > 0
            view[there] = made[there] * self.shape.width**-0.5
            self.sync()

    @torch.no_grad()
    def start_from(self, file: Path) -> None:
        """Start from the weights that `starting.py` wrote; what it left out stays as it is."""
        from safetensors.torch import load_file

        for name, tensor in load_file(file).items():
            self._view(self.master, name).copy_(tensor.float())
        self.sync()

    @torch.no_grad()
    def sync(self, other: Tensor | None = None) -> None:
        """Compute with the current weights, or with others."""
        self._copy.copy_(self.master if other is None else other)

    def padding(self, flat: Tensor) -> Tensor:
        """The row of the padding in a buffer; it must stay zero, as decoding starts from it."""
        return self._view(flat, "embed")[-1]

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.shape.dropout, self.training)

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.params[f"{name}.weight"], self.params[f"{name}.bias"])

    def _activate(self, x: Tensor) -> Tensor:
        return torch.relu(x)

    def _norm(self, name: str, x: Tensor) -> Tensor:
        weight, bias = self.params[f"{name}.weight"], self.params[f"{name}.bias"]
        return F.layer_norm(x, (self.shape.width,), weight, bias)

    def _attend(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        heads = [x.unflatten(-1, (self.shape.heads, -1)).transpose(1, 2) for x in (q, k, v)]
        if q.device.type == "cpu":
            out = _plain_attention(*heads, mask, causal)
        else:
            out = F.scaled_dot_product_attention(*heads, attn_mask=mask, is_causal=causal)
        return out.transpose(1, 2).reshape(q.shape)

    def _embed(self, part: str, ids: Tensor) -> Tensor:
        x = F.embedding(ids, self.params["embed"]) * math.sqrt(self.shape.width)
        return self._drop(x + self._positions[: ids.shape[1]])

    def _output(self) -> tuple[Tensor, Tensor | None]:
        """Weights and bias of the last projection, over all subwords but the padding."""
        return self.params["embed"][:-1], None

    def _scores(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, *self._output())

    def _feed(self, p: str, x: Tensor) -> Tensor:
        inner = self._linear(f"{p}.fc2", self._activate(self._linear(f"{p}.fc1", x)))
        return self._norm(f"{p}.norm3", x + self._drop(inner))

    def encode(self, ids: Tensor, mask: Tensor) -> Tensor:
        """States of the source."""
        x = self._embed("encoder", ids)
        for k in range(self.shape.encoder_layers):
            p = f"encoder.{k}"
            q, key, value = self._linear(f"{p}.qkv", x).chunk(3, -1)
            own = self._linear(f"{p}.out", self._attend(q, key, value, mask))
            x = self._feed(p, self._norm(f"{p}.norm1", x + self._drop(own)))
        return x

    def decode(self, ids: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """States of the target."""
        x = self._embed("decoder", ids)
        for k in range(self.shape.decoder_layers):
            p = f"decoder.{k}"
            q, key, value = self._linear(f"{p}.qkv", x).chunk(3, -1)
            own = self._linear(f"{p}.out", self._attend(q, key, value, causal=True))
            x = self._norm(f"{p}.norm1", x + self._drop(own))
            key, value = self._linear(f"{p}.kv", memory).chunk(2, -1)
            other = self._attend(self._linear(f"{p}.q", x), key, value, mask)
            x = self._norm(f"{p}.norm2", x + self._drop(self._linear(f"{p}.cross", other)))
            x = self._feed(p, x)
        return x

    def logits(self, source: Tensor, target: Tensor) -> Tensor:
        """Of every target position, over all subwords but the padding."""
        return self._scores(self._states(source, target))

    def _states(self, source: Tensor, target: Tensor) -> Tensor:
        pad = self.size - 1
        mask = (source != pad)[:, None, None, :]
        start = torch.full_like(target[:, :1], pad)
        given = torch.cat([start, target[:, :-1]], 1)
        return self.decode(given, self.encode(source, mask), mask)

    def loss(self, source: Tensor, target: Tensor, smoothing: float) -> Tensor:
        """Mean cross-entropy of the target subwords."""
        hidden = self._states(source, target).flatten(0, 1)
        wanted = target.flatten()
        there = (wanted != self.size - 1).nonzero().flatten()
        hidden, wanted = hidden.index_select(0, there), wanted.index_select(0, there)
        weight, bias = self._output()
        if self.sampler is None or not self.training:
            return vocabulary_loss(hidden, weight, wanted, bias, smoothing)
        kept, place, weighed = self.sampler.draw(wanted)
        some = weight.index_select(0, kept)
        offset = weighed if bias is None else bias.index_select(0, kept) + weighed
        loss = vocabulary_loss(hidden, some, place, offset)
        # Smoothing is linear in the scores, so it costs little over all subwords.
        own = (hidden * some.index_select(0, place)).sum(1) - hidden @ weight.mean(0)
        if bias is not None:
            own = own + bias[wanted] - bias.mean()
        return loss + smoothing * own.mean()

    @torch.no_grad()
    def greedy(self, source: Tensor, longest: int) -> Tensor:
        """Greedy translations."""
        pad = self.size - 1
        mask = (source != pad)[:, None, None, :]
        memory = self.encode(source, mask)
        out = torch.full((source.shape[0], 1), pad, device=source.device)
        done = torch.zeros(source.shape[0], dtype=torch.bool, device=source.device)
        for _ in range(longest):
            hidden = self.decode(out, memory, mask)[:, -1]
            best = self._scores(hidden).argmax(-1)
            best = torch.where(done, 0, best)
            out = torch.cat([out, best[:, None]], 1)
            done |= best == 0
            if bool(done.all()):
                break
        return out[:, 1:]

    def export(self, flat: Tensor) -> dict[str, Tensor]:
        """Weights by the names of `MarianMTModel`, float16 on the CPU."""
        flat = flat.detach().float().cpu()
        out = {}
        w = self.shape.width
        for name in self._slices:
            tensor = self._view(flat, name).half()
            if name == "embed":
                out["model.shared.weight"] = tensor.clone()
                continue
            if name in self.others:
                out[self.others[name]] = tensor.clone()
                continue
            part, layer, unit, kind = name.split(".")
            prefix = f"model.{part}.layers.{layer}"
            if unit in FUSED:
                for k, target in enumerate(FUSED[unit]):
                    out[f"{prefix}.{target}.{kind}"] = tensor[k * w : (k + 1) * w].clone()
            else:
                out[f"{prefix}.{PLAIN[unit]}.{kind}"] = tensor.clone()
        return out


def _plain_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    """Attention by two products: on a CPU, of short sentences, four times as quick to train."""
    batch, heads, length, width = q.shape
    if causal:
        allowed = torch.ones(length, k.shape[2], dtype=torch.bool).tril()[None, None]
    else:
        allowed = torch.ones(1, 1, 1, 1, dtype=torch.bool) if mask is None else mask
    shift = torch.zeros(allowed.shape, dtype=q.dtype).masked_fill(~allowed, -1e9)
    shift = shift.expand(batch, heads, *shift.shape[2:]).flatten(0, 1)
    q, k, v = (x.flatten(0, 1) for x in (q, k, v))
    scores = torch.baddbmm(shift, q, k.transpose(1, 2), alpha=width**-0.5)
    return torch.bmm(torch.softmax(scores, -1), v).unflatten(0, (batch, heads))


def _sinusoids(shape: Shape) -> np.ndarray:
    w, most = shape.width, shape.max_positions
    angles = np.arange(most)[:, None] / np.power(10000, 2 * (np.arange(w)[None] // 2) / w)
    table = np.zeros((most, w), np.float32)
    table[:, : w // 2] = np.sin(angles[:, 0::2])
    table[:, w // 2 :] = np.cos(angles[:, 1::2])
    return table


def save(model: Model, flat: Tensor, folder: Path) -> None:
    """Write the weights as two files, the encoder's and the others, each whole at any moment."""
    from safetensors.torch import save_file

    parts: list[dict[str, Tensor]] = [{}, {}]
    for name, tensor in model.export(flat).items():
        parts[not name.startswith("model.encoder")][name] = tensor
    for number, part in enumerate(parts, 1):
        temporary = folder / f".weights-{number}.tmp"
        save_file(part, str(temporary), metadata={"format": "pt"})
        os.replace(temporary, folder / f"weights-{number}.safetensors")  # noqa: PTH105
