from __future__ import annotations

import platform

import pytest
import torch

from pipeline.errors import ConfigError
from stages import machine


@pytest.mark.parametrize(
    ("architecture", "vendor", "flags", "exact"),
    [
        ("x86_64", "AuthenticAMD", "fma avx2", False),
        ("x86_64", "AuthenticAMD", "avx2 avx512f avx512_vnni", True),
        ("x86_64", "AuthenticAMD", "avx2 avx_vnni", True),
        ("x86_64", "GenuineIntel", "avx2", True),
        ("aarch64", None, None, True),
        ("AMD64", None, None, False),  # Windows tells nothing: no risk is taken
    ],
)
def test_which_processors_multiply_bytes_exactly(
    monkeypatch: pytest.MonkeyPatch,
    architecture: str,
    vendor: str | None,
    flags: str | None,
    exact: bool,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: architecture)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(machine, "_processor", {"vendor_id": vendor, "flags": flags}.get)
    assert machine.has_exact_int8() is exact


@pytest.mark.parametrize(
    ("vendor", "flags", "quicker"),
    [
        ("AuthenticAMD", "avx512f avx512_bf16", True),
        ("GenuineIntel", "avx512f avx512_bf16 amx_bf16", True),
        ("GenuineIntel", "avx512f avx512_bf16", False),  # AMX hidden by a virtual machine
        ("AuthenticAMD", "fma avx2", False),
        (None, None, False),
    ],
)
def test_on_which_processors_bfloat16_is_quicker(
    monkeypatch: pytest.MonkeyPatch, vendor: str | None, flags: str | None, quicker: bool
) -> None:
    monkeypatch.setattr(machine, "_processor", {"vendor_id": vendor, "flags": flags}.get)
    assert machine.has_bfloat16("cpu") is quicker
    assert machine.fastest_precision("cpu") == ("bfloat16" if quicker else "float32")


def test_a_device_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert machine.torch_device(None) == machine.torch_device("auto") == "cpu"
    with pytest.raises(ConfigError, match="'cuda': torch sees no GPU here"):
        machine.torch_device("cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [machine.torch_device(d) for d in (None, "cuda:1", "cpu")] == ["cuda", "cuda:1", "cpu"]
    with pytest.raises(ConfigError, match="'cuda:2': torch sees 2 GPUs here"):
        machine.torch_device("cuda:2")
    with pytest.raises(ConfigError, match="'nix': allowed: auto, cpu, cuda, cuda:0"):
        machine.torch_device("nix")
