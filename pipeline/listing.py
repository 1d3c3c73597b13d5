"""Describes the runs below a folder: their state and headline result."""

from __future__ import annotations

import contextlib
import fcntl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.artifacts import MANIFEST, PARTIAL, Artifact, RunFolder
from pipeline.errors import DamagedError
from pipeline.lease import LOCK
from pipeline.mirror import CONFIG
from pipeline.storage import Store, is_url, plain_folder, transfers, url_of

_REPAIR = "a manifest is damaged: run_pipeline with its config and --repair"


def describe_runs(runs_dir: Path) -> list[dict[str, Any]]:
    """Return one entry per run, newest change first.

    Each has ``run``, ``folder``, ``state`` (``running``, ``interrupted``, ``damaged``, ``complete``
    or ``partial``: done as far as it was asked to; in an object store ``locked``: running, or
    killed), ``tasks`` (complete outputs), ``changed`` and ``headline`` (the line that the report
    gave it, or empty; of a damaged run, what to do).
    """
    if is_url(runs_dir):
        with _outline(runs_dir) as folder:
            return [{**d, "folder": f"{url_of(runs_dir)}/{d['run']}"} for d in _describe(folder)]
    return _describe(plain_folder(runs_dir))


def _describe(runs_dir: Path) -> list[dict[str, Any]]:
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
                "headline": _REPAIR if damaged else _headline(found),
            }
        )
    return sorted(runs, key=lambda r: str(r["changed"]), reverse=True)


def _state(path: Path, found: list[Artifact]) -> str:
    if _locked(path / ".lock"):
        return "running"
    if (path / LOCK).is_file():
        return "locked"
    if any(p.is_dir() for p in path.rglob("*.partial")):
        return "interrupted"
    return "complete" if any(a.manifest.stage == "report" for a in found) else "partial"


def _locked(path: Path) -> bool:
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _headline(found: list[Artifact]) -> str:
    notes = [a.manifest.notes for a in found if a.manifest.stage == "report"]
    return str(notes[0].get("headline", "")) if notes else ""


@contextlib.contextmanager
def _outline(runs_dir: Path) -> Iterator[Path]:
    """Give a folder with the manifests and configurations of the runs in a store, and no data.

    A run with a lock has ``.lock.json``: it is at work, or was killed.
    """
    store = Store(url_of(runs_dir))
    with tempfile.TemporaryDirectory() as place:
        with transfers() as under_way:
            for key in store.find():
                run, _, rest = key.partition("/")
                inside, is_partial, _ = rest.partition(f"{PARTIAL}/")
                if is_partial:
                    (Path(place) / run / f"{inside}{PARTIAL}").mkdir(parents=True, exist_ok=True)
                elif rest in (CONFIG, LOCK) or rest.endswith(f"/{MANIFEST}"):
                    under_way.add(store.download, key, Path(place) / key)
        yield Path(place)
