"""Encoders of BERT's make, taken apart: what the quick backends compute with.

BERT, RoBERTa, XLM-R, CamemBERT, ELECTRA and their like share one layer: self-attention and a
feed-forward network, each followed by a residual connection and a layer normalisation. Other
families keep to Transformers' own code (:class:`stages.align.layers.TorchLayers`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import torch

FAMILIES: Final = {"bert": 0, "electra": 0, "roberta": 1, "xlm-roberta": 1, "camembert": 1}
"""Families with BERT's modules; 1 where positions are counted from after the padding index."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear map: ``weight`` is ``(out, in)``."""

    weight: torch.Tensor
    bias: torch.Tensor


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
        attention_norm: The normalisation after that.
        up: Into the feed-forward network.
        down: Out of it.
        norm: The normalisation after that.
    """

    qkv: Linear
    out: Linear
    attention_norm: Norm
    up: Linear
    down: Linear
    norm: Norm


@dataclass(frozen=True, slots=True)
class Bert:
    """The lower layers of an encoder.

    Attributes:
        words: ``(vocabulary, width)``.
        positions: ``(positions, width)``, the first row for the first token.
        types: ``(token types, width)``.
        embedding_norm: The normalisation of their sum.
        blocks: The layers that are wanted.
        heads: Attention heads.
        activation: Name of the feed-forward network's function, as in ``config.json``.
    """

    words: torch.Tensor
    positions: torch.Tensor
    types: torch.Tensor
    embedding_norm: Norm
    blocks: list[Block]
    heads: int
    activation: str

    @property
    def width(self) -> int:
        """Size of a hidden state."""
        return int(self.words.shape[1])


def take_apart(encoder: Any, layer: int) -> Bert | None:
    """Return the first ``layer`` layers of an encoder of Transformers, or ``None``.

    ``None`` says that its family is another, or that it has something that BERT does not have
    (projected embeddings, relative positions, a decoder's mask).
    """
    config = encoder.config
    first = FAMILIES.get(config.model_type)
    if first is None or not isinstance(config.hidden_act, str):
        return None
    unlike = (
        getattr(config, "position_embedding_type", "absolute") != "absolute"
        or getattr(config, "is_decoder", False)
        or getattr(config, "embedding_size", config.hidden_size) != config.hidden_size
    )
    if unlike or not hasattr(encoder, "encoder"):
        return None
    if first:
        first += int(config.pad_token_id)
    embeddings = encoder.embeddings
    return Bert(
        embeddings.word_embeddings.weight.detach(),
        embeddings.position_embeddings.weight.detach()[first:],
        embeddings.token_type_embeddings.weight.detach(),
        _norm(embeddings.LayerNorm),
        [_block(module) for module in encoder.encoder.layer[:layer]],
        int(config.num_attention_heads),
        config.hidden_act,
    )


def _block(module: Any) -> Block:
    import torch

    attention = module.attention.self
    parts = [_linear(m) for m in (attention.query, attention.key, attention.value)]
    return Block(
        Linear(torch.cat([p.weight for p in parts]), torch.cat([p.bias for p in parts])),
        _linear(module.attention.output.dense),
        _norm(module.attention.output.LayerNorm),
        _linear(module.intermediate.dense),
        _linear(module.output.dense),
        _norm(module.output.LayerNorm),
    )


def _linear(module: Any) -> Linear:
    return Linear(module.weight.detach(), module.bias.detach())


def _norm(module: Any) -> Norm:
    return Norm(module.weight.detach(), module.bias.detach(), float(module.eps))
