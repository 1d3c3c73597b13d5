"""Encoders of BERT's make, taken apart.

BERT, RoBERTa, XLM-R, CamemBERT, ELECTRA and their like share one layer: self-attention and a
feed-forward network, each followed by a residual connection and a layer normalisation.
"""

from __future__ import annotations

from typing import Any, Final

from stages.align.parts import Block, Encoder, Linear, linear_of, norm_of

_FAMILIES: Final = {"bert": 0, "electra": 0, "roberta": 1, "xlm-roberta": 1, "camembert": 1}
"""Families with BERT's modules; 1 where positions are counted from after the padding index."""


def take_apart(encoder: Any, layer: int) -> Encoder | None:
    """Return the first ``layer`` layers of an encoder of Transformers, or ``None``.

    ``None`` says that its family is another, or that it has something that BERT does not have
    (projected embeddings, relative positions, a decoder's mask).
    """
    config = encoder.config
    first = _FAMILIES.get(config.model_type)
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
    return Encoder(
        words=embeddings.word_embeddings.weight.detach(),
        positions=embeddings.position_embeddings.weight.detach()[first:],
        types=embeddings.token_type_embeddings.weight.detach(),
        embedding_norm=norm_of(embeddings.LayerNorm),
        blocks=[_block(module) for module in encoder.encoder.layer[:layer]],
        heads=int(config.num_attention_heads),
        activation=config.hidden_act,
    )


def _block(module: Any) -> Block:
    attention = module.attention.self
    return Block(
        Linear.stacked([linear_of(m) for m in (attention.query, attention.key, attention.value)]),
        linear_of(module.attention.output.dense),
        norm_of(module.attention.output.LayerNorm),
        linear_of(module.intermediate.dense),
        linear_of(module.output.dense),
        norm_of(module.output.LayerNorm),
    )
