"""Students of the same teachers: these label a text once in a run, not once for each student."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from pipeline.progress import Progress
from stages.self_train.teachers import Teachers
from tests.reliability.tiny_run import build_models, contents, write_config
from xlner.api import Runner, load_config

ASKED: list[int] = []


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count the sentences of each text that teachers are asked about."""
    ASKED.clear()
    real = Teachers.distributions

    def distributions(
        self: Teachers, sentences: Iterable[Sequence[str]], advance: Callable[[int], None]
    ) -> Iterator[NDArray[np.float32]]:
        given = list(sentences)
        ASKED.append(len(given))
        return real(self, given, advance)

    monkeypatch.setattr(Teachers, "distributions", distributions)


def run(place: Path, models: Path, jobs: int = 1) -> dict[str, str]:
    place.mkdir()
    arms = ["self_trained", {"bold": {"like": "self_trained", "set": {"self_train.confidence": 0}}}]
    stages = ["prepare", "translate", "align", "project", "synthesize", "train", "self_train"]
    path = write_config(place / "tiny.yaml", models, arms=arms, stages=stages, jobs=jobs)
    Runner(load_config(path), place / "runs", Progress(Console(file=io.StringIO()))).run()
    assert not (place / "runs/tiny/.shared").exists()
    return {k: v for k, v in contents(place / "runs/tiny").items() if "self_train/" in k}


@pytest.mark.slow
def test_a_text_is_labelled_once_for_all_students(
    tmp_path: Path, models: Path, counted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = run(tmp_path / "shared", models)
    once = list(ASKED)
    ASKED.clear()
    monkeypatch.setattr("stages.self_train.rounds.SelfTraining._known_as", lambda *about: None)
    alone = run(tmp_path / "alone", models)
    assert once and [*once, *once] == ASKED
    assert shared == alone and any(k.endswith("model.safetensors") for k in alone)
