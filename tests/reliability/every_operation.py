"""Kills a small run before each of its operations on files in turn, and looks at what comes of it.

``python -m tests.reliability.every_operation FOLDER STEP OFFSET`` kills before operation OFFSET,
OFFSET + STEP … until a run comes to its end, and prints as JSON how many there were and what went
wrong. Operations are what Python's audit events tell of: files opened for writing, folders made,
anything renamed or deleted.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pandas  # noqa: F401 - what every child would import otherwise
import pyarrow.parquet  # noqa: F401
from rich.console import Console

from pipeline.config import parse_config
from pipeline.progress import Progress
from tests.pipeline.toy_stages import TOYS
from xlner.api import Runner

RAW = {"name": "toy", "languages": ["de"], "part_rows": 13}
CONFIG = parse_config(RAW, model=TOYS.config_type())
WATCHED = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")


def run(runs: Path, kill_at: int | None) -> int:
    """Do the toy run in a child; return its exit code."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if kill_at is not None:
                sys.addaudithook(Killer(str(runs), kill_at))
            Runner(CONFIG, runs, Progress(Console(file=io.StringIO())), TOYS).run()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Killer:
    """Kills this process before its n-th operation on files in a folder."""

    def __init__(self, folder: str, kill_at: int) -> None:
        self.folder, self.left = folder, kill_at

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            if not isinstance(args[2], int) or not args[2] & (os.O_WRONLY | os.O_RDWR):
                return
        elif event not in WATCHED:
            return
        # Anything else is on these files: deletions may name them relative to an open folder.
        if event == "open" and self.folder not in str(args[0]):
            return
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def state(runs: Path) -> dict[str, str]:
    """Return what is in a folder: contents of data, names of everything."""
    found = {}
    for path in sorted(runs.rglob("*")):
        known = path.suffix in (".parquet",) or path.name == "half"
        found[str(path.relative_to(runs))] = path.read_bytes().hex() if known else ""
    return found


def main(folder: Path, step: int, offset: int) -> dict[str, Any]:
    clean = folder / "clean"
    assert run(clean, None) == 0
    wanted = state(clean)
    wrong = []
    number, kills = offset, 0
    while True:
        runs = folder / "runs"
        killed = run(runs, number)
        if killed == 0:
            break
        kills += 1
        again = run(runs, None)
        found = state(runs)
        if killed != -signal.SIGKILL or again != 0 or found != wanted:
            differ = [k for k in {*found, *wanted} if found.get(k) != wanted.get(k)]
            wrong.append({"operation": number, "codes": [killed, again], "differ": differ})
        shutil.rmtree(runs)
        number += step
    return {"kills": kills, "wrong": wrong}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
