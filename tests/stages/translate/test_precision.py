from __future__ import annotations

import logging

import pytest

from stages.translate import precision


@pytest.mark.parametrize(
    ("compute_type", "device", "exact", "warned"),
    [
        ("int8", "cpu", False, True),
        ("int8_float32", "auto", False, True),
        ("int8", "cpu", True, False),
        ("int8", "cuda", False, False),
        ("bfloat16", "cpu", False, False),
    ],
)
def test_int8_is_warned_of_once_where_it_is_inexact(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    compute_type: str,
    device: str,
    exact: bool,
    warned: bool,
) -> None:
    import ctranslate2

    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 0)
    monkeypatch.setattr(precision, "has_exact_int8", lambda: exact)
    monkeypatch.setattr(logging.getLogger("stages"), "propagate", True)
    precision.warn_of_inexact_int8.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            precision.warn_of_inexact_int8(compute_type, device)
    assert len(caplog.records) == warned
    precision.warn_of_inexact_int8.cache_clear()
