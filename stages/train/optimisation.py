"""How much each layer learns: layer-wise decay (LLRD), frozen layers, a rate for the head."""

from __future__ import annotations

import re
from typing import Any

from torch import nn

from stages.encoder_layers import layer_stack


def parameter_groups(
    model: nn.Module,
    decay_names: set[str],
    *,
    learning_rate: float,
    head_learning_rate: float,
    layer_decay: float,
    weight_decay: float,
) -> list[dict[str, Any]]:
    """Group the parameters of a layer-fused tagger by learning rate and weight decay.

    The encoder's last layer has ``learning_rate``, each layer below it ``layer_decay`` times that
    of the one above, and the embeddings that of the first layer times ``layer_decay`` once more.
    What is not in a layer (a final norm, relative positions) goes with the last layer.

    Args:
        model: A ``LayerFusedForTokenClassification``.
        decay_names: Names of the parameters that weight decay applies to.
        learning_rate: Peak rate of the encoder.
        head_learning_rate: Peak rate of everything above it.
        layer_decay: Factor per layer.
        weight_decay: For ``decay_names``.
    """
    height = _Heights(model)
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.startswith("encoder."):
            rate = learning_rate * layer_decay ** (height.top - height(name))
        else:
            rate = head_learning_rate
        decay = weight_decay if name in decay_names else 0.0
        group = groups.setdefault((rate, decay), {"params": [], "lr": rate, "weight_decay": decay})
        group["params"].append(parameter)
    return list(groups.values())


def freeze_layers(model: nn.Module, layers: int, embeddings: bool = False) -> float:
    """Keep the embeddings and the lowest layers of a layer-fused tagger as they are.

    Multilingual encoders transfer better with their lower layers frozen (Wu and Dredze 2019,
    arXiv 1904.09077).

    Args:
        model: A ``LayerFusedForTokenClassification``.
        layers: How many layers; above 0 the embeddings stay as they are, too.
        embeddings: Whether the embeddings stay as they are in any case.

    Returns:
        The share of the layers that stay as they are.

    Raises:
        ValueError: If the encoder has fewer layers.
    """
    if not layers and not embeddings:
        return 0.0
    height = _Heights(model)
    if layers > height.top:
        raise ValueError(f"freeze_layers is {layers}, but the encoder has {height.top} layers")
    for name, parameter in model.named_parameters():
        if name.startswith("encoder.") and height(name) <= layers:
            parameter.requires_grad_(False)
    return layers / height.top


class _Heights:
    """Tells how high a parameter of the encoder lies: 0 the embeddings, k the k-th layer."""

    def __init__(self, model: nn.Module) -> None:
        encoder: Any = model.encoder
        self.top = int(encoder.config.num_hidden_layers)
        found = layer_stack(encoder)
        self._layer = re.compile(rf"encoder\.{re.escape(found[0])}\.(\d+)\.") if found else None

    def __call__(self, name: str) -> int:
        match = self._layer.match(name) if self._layer else None
        if match:
            return int(match.group(1)) + 1
        return 0 if "embeddings" in name.split(".") else self.top
