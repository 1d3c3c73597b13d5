"""Describes the runs below a folder: their state and headline result."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

from pipeline.artifacts import CONFIG, Artifact, RunFolder
from pipeline.errors import DamagedError

_DAMAGED = "a manifest is damaged: run_pipeline with its config names it"


def describe_runs(runs_dir: Path) -> list[dict[str, Any]]:
    """Return one entry per run, newest change first.

    Each has ``run``, ``folder``, ``state`` (``running``, ``interrupted``, ``damaged``, ``complete``
    or ``partial``: done as far as it was asked to), ``tasks`` (complete outputs), ``changed`` and
    ``headline`` (the line that a stage gave it, or empty; of a damaged run, what to do).
    """
    runs = []
    for path in sorted(p for p in runs_dir.glob("*") if (p / CONFIG).is_file()):
        damaged = False
        try:
            found = list(RunFolder(path).artifacts())
        except DamagedError:
            damaged, found = True, []
        changed = max((a.manifest.finished for a in found), default=None)
        runs.append(
            {
                "run": path.name,
                "folder": str(path),
                "state": "damaged" if damaged else _state(path, found),
                "tasks": len(found),
                "changed": f"{changed:%Y-%m-%d %H:%M}" if changed else "",
                "headline": _DAMAGED if damaged else _headline(found),
            }
        )
    return sorted(runs, key=lambda r: str(r["changed"]), reverse=True)


def _state(path: Path, found: list[Artifact]) -> str:
    if _locked(path / ".lock"):
        return "running"
    if any(p.is_dir() for p in path.rglob("*.partial")):
        return "interrupted"
    return "complete" if _headline(found) else "partial"


def _locked(path: Path) -> bool:
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # not there, or not ours to open: who only looks goes by what is written
        return False
    return False


def _headline(found: list[Artifact]) -> str:
    """Return the line that a stage gave the run: the note ``headline``, where it is text."""
    told = (a.manifest.notes.get("headline") for a in found)
    return next((line for line in told if isinstance(line, str)), "")
