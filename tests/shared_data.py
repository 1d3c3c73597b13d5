"""Finds the real corpora beside the checkout; tests that need them skip where they are absent."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


def shared_data(*parts: str) -> Path:
    """Return ``../shared/data/<parts>``, or skip the calling test with a reason."""
    path = ROOT.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"real corpora are not beside the checkout: {path} does not exist")
    return path
