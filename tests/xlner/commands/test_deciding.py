"""Thresholds that are moved after a finished run: decided anew in seconds, no model loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.artifacts import RunFolder
from pipeline.stage import Ref

CHECKED = """
import sys
from xlner.commands.run import main
sys.argv[0] = "run_pipeline"
try:
    main()
finally:
    loaded = [m for m in ("torch", "ctranslate2", "transformers") if m in sys.modules]
    print("loaded:", loaded, file=sys.stderr)
"""
SMALL = [
    "languages=[de]",
    "data.train.limit=6",
    "part_rows=3",
    "align.aligner=statistical",
]
STRICT = ["project.filters.min_score=0.97", "project.filters.comp_source=true"]


def run(
    python: str | Path, runs: Path, *arguments: str, sets: list[str] = SMALL
) -> subprocess.CompletedProcess[str]:
    given = [x for s in sets for x in ("--set", s)]
    command = [python, "-c", CHECKED, "sample_projection", *given, *arguments]
    found = subprocess.run(
        [*command, "--runs-dir", str(runs)], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    return found


@pytest.mark.slow
def test_filters_that_move_are_decided_anew_without_a_model(
    tmp_path: Path, warm_python: Path
) -> None:
    run(warm_python, tmp_path / "moved")
    plan = run(warm_python, tmp_path / "moved", "--dry-run", sets=SMALL + STRICT).stdout
    assert "decided anew: filters.min_score was 0.2, is now 0.97" in " ".join(plan.split())
    found = run(sys.executable, tmp_path / "moved", "--until", "project", sets=SMALL + STRICT)
    assert "loaded: []" in found.stderr
    run(warm_python, tmp_path / "fresh", "--until", "project", sets=SMALL + STRICT)
    moved, fresh = (
        RunFolder(tmp_path / n / "sample_projection").artifact(Ref("project", "de"))
        for n in ("moved", "fresh")
    )
    assert moved is not None and fresh is not None
    assert [p.read_bytes() for p in moved.parts] == [p.read_bytes() for p in fresh.parts]
    assert moved.manifest.drops == fresh.manifest.drops
    assert moved.manifest.drops["spans"]["low_score"] > 0
