"""Starts ``run_pipeline`` many times without importing torch and its friends each time.

``python -m tests.reliability.zygote`` reads one JSON request a line: the arguments, the folder to
run in, and after how many seconds (or how long into which stage) to send which signal. It forks a
child that has all modules already, and answers with a JSON line. The process itself never starts a
thread, so that its children are whole.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import pipeline
import stages

LAZY = (
    "ctranslate2",
    "scipy.optimize",
    "scipy.stats",
    "sklearn.metrics",
    "transformers.models.auto.modeling_auto",
    "transformers.models.bert.modeling_bert",
    "transformers.models.marian.tokenization_marian",
    "transformers.trainer",
)
"""What stages import where they need it."""
REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: exit code (negative: the signal), seconds, standard error."""

    code: int
    seconds: float
    told: str


class Zygote:
    """The parent's side."""

    def __enter__(self) -> Zygote:
        env = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "COLUMNS": "200",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=REPOSITORY,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, where: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

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
        assert self._process.stdin is not None and self._process.stdout is not None
        request = {
            "args": list(args),
            "cwd": str(cwd),
            "after": after,
            "stage": str(stage) if stage else None,
            "sent": int(sent),
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the zygote has died"
        return Ended(**json.loads(answer))


def _serve() -> None:
    _import_all()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_run(json.loads(line))) + "\n")
        sys.stdout.flush()


def _import_all() -> None:
    for package in (pipeline, stages):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            # Not installed everywhere, and not part of the run.
            if module.name not in ("pipeline.engine.ray", "pipeline.formats.spacy_docbin"):
                importlib.import_module(module.name)
    for name in LAZY:
        importlib.import_module(name)
    gc.freeze()  # a child need not look through all of it, and so copy it
    threads = [(p / "comm").read_text().strip() for p in Path("/proc/self/task").iterdir()]
    # Arrow's allocator has one that only tidies; it starts another one in a child by itself.
    others = [name for name in threads[1:] if name != "jemalloc_bg_thd"]
    if others:
        raise SystemExit(f"importing has started the threads {others}: children would be maimed")


def _run(request: dict[str, Any]) -> dict[str, Any]:
    told = Path(request["cwd"]) / "stderr"
    told.touch()  # the child may be killed before it opens it
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _child(request, told)
    if request["after"] is not None:
        stage = Path(request["stage"]) if request["stage"] else None
        deadline = None if stage else started + request["after"]
        while not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            now = time.monotonic()
            if deadline is None and stage and any(stage.rglob("*.partial")):
                deadline = now + request["after"]
            if deadline is not None and now >= deadline:
                os.kill(pid, request["sent"])
                break
            time.sleep(0.0005)
    _, status = os.waitpid(pid, 0)
    seconds = time.monotonic() - started
    text = told.read_text(encoding="utf-8")
    told.unlink()
    return {"code": os.waitstatus_to_exitcode(status), "seconds": seconds, "told": text}


def _child(request: dict[str, Any], told: Path) -> None:
    code = 1
    try:
        os.chdir(request["cwd"])
        null = os.open(os.devnull, os.O_RDWR)
        errors = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number, descriptor in ((0, null), (1, null), (2, errors)):
            os.dup2(descriptor, number)
        os.environ["XLNER_CACHE"] = str(Path("cache").resolve())
        sys.argv = ["run_pipeline", *request["args"]]
        from xlner.commands.run import main

        try:
            main()
        except SystemExit as left:
            code = int(left.code or 0)
        except KeyboardInterrupt:  # as Python ends
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        except BaseException:
            import traceback

            traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    _serve()
