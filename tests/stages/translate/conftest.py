from __future__ import annotations

from pathlib import Path

import pytest

from tests.stages.translate import tiny_models


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder with a tiny checkpoint of every family."""
    root = tmp_path_factory.mktemp("translators")
    tiny_models.build_marian(root / "opus-mt-en-de")
    tiny_models.build_marian(
        root / "multi", tags=(">>de<<", ">>swa<<", ">>cmn_Hans<<", ">>en<<"), pair=None
    )
    tiny_models.build_m2m100(root / "m2m100")
    tiny_models.build_nllb(root / "nllb")
    return root


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("converted")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLNER_CACHE", str(cache))
