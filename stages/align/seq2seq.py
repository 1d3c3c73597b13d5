"""Encoders of translation models, taken apart: Marian's, M2M100's and NLLB's."""

from __future__ import annotations

from typing import Any, Final

from stages.align.parts import Block, Encoder, Linear, linear_of, norm_of

_FAMILIES: Final = ("marian", "m2m_100")


def take_apart(encoder: Any, layer: int) -> Encoder | None:
    """Return the first ``layer`` layers of a translator's encoder of Transformers, or ``None``.

    ``None`` says that its family is another.
    """
    config = encoder.config
    if config.model_type not in _FAMILIES or not isinstance(config.activation_function, str):
        return None
    pre_norm = config.model_type == "m2m_100"
    positions = encoder.embed_positions
    if pre_norm:
        # Positions are counted from after the padding index.
        table = positions.weights.detach()[positions.padding_idx + 1 :]
        scale = float(encoder.embed_tokens.embed_scale)
    else:
        table = positions.weight.detach()
        scale = float(encoder.embed_scale)
    whole = layer == len(encoder.layers)
    return Encoder(
        words=encoder.embed_tokens.weight.detach(),
        positions=table,
        types=None,
        embedding_norm=None,
        blocks=[_block(module) for module in encoder.layers[:layer]],
        heads=int(config.encoder_attention_heads),
        activation=config.activation_function,
        scale=scale,
        pre_norm=pre_norm,
        final_norm=norm_of(encoder.layer_norm) if pre_norm and whole else None,
    )


def _block(module: Any) -> Block:
    attention = module.self_attn
    parts = (attention.q_proj, attention.k_proj, attention.v_proj)
    return Block(
        Linear.stacked([linear_of(m) for m in parts]),
        linear_of(attention.out_proj),
        norm_of(module.self_attn_layer_norm),
        linear_of(module.fc1),
        linear_of(module.fc2),
        norm_of(module.final_layer_norm),
    )
