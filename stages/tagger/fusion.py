"""Layer fusion: DLFA with AIF, and the baselines beside it (arXiv 2205.08497).

Shapes: B sentences, T subwords, H the encoder's width, D its number of layers. A padded subword
enters neither a pool nor a norm: every norm here works on one subword (or one pooled vector) at a
time, so the result for a sentence does not depend on its neighbours in the batch.

This module and its neighbours ``layers``, ``modeling`` and ``card`` import nothing but torch and
transformers (and the huggingface_hub that comes with it): they are saved beside the weights, for
users without this package.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .layers import resolve_fusion_layer


def masked_mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """Average over the real subwords of each sentence.

    Args:
        hidden: (B, T, H).
        mask: (B, T), 1 for real subwords and 0 for padding.

    Returns:
        (B, 1, H); zeros for a sentence without subwords.
    """
    weights = mask.to(hidden.dtype).unsqueeze(1)
    # A matrix product is one pass over the states; what padding holds is multiplied by zero.
    return (weights @ hidden) / weights.sum(-1, keepdim=True).clamp(min=1)


class Branch(nn.Module):
    """One branch of AIF: point-wise convolution, norm, non-linearity, point-wise convolution.

    A point-wise convolution over subwords is a linear layer. ``ratio`` is the width in between,
    relative to H: below 1 it compresses then expands (Dai et al. 2021), above 1 the reverse.
    """

    def __init__(self, width: int, ratio: float, norm: str, dropout: float) -> None:
        super().__init__()
        inner = max(1, round(width * ratio))
        self.first = nn.Linear(width, inner)
        self.norm = nn.LayerNorm(inner) if norm == "layer" else nn.Identity()
        self.activation = nn.GELU()
        self.dropout = nn.Dropout(dropout)
        self.second = nn.Linear(inner, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (…, H) to (…, H)."""
        inner: Tensor = self.activation(self.norm(self.first(hidden)))
        result: Tensor = self.second(self.dropout(inner))
        return result


class LayerFusion(nn.Module):
    """Combines the last layer of an encoder with lower ones.

    - ``none``: the last layer as it is.
    - ``dlfa_aif``: ``x = last + lower``; ``w = sigmoid(local(x) + global(mean(x)))``;
      ``w * last + (1 - w) * lower``.
    - ``dlfa_sum``: ``last + lower``.
    - ``concat``: a linear map of ``[last; lower]`` from 2H to H, which starts as their mean.
    - ``scalar_mix``: a learned softmax-weighted sum of all layers (Peters et al. 2018).

    Args:
        kind: One of the above.
        width: H.
        depth: D.
        layer: The fusion layer; see :func:`stages.tagger.layers.resolve_fusion_layer`.
        ratio: Inner width of AIF's branches, relative to H.
        norm: ``layer`` or ``none``: the norm inside AIF's branches.
        dropout: Dropout inside AIF's branches.
        last_share: The ``w`` that AIF starts from, in (0, 1).
    """

    def __init__(
        self,
        kind: str,
        width: int,
        depth: int,
        layer: int,
        ratio: float = 0.25,
        norm: str = "layer",
        dropout: float = 0.0,
        last_share: float = 0.5,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.layer = resolve_fusion_layer(layer, depth) if kind not in ("none", "scalar_mix") else 0
        self.last_share = last_share
        if kind == "dlfa_aif":
            self.local_branch = Branch(width, ratio, norm, dropout)
            self.global_branch = Branch(width, ratio, norm, dropout)
        elif kind == "concat":
            self.project = nn.Linear(2 * width, width)
        elif kind == "scalar_mix":
            self.mix = nn.Parameter(torch.zeros(depth + 1))
            self.scale = nn.Parameter(torch.ones(1))

    @property
    def lower(self) -> Sequence[int]:
        """The lower layers that it reads."""
        if self.kind == "scalar_mix":
            return range(len(self.mix) - 1)
        return (self.layer,) if self.needs_layers else ()

    @property
    def needs_layers(self) -> bool:
        """Whether the encoder must return its lower layers."""
        return self.kind != "none"

    def reset_module(self, module: nn.Module, std: float) -> None:
        """Set the initial weights that a module holds itself; one that is not ours is left alone.

        AIF starts at ``w`` near ``last_share``, concat as a mean.

        transformers never asks custom code to initialise a module that holds modules only, so it
        must be done leaf by leaf.
        """
        if self.kind == "scalar_mix" and module is self:
            nn.init.zeros_(self.mix)
            nn.init.ones_(self.scale)
        elif self.kind == "concat" and module is self.project:
            width = self.project.out_features
            half = torch.eye(width, dtype=self.project.weight.dtype) / 2
            with torch.no_grad():
                self.project.weight.copy_(torch.cat((half, half), dim=1))
            nn.init.zeros_(self.project.bias)
        elif self.kind == "dlfa_aif":
            for branch in (self.local_branch, self.global_branch):
                if isinstance(module, nn.LayerNorm) and module is branch.norm:
                    module.reset_parameters()
                elif module is branch.first or module is branch.second:
                    nn.init.normal_(module.weight, std=std)
                    nn.init.zeros_(module.bias)
            if module is self.local_branch.second:
                share = self.last_share
                nn.init.constant_(module.bias, math.log(share / (1 - share)))

    def forward(self, layers: Sequence[Tensor], mask: Tensor) -> Tensor:
        """Fuse.

        Args:
            layers: D + 1 tensors (B, T, H): the embeddings' output and that of every layer.
            mask: (B, T), 1 for real subwords.

        Returns:
            (B, T, H).
        """
        last = layers[-1]
        if self.kind == "none":
            return last
        if self.kind == "scalar_mix":
            shares = torch.softmax(self.mix, dim=0)
            mixed = shares[0] * layers[0]
            for share, layer in zip(shares[1:], layers[1:], strict=True):
                mixed = mixed + share * layer
            return self.scale * mixed
        lower = layers[self.layer]
        if self.kind == "concat":
            projected: Tensor = self.project(torch.cat((last, lower), dim=-1))
            return projected
        both = last + lower
        if self.kind == "dlfa_sum":
            return both
        # w * last + (1 - w) * lower in one pass.
        return torch.lerp(lower, last, self.gate(both, mask).to(last.dtype))

    def gate(self, both: Tensor, mask: Tensor) -> Tensor:
        """Return AIF's weights of the last layer, (B, T, H), from the sum of both layers."""
        return torch.sigmoid(self.local_branch(both) + self.global_branch(masked_mean(both, mask)))
