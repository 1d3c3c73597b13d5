from __future__ import annotations

import platform

import pytest

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
