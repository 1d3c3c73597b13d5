"""BART's transformer, lean: its encoder is that of BERT, so it can start from a pretrained one.

Against :class:`model.Model`: learnt positions, a layer norm on embeddings, GELU, an output bias.
Checked against `BartForConditionalGeneration` and CTranslate2 in float32, like Marian's.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from model import Model, layout
from torch import Tensor

_PARTS = ("encoder", "decoder")
NEVER = -10_000.0
"""Output bias of the padding, which no text has."""


class Bart(Model):
    """A model of BART's kind; decoding starts from the padding, as Marian's does."""

    others: ClassVar[dict[str, str]] = {
        "bias": "final_logits_bias",
        **{f"{p}.positions": f"model.{p}.embed_positions.weight" for p in _PARTS},
        **{
            f"{p}.embedded.{kind}": f"model.{p}.layernorm_embedding.{kind}"
            for p in _PARTS
            for kind in ("weight", "bias")
        },
    }

    def rows(self) -> list[tuple[str, tuple[int, ...]]]:
        """Names and shapes of the weights: what an encoder starts first, then the decoder's."""
        w = self.shape.width
        found = {part: list[tuple[str, tuple[int, ...]]]() for part in _PARTS}
        for name, dims in layout(self.shape, self.size):
            found["decoder" if name.startswith("decoder") else "encoder"].append((name, dims))
        for part in _PARTS:
            # BART's positions start at 2.
            found[part].append((f"{part}.positions", (self.shape.max_positions + 2, w)))
            found[part].append((f"{part}.embedded.weight", (w,)))
            found[part].append((f"{part}.embedded.bias", (w,)))
        return [*found["encoder"], *found["decoder"], ("bias", (1, self.size))]

    def slow(self) -> int:
        """The embeddings and the encoder."""
        return min(start for name, (start, _, _) in self._slices.items() if "decoder" in name)

    @torch.no_grad()
    def _initialise(self, seed: int) -> None:
        super()._initialise(seed)
        generator = torch.Generator().manual_seed(seed + 1)
        for part in _PARTS:
            view = self._view(self.master, f"{part}.positions")
            view.copy_(torch.randn(view.shape, generator=generator) * 0.02)
        bias = self._view(self.master, "bias")
        bias.zero_()
        bias[:, -1] = NEVER

    def _activate(self, x: Tensor) -> Tensor:
        return F.gelu(x)

    def _embed(self, part: str, ids: Tensor) -> Tensor:
        positions = self.params[f"{part}.positions"][2 : 2 + ids.shape[1]]
        x = F.embedding(ids, self.params["embed"]) + positions
        return self._drop(self._norm(f"{part}.embedded", x))

    def _output(self) -> tuple[Tensor, Tensor | None]:
        return self.params["embed"][:-1], self.params["bias"][0, :-1]
