"""Learning rates by depth: layer-wise decay (LLRD), and a rate of its own for the head."""

from __future__ import annotations

import re
from typing import Any

from torch import nn

from stages.train.layers import depth_of


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
    encoder: Any = model.encoder
    depth = depth_of(encoder.config.to_dict())
    stack = next(
        (n for n, m in encoder.named_modules() if isinstance(m, nn.ModuleList) and len(m) == depth),
        None,
    )
    layer = re.compile(rf"encoder\.{re.escape(stack or '')}\.(\d+)\.") if stack else None
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        match = layer.match(name) if layer else None
        if not name.startswith("encoder."):
            rate = head_learning_rate
        elif match:
            rate = learning_rate * layer_decay ** (depth - 1 - int(match.group(1)))
        elif "embeddings" in name:
            rate = learning_rate * layer_decay**depth
        else:
            rate = learning_rate
        decay = weight_decay if name in decay_names else 0.0
        group = groups.setdefault((rate, decay), {"params": [], "lr": rate, "weight_decay": decay})
        group["params"].append(parameter)
    return list(groups.values())
