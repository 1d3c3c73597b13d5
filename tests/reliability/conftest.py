"""Runs of a Python that has all loaded, and one run that nothing happened to, for all kills."""

from __future__ import annotations

import contextlib
import os
import pkgutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import pipeline
import stages
from pipeline.artifacts import RunFolder
from tests.reliability.tiny_run import build_models, contents, files, write_config
from tests.warm import Warm

_MAIN = """
import os, sys
os.write(1, b"%d\\n" % os.getpid())
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
sys.argv[0] = "run_pipeline"
from xlner.commands.run import main
main()
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: exit code (negative: the signal), seconds, standard error."""

    code: int
    seconds: float
    told: str


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts runs.

    Attributes:
        python: A Python that has all loaded.
    """

    python: Path

    def run(
        self,
        args: Sequence[str],
        cwd: Path,
        *,
        after: float | None = None,
        stage: Path | None = None,
        sent: int = signal.SIGKILL,
    ) -> Ended:
        """Run ``run_pipeline ARGS`` in a folder, with a cache of its own for converted models.

        Args:
            args: The arguments.
            cwd: The folder.
            after: Send a signal so many seconds after the start.
            stage: Or after work on something in this folder began.
            sent: The signal.
        """
        # What a killed run leaves of processes may still hold what it writes to: no pipe.
        with tempfile.TemporaryFile("w+", encoding="utf-8") as told:
            process = subprocess.Popen(
                [self.python, "-c", _MAIN, *args],
                cwd=cwd,
                env=os.environ
                | {
                    "COLUMNS": "200",
                    "HF_HUB_OFFLINE": "1",
                    "XLNER_CACHE": str(cwd / "cache"),
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=told,
            )
            assert process.stdout is not None
            pid = int(process.stdout.readline())
            process.stdout.close()
            started = time.monotonic()
            deadline = None if after is None or stage is not None else started + after
            while after is not None and process.poll() is None:
                now = time.monotonic()
                if deadline is None and stage is not None and any(stage.rglob("*.partial")):
                    deadline = now + after
                if deadline is not None and now >= deadline:
                    with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                        os.kill(pid, sent)
                    break
                time.sleep(0.0005)
            code = process.wait()
            seconds = time.monotonic() - started
            told.seek(0)
            return Ended(code, seconds, told.read())


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
def starter(warm_python: Path) -> Iterator[Starter]:
    ours = (
        module.name
        for package in (pipeline, stages)
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        # Not installed everywhere, and not part of the run.
        if module.name not in ("pipeline.engine.ray", "pipeline.formats.spacy_docbin")
    )
    with Warm(*ours, "xlner.commands.run", python=warm_python) as python:
        yield Starter(python)


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory, models: Path, starter: Starter) -> Clean:
    folder = tmp_path_factory.mktemp("clean")
    ended = starter.run([str(write_config(folder / "tiny.yaml", models))], folder)
    assert ended.code == 0, ended.told
    run = folder / "artifacts/runs/tiny"
    stages: dict[str, float] = {}
    for artifact in RunFolder(run).artifacts():
        stage = artifact.manifest.stage
        stages[stage] = stages.get(stage, 0) + artifact.manifest.seconds
    return Clean(folder, ended.seconds, stages, contents(run), files(folder))
