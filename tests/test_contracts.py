"""The import contracts hold, and fail where one is broken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def lint(place: Path) -> tuple[int, str]:
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / "pyproject.toml", place)
    for package in ("pipeline", "stages", "model_recipes", "xlner"):
        shutil.copytree(
            ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return place


def test_the_contracts_hold(copied: Path) -> None:
    code, told = lint(copied)
    assert code == 0, told


@pytest.mark.parametrize(
    ("module", "line", "told"),
    [
        ("pipeline/kinds.py", "import stages.arms", "pipeline is not allowed to import stages"),
        ("stages/arms.py", "import xlner.api", "stages is not allowed to import xlner"),
        (
            "stages/align/text.py",
            "import stages.train.config",
            "stages.align is not allowed to import stages.train",
        ),
        (
            "stages/arms.py",
            "import model_recipes.shared.loop",
            "stages is not allowed to import model_recipes",
        ),
        ("stages/align/setting.py", "import stages.align.kinds.base", "No cycles are allowed in"),
    ],
)
def test_a_violation_is_found(copied: Path, module: str, line: str, told: str) -> None:
    path = copied / module
    whole = path.read_text(encoding="utf-8")
    try:
        path.write_text(f"{whole}\n\ndef planted() -> None:\n    {line}\n", encoding="utf-8")
        code, found = lint(copied)
    finally:
        path.write_text(whole, encoding="utf-8")
    assert code == 1 and told in found, found
