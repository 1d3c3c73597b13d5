"""Where the layers of an encoder are: what cuts, freezes and weighs them looks for them here."""

from __future__ import annotations

from typing import Any

from torch import nn


def layer_stack(encoder: Any) -> tuple[str, nn.ModuleList] | None:
    """Return the transformer layers of an encoder and the name of their list.

    ``None`` where they do not stand in one list: they are shared (ALBERT) or spread (XLM).
    """
    count = encoder.config.num_hidden_layers  # every family's name for it leads there
    for name, module in encoder.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return name, module
    return None
