"""The machine: what it is called, and whether it computes in bfloat16."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def hardware() -> str:
    """The processor or GPU in a few words, for manifests and model cards."""
    import torch

    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{os.cpu_count()} CPU cores, {name}"


def has_bfloat16(device_type: str) -> bool:
    """Whether bfloat16 is quicker than float32 there: a GPU that has it, or AMX or AVX512-bf16.

    Args:
        device_type: ``cuda`` or ``cpu``.
    """
    import torch

    if device_type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    information = Path("/proc/cpuinfo")
    if not information.is_file():
        return False
    flags = information.read_text(encoding="utf-8")
    return "amx_bf16" in flags or "avx512_bf16" in flags
