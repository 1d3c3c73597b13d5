"""Fixtures: tiny checkpoints, built once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.tiny.encoders import build_family


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that gives the folder of a tiny encoder of a family."""
    folder = tmp_path_factory.mktemp("families")
    return cache(lambda name: build_family(name, folder))
