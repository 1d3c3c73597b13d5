"""The machine: what it is called, and what it computes quickly."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path
from typing import Literal

from pipeline.errors import ConfigError


def hardware() -> str:
    """The processor or GPU in a few words, for manifests and model cards."""
    import torch

    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    name = _processor("model name") or platform.processor() or platform.machine()
    return f"{os.cpu_count()} CPU cores, {name}"


def has_bfloat16(device_type: str) -> bool:
    """Whether bfloat16 is quicker than float32 there: a GPU that has it, AMX, or AMD's AVX512-bf16.

    Intel's processors with AVX512-bf16 have AMX, too; where a virtual machine hides that, float32
    is 1.7 times as quick.

    Args:
        device_type: ``cuda`` or ``cpu``.
    """
    import torch

    if device_type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    flags = (_processor("flags") or "").split()
    amd = _processor("vendor_id") == "AuthenticAMD"
    return "amx_bf16" in flags or (amd and "avx512_bf16" in flags)


def fastest_precision(device: str) -> Literal["bfloat16", "float32"]:
    """Return what ``auto`` means for a precision on a device (``auto``, ``cpu`` or ``cuda``)."""
    kind = torch_device(device) if device == "auto" else device  # planned here, done elsewhere
    return "bfloat16" if has_bfloat16(kind) else "float32"


def prefers_mkl() -> bool:
    """Whether MKL, which torch multiplies float32 with, is at its best on this processor.

    On others than Intel's it keeps to old instructions: on an AMD EPYC with AVX-512, oneDNN was 2.3
    times as quick.
    """
    import torch

    return bool(torch.backends.mkl.is_available()) and _processor("vendor_id") in (
        None,
        "GenuineIntel",
    )


def has_exact_int8() -> bool:
    """Whether CTranslate2 multiplies bytes without overflow on this processor.

    Without VNNI, oneDNN adds two products of bytes in sixteen bits, which cuts off what does not
    fit. On Intel's processors CTranslate2 multiplies with MKL, on Arm with Ruy; both are exact.
    """
    if platform.machine().lower() in ("arm64", "aarch64"):
        return True
    if _processor("vendor_id") == "GenuineIntel" or platform.system() == "Darwin":
        return True
    return has_vnni()


def has_vnni() -> bool:
    """Whether the processor adds products of bytes in thirty-two bits (VNNI)."""
    flags = (_processor("flags") or "").split()
    return "avx512_vnni" in flags or "avx_vnni" in flags


def torch_device(name: str | None) -> str:
    """Return the torch device of a name: ``auto`` (or none) is a GPU if there is one, else the CPU.

    Raises:
        ConfigError: If torch has no such device, or sees none here.
    """
    import torch

    count = torch.cuda.device_count()
    if name is None or name == "auto":
        return "cuda" if count else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device {name!r}: allowed: auto, cpu, cuda, cuda:0 …") from None
    if device.type == "cuda" and (device.index or 0) >= count:
        raise ConfigError(
            f"device {name!r}: torch sees {count or 'no'} GPU{'s' * (count > 1)} here"
        )
    return name


@functools.cache
def compute_in_forked_processes() -> None:
    """Have processes that this one forks compute with torch, in one thread.

    The threads that compute here are not there, and OpenMP (libgomp) would wait for them for ever:
    ``datasets.map(num_proc=2)``, ``nlp.pipe(n_process=2)``, ``multiprocessing``. The workers of
    torch's DataLoader have one thread for the same reason.
    """
    import torch

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def _processor(what: str) -> str | None:
    """Return what Linux says of the first processor, or ``None``."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == what:
                return value.strip()
    return None
