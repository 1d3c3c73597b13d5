"""A process loads a model once for all tasks that ask for it one after another."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.loaded import keeping, loaded, unload
from pipeline.progress import Progress
from tests.reliability.tiny_run import build_models, write_config
from xlner.api import Runner, load_config


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    unload()
    yield
    unload()


def model(folder: Path) -> Path:
    folder.mkdir()
    (folder / "weights").write_text("1")
    return folder


def test_a_model_is_loaded_again_only_where_something_differs(tmp_path: Path) -> None:
    one, two, three = (model(tmp_path / n) for n in ("one", "two", "three"))
    first = loaded(one, "bfloat16", object)
    assert loaded(one, "bfloat16", object) is not first, "nothing is kept outside of runs"
    with keeping():
        kept = loaded(one, "bfloat16", object)
        assert loaded(one, "bfloat16", object) is kept
        assert loaded(one, "float32", object) is not kept
        assert loaded(one, "bfloat16", object) is kept
        loaded(two, "bfloat16", object)
        loaded(three, "bfloat16", object)
        assert loaded(one, "bfloat16", object) is not kept, "two are kept"
        kept = loaded(one, "bfloat16", object)
        (one / "weights").write_text("12")
        assert loaded(one, "bfloat16", object) is not kept, "its files have changed"
        kept = loaded(one, "bfloat16", object)
        unload()
        assert loaded(one, "bfloat16", object) is not kept


def counting(counts: Counter[str], name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        counts[name] += 1
        return real(*args, **kwargs)

    return call


@pytest.mark.slow
def test_a_run_loads_translator_encoder_and_taggers_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ctranslate2

    from stages.align import backends
    from stages.predict import worker

    counts: Counter[str] = Counter()
    for name, where in (
        ("Translator", ctranslate2),
        ("load_encoder", backends),
        ("load_tagger", worker),
    ):
        monkeypatch.setattr(where, name, counting(counts, name, getattr(where, name)))
    models = build_models(tmp_path / "models")
    stages = ["prepare", "translate", "align", "project", "train", "predict"]
    changes: dict[str, Any] = {"languages": ["de", "es"], "arms": ["zero_shot", "projected"]}
    path = write_config(tmp_path / "tiny.yaml", models, stages=stages, **changes)
    Runner(load_config(path), tmp_path / "runs", Progress(Console(file=io.StringIO()))).run()
    assert counts == {"Translator": 1, "load_encoder": 1, "load_tagger": 2}
