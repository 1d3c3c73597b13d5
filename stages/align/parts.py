"""The parts that encoders are taken apart into: what the quick backends compute with.

Which families can be taken apart is said in :mod:`stages.align.bert` and
:mod:`stages.align.seq2seq`; others keep to Transformers' own code
(:class:`stages.align.layers.TorchLayers`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear map: ``weight`` is ``(out, in)``."""

    weight: torch.Tensor
    bias: torch.Tensor

    @classmethod
    def stacked(cls, maps: Sequence[Linear]) -> Linear:
        """Return maps of one input as one, their outputs one below the other."""
        import torch

        return cls(torch.cat([m.weight for m in maps]), torch.cat([m.bias for m in maps]))


@dataclass(frozen=True, slots=True)
class Norm:
    """A layer normalisation."""

    weight: torch.Tensor
    bias: torch.Tensor
    eps: float


@dataclass(frozen=True, slots=True)
class Block:
    """One layer.

    Attributes:
        qkv: Query, key and value, one below the other.
        out: What follows attention.
        attention_norm: The normalisation after that, or before attention.
        up: Into the feed-forward network.
        down: Out of it.
        norm: The normalisation after that, or before the network.
    """

    qkv: Linear
    out: Linear
    attention_norm: Norm
    up: Linear
    down: Linear
    norm: Norm


@dataclass(frozen=True, slots=True)
class Encoder:
    """The lower layers of an encoder.

    Attributes:
        words: ``(vocabulary, width)``.
        positions: ``(positions, width)``, the first row for the first token.
        types: ``(token types, width)``, if there are any.
        embedding_norm: The normalisation of their sum, if any.
        blocks: The layers that are wanted.
        heads: Attention heads.
        activation: Name of the feed-forward network's function, as in ``config.json``.
        scale: What word embeddings are multiplied by.
        pre_norm: Whether layers normalise what they take in, not what they give out.
        final_norm: The normalisation of the last layer's output, if any.
    """

    words: torch.Tensor
    positions: torch.Tensor
    types: torch.Tensor | None
    embedding_norm: Norm | None
    blocks: list[Block]
    heads: int
    activation: str
    scale: float = 1.0
    pre_norm: bool = False
    final_norm: Norm | None = None


def linear_of(module: Any) -> Linear:
    """Return the weights of a ``torch.nn.Linear``."""
    return Linear(module.weight.detach(), module.bias.detach())


def norm_of(module: Any) -> Norm:
    """Return the weights of a ``torch.nn.LayerNorm``."""
    return Norm(module.weight.detach(), module.bias.detach(), float(module.eps))
