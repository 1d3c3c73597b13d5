"""Fixtures: a tiny encoder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny.encoders import build_family


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_family("bert", tmp_path_factory.mktemp("families"))
