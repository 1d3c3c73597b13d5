"""What a ``config.json`` tells about an encoder: layers, positions, the layer that aligns best.

Configurations only: no weights are read and no torch is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

ALIGNMENT_LAYER: Final = "alignment_layer"
"""Key by which a ``config.json`` may say which layer aligns best."""

_SMALLEST_PRETRAINED: Final = 384
"""Width: Multilingual-MiniLM and its kin have 384, multilingual BERT 768."""
_NARROW: Final = 512

OFFSET_POSITIONS: Final = frozenset(
    {
        "camembert",
        "data2vec-text",
        "esm",
        "ibert",
        "longformer",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)
"""Families that count positions from after the padding's number."""


def width(config: Mapping[str, Any]) -> int | None:
    """Return how many numbers a state has, or ``None`` where the configuration does not tell."""
    found = (config[k] for k in ("hidden_size", "d_model", "dim") if isinstance(config.get(k), int))
    return next(found, None)


def is_narrow(config: Mapping[str, Any]) -> bool:
    """Whether it has the width of Multilingual-MiniLM and what was made of it (e5-small)."""
    return _SMALLEST_PRETRAINED <= (width(config) or 0) < _NARROW


def alignment_layer(config: Mapping[str, Any], layers: int, *, translator: bool = False) -> int:
    """Return the layer to link words by when none is named.

    What the configuration says by ``alignment_layer`` goes first. Else the middle layers align
    best: layer 8 of 12 in multilingual BERT (Jalili Sabet et al. 2020), two thirds of the way up; a
    layer lower in Multilingual-MiniLM's kin (7 of 12, docs/alignment.md); the last one in the
    encoder of a translator (TransAlign).
    """
    told = config.get(ALIGNMENT_LAYER)
    if isinstance(told, int) and 0 <= told <= layers:
        return told
    if translator:
        return layers
    lower = 1 if is_narrow(config) and layers >= 12 else 0
    return max(1, round(layers * 2 / 3) - lower)
