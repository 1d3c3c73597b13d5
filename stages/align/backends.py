"""Who computes the encoder: torch without padding, or torch by Transformers' code."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import torch

from stages.align.layers import Dtype, Layers, TorchLayers, load_encoder
from stages.align.packed import PackedLayers, of_a_family, supported

# More tokens at once are no faster on a CPU: states of 1,024 tokens still fit its caches.
_ROWS: Final = 1024
# How far states may be from those of Transformers' own code, as a share of their length. What is
# not meant to be there (an operation that this processor gets wrong) is off by far more.
_TOLERANCE: Final = {"float32": 1e-4, "bfloat16": 0.1, "int8": 0.2}

_PROBE: Final = ([2, 3, 5, 7, 11, 13], [4, 6, 8, 9])

# Times that sentences of so many tokens are computed at once, to see whether that changes them.
_LENGTHS: Final = (3, 5, 9, 13)
_TIMES: Final = (1, 4, 16)

_log = logging.getLogger(__name__)


def encoder_layers(
    folder: Path,
    layer: int,
    dtype: Dtype = "float32",
    device: str = "cpu",
    batch_tokens: int = 2048,
    learnt: Path | None = None,
) -> Layers:
    """Load the lower layers of an encoder into what computes them quickest (docs/alignment.md).

    Args:
        folder: The checkpoint.
        layer: The layer whose output is wanted (:func:`stages.align.layers.layer_to_read`); 0 for
            the embeddings.
        dtype: The precision.
        device: A torch device.
        batch_tokens: The most tokens that it will get at once.
        learnt: Weights that take the place of its own.

    Raises:
        ModelError: If the checkpoint cannot be loaded.
    """
    encoder = load_encoder(folder, learnt)
    if torch.device(device).type == "cpu" and supported(dtype) and of_a_family(encoder):
        whole = TorchLayers(folder, layer, encoder=encoder)
        expected = whole(_PROBE)
        packed = PackedLayers(whole, dtype, min(batch_tokens, _ROWS))
        if _agrees(packed, expected, _TOLERANCE[dtype]):
            return packed
        _log.warning("%s: computing without padding goes wrong here; computing with it", folder)
        encoder = load_encoder(folder, learnt)
    return TorchLayers(folder, layer, dtype, device, encoder=encoder)


def _agrees(layers: Layers, expected: torch.Tensor, tolerance: float) -> bool:
    """Whether a way of computing gives what is expected of two short made-up sentences."""
    try:
        given = layers(_PROBE)
    except RuntimeError:
        # An operation that this build of torch, or this processor, does not have.
        return False
    return bool((given - expected).norm() <= tolerance * expected.norm())


def independent(layers: Layers) -> bool:
    """Whether a sentence's states are the same to the bit whatever it is computed with.

    Tried on made-up sentences: each alone, all together, in large and in full batches. Padding,
    activations quantised per batch, and products that add up in another order where there are more
    rows all show there.
    """
    if layers.padded:
        return False
    sentences = [[2 + (k * length) % 11 for k in range(length)] for length in _LENGTHS]
    alone = torch.cat([layers([s]) for s in sentences])
    full = (layers.rows or 0) // len(alone)
    times = [n for n in (*_TIMES, full) if n]
    return all(torch.equal(layers(sentences * n)[: len(alone)], alone) for n in times)
