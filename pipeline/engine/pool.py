"""Processes that each hold one worker, and what to do when one of them dies.

A pool of our own, because it must be known which part a lost process was working on: that part is
tried once more, and the second time named. Rows that are done are told as they come.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from pipeline.engine import PartJob, process
from pipeline.errors import XlnerError
from pipeline.stage import Worker

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

_TRIES = 2
_TELL = 0.2  # seconds between messages about rows that are done
_GRACE = 5.0

# spawn, not fork: torch and ctranslate2 own threads that do not survive a fork.
_CONTEXT = multiprocessing.get_context("spawn")


def run_in_processes(
    factory: Callable[[], Worker], jobs: Sequence[PartJob], count: int
) -> Iterator[tuple[PartJob, int]]:
    """Yield ``(job, rows)`` whenever rows of a job are done; see :class:`pipeline.engine.Engine`.

    Raises:
        XlnerError: If a process dies twice over the same part, or while it loads its model.
    """
    todo = deque(jobs)
    deaths: Counter[int | None] = Counter()  # by part; None: while loading the model
    told: Counter[int] = Counter()
    members: list[_Member] = []
    try:
        with _environment(count):
            members += [_Member(factory) for _ in range(count)]
        left = len(jobs)
        while left:
            for member in _ready(members):
                job, message = member.job, member.receive()
                if message is None:
                    members.remove(member)
                    deaths[job.index if job else None] += 1
                    if deaths[job.index if job else None] == _TRIES:
                        raise _lost(job, member.cause())
                    member.stop()
                    if job is not None:
                        todo.appendleft(job)
                    with _environment(count):
                        members.append(_Member(factory))
                    continue
                kind, value = message
                if kind == "failed":
                    raise value
                if job is not None:
                    # A part that is done again is not counted twice: never more than it has.
                    rows = min(value, job.rows - told[job.index])
                    if kind == "done":
                        rows = job.rows - told[job.index]
                        left -= 1
                        member.job = None
                    told[job.index] += rows
                    yield job, rows
                if member.job is None and todo:
                    member.give(todo.popleft())
        for member in members:
            member.end()
    finally:
        for member in members:
            member.stop()


def _ready(members: Sequence[_Member]) -> list[_Member]:
    """Wait for messages, or for the end of a process, and return whose."""
    by_connection: dict[Any, _Member] = {m.connection: m for m in members}
    return [by_connection[c] for c in wait(list(by_connection))]


def _lost(job: PartJob | None, cause: str) -> XlnerError:
    where = "while it loaded its model" if job is None else f"on {job.output}"
    whose = "a worker process" if job is None else "two worker processes, one after the other,"
    memory = (
        " The usual reason is that memory ran out: use fewer processes (--set workers=…), or lower "
        "the batch size of the stage (max_batch_tokens, batch_tokens)."
        if "signal 9" in cause
        else " A native library has failed: try workers=1, or a CPU or precision that it supports."
    )
    return XlnerError(
        f"{whose} died {where} ({cause}).{memory} Finished parts are kept: run again to go on"
    )


class _Member:
    """One process, seen from the parent."""

    def __init__(self, factory: Callable[[], Worker]) -> None:
        self.connection, theirs = _CONTEXT.Pipe()
        self.job: PartJob | None = None
        self._process: SpawnProcess = _CONTEXT.Process(
            target=_serve, args=(theirs, factory), daemon=True, name="xlner worker"
        )
        self._process.start()
        theirs.close()  # so that its death ends the pipe

    def receive(self) -> tuple[str, Any] | None:
        """Return the next message, or ``None`` if the process is gone."""
        try:
            message: tuple[str, Any] = self.connection.recv()
        except (EOFError, OSError):
            return None
        return message

    def give(self, job: PartJob) -> None:
        """Have the process make a part."""
        self.job = job
        # If it has died meanwhile, the next receive tells.
        with contextlib.suppress(OSError):
            self.connection.send(job)

    def cause(self) -> str:
        """Say how the process ended."""
        self._process.join(_GRACE)
        code = self._process.exitcode
        return f"killed by signal {-code}" if code and code < 0 else f"exit code {code}"

    def end(self) -> None:
        """Let the process end by itself: there is no more work."""
        self.connection.close()

    def stop(self) -> None:
        """End the process; at once if it is at work: parts are written atomically."""
        if self.connection.closed:
            self._process.join(_GRACE)
        else:
            self.connection.close()
        self._process.kill()
        self._process.join()


def _serve(connection: Connection, factory: Callable[[], Worker]) -> None:
    """Work on jobs until the parent ends us."""
    # Ctrl-C reaches the whole group; the parent decides what to do with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        worker = factory()
        connection.send(("ready", 0))
        while True:
            job = connection.recv()
            rows = _Rows(connection)
            process(worker, job, rows)
            connection.send(("done", 0))
    except EOFError:
        return
    except BaseException as error:
        connection.send(("failed", _portable(error)))


def _die_with_parent() -> None:
    """End this process at once when the parent is gone, killed for instance."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


class _Rows:
    """Tells the parent of rows that are done, now and then."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows = 0
        self._told = time.monotonic()

    def __call__(self, rows: int) -> None:
        self._rows += rows
        if time.monotonic() - self._told >= _TELL:
            self._connection.send(("rows", self._rows))
            self._rows, self._told = 0, time.monotonic()


def _portable(error: BaseException) -> BaseException:
    """Return the error with its traceback as a note, or what can be said of it in words."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # a class that cannot be rebuilt from its arguments
        cause = RuntimeError(f"{type(error).__name__}: {error}")
        cause.add_note("".join(traceback.format_exception(error)))
        return cause
    return error


@contextlib.contextmanager
def _environment(count: int) -> Iterator[None]:
    """Divide the cores among processes that are started inside, unless somebody has done so.

    Set before they start: numpy and torch read it when they are loaded.
    """
    threads = str(max(1, len(os.sched_getaffinity(0)) // count))
    names = [n for n in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if n not in os.environ]
    os.environ.update(dict.fromkeys(names, threads))
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]
