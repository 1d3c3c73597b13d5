"""The device that CTranslate2 computes on, and what its precisions are worth there."""

from __future__ import annotations

import functools
import logging

from stages.machine import has_exact_int8

_log = logging.getLogger(__name__)


def resolve_device(device: str) -> str:
    """Return ``cuda`` or ``cpu``; ``auto`` is a GPU where CTranslate2 sees one."""
    if device != "auto":
        return device
    import ctranslate2

    return "cuda" if ctranslate2.get_cuda_device_count() else "cpu"


@functools.cache
def warn_of_inexact_int8(compute_type: str, device: str) -> None:
    """Warn, once per process, where translating in int8 on this CPU loses quality.

    The shipped translator loses 0.2 and 0.6 chrF there, and takes 0.8 of float32's time
    (``benchmarks/translate/precision.py``); int8 stays the default, as a large model needs four
    times the memory in float32.

    Args:
        compute_type: As configured.
        device: ``auto``, ``cpu`` or ``cuda``.
    """
    if not compute_type.startswith("int8") or has_exact_int8() or resolve_device(device) == "cuda":
        return
    _log.warning(
        "compute_type %s is inexact on this processor (AMD without VNNI); --set "
        "translate.compute_type=float32 translates a little better, in four times the memory",
        compute_type,
    )
