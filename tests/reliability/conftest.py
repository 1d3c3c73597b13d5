"""One zygote and one run that nothing happened to, for all kills."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.artifacts import RunFolder
from tests.reliability.tiny_run import build_models, contents, files, write_config
from tests.reliability.zygote import Zygote


@dataclass(frozen=True, slots=True)
class Clean:
    """What a run left that nothing happened to.

    Attributes:
        folder: Where it was started.
        seconds: How long it took.
        stages: How long its stages took.
        contents: Hashes of its data, models and scores.
        files: All files and folders, by place.
    """

    folder: Path
    seconds: float
    stages: dict[str, float]
    contents: dict[str, str]
    files: set[str]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_models(tmp_path_factory.mktemp("reliability-models"))


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    with Zygote() as process:
        yield process


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory, models: Path, zygote: Zygote) -> Clean:
    folder = tmp_path_factory.mktemp("clean")
    ended = zygote.run([str(write_config(folder / "tiny.yaml", models))], folder)
    assert ended.code == 0, ended.told
    run = folder / "artifacts/runs/tiny"
    stages: dict[str, float] = {}
    for artifact in RunFolder(run).artifacts():
        stage = artifact.manifest.stage
        stages[stage] = stages.get(stage, 0) + artifact.manifest.seconds
    return Clean(folder, ended.seconds, stages, contents(run), files(folder))
