"""Who computes the encoder: torch without padding, torch by Transformers' code, or CTranslate2."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pipeline.errors import ConfigError
from stages.align import bert, seq2seq
from stages.align.ctranslate import QUANTISATIONS, CTranslateLayers, converted_encoder
from stages.align.layers import Dtype, Layers, TorchLayers, load_encoder
from stages.align.packed import PackedLayers, supported
from stages.machine import has_exact_int8

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

Backend = Literal["auto", "torch", "ctranslate2"]

# More tokens at once are no faster on a CPU: states of 1,024 tokens still fit its caches.
_ROWS: Final = 1024
# How far states may be from those of Transformers' own code, as a share of their length. What is
# not meant to be there (an operation that this processor gets wrong) is off by far more.
_TOLERANCE: Final = {"float32": 1e-4, "bfloat16": 0.1, "int8": 0.2}

_log = logging.getLogger(__name__)


def encoder_layers(
    folder: Path,
    layer: int,
    dtype: Dtype = "float32",
    device: str = "cpu",
    backend: Backend = "auto",
    batch_tokens: int = 2048,
) -> Layers:
    """Load the lower layers of an encoder into the backend that is to compute them.

    ``auto`` is torch, which was the quickest in every precision (docs/alignment.md).

    Args:
        folder: The checkpoint.
        layer: The layer whose output is wanted (:func:`stages.align.layers.layer_to_read`); 0 for
            the embeddings.
        dtype: The precision.
        device: A torch device.
        backend: Who computes.
        batch_tokens: The most tokens that it will get at once.

    Raises:
        ConfigError: If the backend cannot do that.
        ModelError: If the checkpoint cannot be loaded.
    """
    import torch

    encoder = load_encoder(folder)
    if backend == "ctranslate2":
        problem = ctranslate2_problem(encoder.config.to_dict(), layer, dtype, device)
        converted = None if problem else converted_encoder(folder, encoder, layer, dtype)
        if converted is None:
            problem = problem or f"CTranslate2 does not know {folder}'s kind; use 'torch'"
            raise ConfigError(f"align.backend: {problem}")
        converted_layers = CTranslateLayers(converted, dtype, torch.get_num_threads())
        whole = TorchLayers(folder, layer, encoder=encoder)
        if not _agree(converted_layers, whole, _TOLERANCE[dtype]):
            raise ConfigError(
                f"align.backend: CTranslate2's {dtype} states of {folder} are far from those of "
                f"Transformers on this processor; use 'torch'"
            )
        return converted_layers
    parts = None
    if torch.device(device).type == "cpu" and supported(dtype):
        parts = bert.take_apart(encoder, layer) or seq2seq.take_apart(encoder, layer)
    if parts is not None:
        packed = PackedLayers(parts, dtype, min(batch_tokens, _ROWS))
        whole = TorchLayers(folder, layer, encoder=encoder)
        if _agree(packed, whole, _TOLERANCE[dtype]):
            return packed
        _log.warning("%s: computing without padding goes wrong here; computing with it", folder)
        encoder = load_encoder(folder)
    return TorchLayers(folder, layer, dtype, device, encoder=encoder)


def ctranslate2_problem(
    config: Mapping[str, Any], layer: int | None, dtype: str, device: str
) -> str | None:
    """Return why CTranslate2 cannot compute an encoder, or ``None``; reads no weights."""
    if device == "cuda":
        return "'ctranslate2' runs on the CPU here; allowed on cuda: auto, torch"
    if dtype not in QUANTISATIONS:
        return f"'ctranslate2' has no {dtype} on the CPU; it has: {', '.join(QUANTISATIONS)}"
    if dtype == "int8" and not has_exact_int8():
        return (
            "'ctranslate2' gets int8 wrong on this processor (AMD without VNNI); use 'torch', "
            "or dtype float32"
        )
    if layer == 0:
        return "'ctranslate2' needs a layer of 1 or more"
    family = config.get("model_type")
    if family not in bert.FAMILIES:
        known = ", ".join(sorted(bert.FAMILIES))
        return f"'ctranslate2' takes {known} here, not {family}; use 'torch'"
    return None


def _agree(ours: Layers, whole: Layers, tolerance: float) -> bool:
    """Whether two ways of computing give one result, on two short made-up sentences."""
    probe = [[2, 3, 5, 7, 11, 13], [4, 6, 8, 9]]
    try:
        given, expected = ours(probe), whole(probe)
    except RuntimeError:
        # An operation that this build of torch, or this processor, does not have.
        return False
    return bool((given - expected).norm() <= tolerance * expected.norm())
