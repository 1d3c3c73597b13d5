"""Which layers an encoder has, read from its configuration alone (no torch).

Saved beside the weights of a tagger, so that it imports nothing of this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

FUSIONS: Final = ("none", "dlfa_aif", "dlfa_sum", "concat", "scalar_mix")
"""How the layers of the encoder are combined; see :mod:`stages.tagger.fusion`."""

_LAYER_KEYS: Final = ("num_hidden_layers", "encoder_layers", "n_layers", "num_layers", "n_layer")


def layer_count(config: Mapping[str, Any]) -> int | None:
    """Return the number of encoder layers that a ``config.json`` tells, or ``None``."""
    nested = config.get("encoder")
    if isinstance(nested, Mapping):
        return layer_count(nested)
    found = (config[k] for k in _LAYER_KEYS if isinstance(config.get(k), int))
    return next(found, None)


def depth_of(config: Mapping[str, Any]) -> int:
    """Return the number of transformer layers that a parsed ``config.json`` declares.

    Raises:
        ValueError: If it declares none (it is not an encoder's configuration).
    """
    layers = layer_count(config)
    if layers is None:
        raise ValueError("the model's configuration names no number of layers")
    return layers


_DROPOUT_KEYS = (
    "hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout",
    "dropout", "attention_dropout", "seq_classif_dropout",
    "mlp_dropout", "embedding_dropout", "pooler_dropout",
)  # fmt: skip


def set_dropout(config: object, share: float) -> None:
    """Set every dropout of an encoder's configuration, whatever its family calls them."""
    for key in _DROPOUT_KEYS:
        if hasattr(config, key):
            setattr(config, key, share)


def resolve_fusion_layer(layer: int, depth: int) -> int:
    """Return the index of the lower layer that is fused with the last one.

    Layers are counted like ``hidden_states`` in transformers: 0 is the output of the embeddings,
    ``k`` that of the ``k``-th transformer layer, ``depth`` the last layer. Negative indices count
    from the end: -1 is the last layer (and so not a lower one), -2 the one below it.

    Args:
        layer: 0 … depth - 1, or -(depth + 1) … -2.
        depth: Number of transformer layers.

    Raises:
        ValueError: If that is not a layer below the last one.
    """
    index = layer + depth + 1 if layer < 0 else layer
    if not 0 <= index < depth:
        raise ValueError(
            f"fusion layer {layer} does not exist below the last layer of an encoder with {depth} "
            f"layers; allowed: 0 (embeddings) to {depth - 1}, or {-depth - 1} to -2"
        )
    return index
