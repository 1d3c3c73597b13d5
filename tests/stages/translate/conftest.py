from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny import translators


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder with a tiny checkpoint of every family."""
    root = tmp_path_factory.mktemp("translators")
    translators.build_marian(root / "opus-mt-en-de")
    translators.build_marian(
        root / "multi", tags=(">>de<<", ">>swa<<", ">>cmn_Hans<<", ">>en<<"), pair=None
    )
    translators.build_m2m100(root / "m2m100")
    translators.build_nllb(root / "nllb")
    translators.build_mbart50(root / "mbart50")
    translators.build_bart(root / "bart")
    translators.build_t5(root / "madlad", tags=("<2en>", "<2de>", "<2sw>", "<2zh_Latn>"))
    tasks = (
        ("summarization", "summarize:"),
        ("translation_en_to_de", "translate English to German:"),
        ("translation_en_to_fr", "translate English to French:"),
    )
    translators.build_t5(root / "t5", tasks=tasks)
    return root


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("converted")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLNER_CACHE", str(cache))
