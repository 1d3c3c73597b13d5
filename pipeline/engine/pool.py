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

from tqdm import tqdm

from pipeline.capacity import fair_threads, share
from pipeline.engine import PartJob, process
from pipeline.engine.memory import SmallerBatchesFactory, release
from pipeline.errors import XlnerError
from pipeline.loaded import keeping
from pipeline.stage import Worker

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

_TRIES = 2
_TELL = 0.2  # seconds between messages about rows that are done
_GRACE = 5.0

# spawn, not fork: torch and ctranslate2 own threads that do not survive a fork.
_CONTEXT = multiprocessing.get_context("spawn")


class Pool:
    """Processes for the workers of one task after another: what they have imported is kept.

    Args:
        size: How many processes share the machine; they start when they are needed.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._members: list[_Member] = []

    def run(
        self, factory: Callable[[], Worker], jobs: Sequence[PartJob]
    ) -> Iterator[tuple[PartJob, int]]:
        """Yield ``(job, rows)`` whenever rows of a job are done.

        Raises:
            XlnerError: If a process dies twice over the same part, or while it loads its model.
        """
        try:
            yield from self._run(factory, jobs)
        except BaseException:
            # Parts are written atomically, so there is nothing to wait for.
            self.close(at_once=True)
            raise
        for member in list(self._members):
            if member.ready:
                member.give(None)  # what it has gathered need not stay in memory
            else:  # still loading one, for nothing
                self._members.remove(member)
                member.stop(at_once=True)

    def _run(
        self, factory: Callable[[], Worker], jobs: Sequence[PartJob]
    ) -> Iterator[tuple[PartJob, int]]:
        todo = deque(jobs)
        deaths: Counter[int | None] = Counter()  # by part; None: while loading the model
        told: Counter[int] = Counter()
        left = len(jobs)
        while len(self._members) < min(self.size, left):
            self._members.append(_Member(self.size))
        working = self._members[:left]
        for member in working:
            member.give(factory)
        while left:
            for member in _ready(working):
                job, message = member.job, member.receive()
                if message is None:
                    deaths[job.index if job else None] += 1
                    if deaths[job.index if job else None] == _TRIES:
                        raise _lost(job, member.cause(), factory)
                    if job is not None:
                        todo.appendleft(job)
                    other = self._replace(member)
                    working[working.index(member)] = other
                    other.give(factory)
                    continue
                kind, value = message
                if kind == "failed":
                    raise value
                member.ready = True
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

    def _replace(self, lost: _Member) -> _Member:
        lost.stop(at_once=True)
        new = self._members[self._members.index(lost)] = _Member(self.size)
        return new

    def close(self, *, at_once: bool = False) -> None:
        """End the processes; ``at_once`` even those that are at work."""
        members, self._members = self._members, []
        for member in members:
            member.connection.close()
        for member in members:
            member.stop(at_once=at_once or not member.ready or member.job is not None)


def _ready(members: Sequence[_Member]) -> list[_Member]:
    """Wait for messages, or for the end of a process, and return whose."""
    by_connection: dict[Any, _Member] = {m.connection: m for m in members}
    return [by_connection[c] for c in wait(list(by_connection))]


def _lost(job: PartJob | None, cause: str, factory: Callable[[], Worker]) -> XlnerError:
    where = "while it loaded its model" if job is None else f"on {job.output}"
    whose = "a worker process" if job is None else "two worker processes, one after the other,"
    if "signal 9" in cause:
        advice = (
            factory.advice if isinstance(factory, SmallerBatchesFactory) else "use fewer processes"
        )
        why = f"The usual reason is that memory ran out: {advice}"
    else:
        why = "A native library has failed: try workers=1, or a precision that the processor has"
    return XlnerError(f"{whose} died {where} ({cause}). {why}")


class _Member:
    """One process, seen from the parent."""

    def __init__(self, size: int) -> None:
        self.connection, theirs = _CONTEXT.Pipe()
        self.job: PartJob | None = None
        self.ready = True  # to be given something: not at work on a model
        self._process: SpawnProcess = _CONTEXT.Process(
            target=_serve, args=(theirs,), daemon=True, name="xlner worker"
        )
        with share(fair_threads(size)):
            self._process.start()
        theirs.close()  # so that its death ends the pipe

    def receive(self) -> tuple[str, Any] | None:
        """Return the next message, or ``None`` if the process is gone."""
        try:
            message: tuple[str, Any] = self.connection.recv()
        except (EOFError, OSError):
            return None
        return message

    def give(self, item: PartJob | Callable[[], Worker] | None) -> None:
        """Have the process make a part, or build a worker, or forget the one that it has."""
        self.job = item if isinstance(item, PartJob) else None
        self.ready = item is None or self.job is not None
        # If it has died meanwhile, the next receive tells.
        with contextlib.suppress(OSError):
            self.connection.send(item)

    def cause(self) -> str:
        """Say how the process ended."""
        self._process.join(_GRACE)
        return how_ended(self._process.exitcode)

    def stop(self, *, at_once: bool) -> None:
        """End the process, whose connection tells it to if there is time."""
        self.connection.close()
        if not at_once:
            self._process.join(_GRACE)
        self._process.kill()
        self._process.join()


def _serve(connection: Connection) -> None:
    """Build workers and make parts until the parent ends us."""
    belong_to_parent()
    try:
        with keeping():
            _serve_all(connection)
    except EOFError:
        return
    except BaseException as error:
        connection.send(("failed", portable(error)))


def _serve_all(connection: Connection) -> None:
    worker: Worker | None = None
    while True:
        item = connection.recv()
        if isinstance(item, PartJob):
            assert worker is not None
            process(worker, item, _Rows(connection))
            connection.send(("done", 0))
            continue
        worker = None
        release()
        if item is not None:
            worker = item()
            connection.send(("ready", 0))


def belong_to_parent() -> None:
    """Make this process one of a run: it leaves signals to the run, and ends when that is gone."""
    # Ctrl-C and the end of a terminal reach the whole group; the run decides what to do about it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    # The lock of progress bars would be one between processes, which Python's resource tracker
    # would complain of when this one is killed.
    tqdm.set_lock(threading.RLock())


def how_ended(code: int | None) -> str:
    """Say how a process ended, from its exit code."""
    return f"killed by signal {-code}" if code and code < 0 else f"exit code {code}"


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


def portable(error: BaseException) -> BaseException:
    """Return the error with its traceback as a note, or what can be said of it in words."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # a class that cannot be rebuilt from its arguments
        cause = RuntimeError(f"{type(error).__name__}: {error}")
        cause.add_note("".join(traceback.format_exception(error)))
        return cause
    return error
