"""Processes that each hold one worker, and what to do when one of them dies.

A pool of our own, because it must be known which part a lost process was working on: that part is
tried once more, and the second time named. Rows that are done are told as they come.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import wait
from typing import Any

from pipeline.capacity import fair_threads
from pipeline.child import Child, portable
from pipeline.engine import PartJob, process
from pipeline.engine.memory import SmallerBatchesFactory, release
from pipeline.errors import XlnerError
from pipeline.loaded import keeping
from pipeline.relay import Message
from pipeline.stage import Worker

_TRIES = 2
_TELL = 0.2  # seconds between messages about rows that are done


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
            self.close()
            raise
        for member in list(self._members):
            if member.ready:
                member.give(None)  # what it has gathered need not stay in memory
            else:  # still loading one, for nothing
                self._members.remove(member)
                member.stop(grace=0)

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
                job, (kind, value) = member.job, member.receive()
                if kind == "lost":
                    deaths[job.index if job else None] += 1
                    if deaths[job.index if job else None] == _TRIES:
                        raise _lost(job, value, factory)
                    if job is not None:
                        todo.appendleft(job)
                    other = self._replace(member)
                    working[working.index(member)] = other
                    other.give(factory)
                    continue
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
        lost.stop(grace=0)
        new = self._members[self._members.index(lost)] = _Member(self.size)
        return new

    def close(self) -> None:
        """End the processes, at once those that are at work."""
        members, self._members = self._members, []
        for member in members:
            member.connection.close()
        for member in members:
            if member.ready and member.job is None:
                member.stop()
            else:
                member.stop(grace=0)


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


class _Member(Child):
    """One process of a pool of so many."""

    def __init__(self, size: int) -> None:
        super().__init__(_serve, threads=fair_threads(size))
        self.job: PartJob | None = None
        self.ready = True  # to be given something: not at work on a model

    def give(self, item: PartJob | Callable[[], Worker] | None) -> None:
        """Have the process make a part, or build a worker, or forget the one that it has."""
        self.job = item if isinstance(item, PartJob) else None
        self.ready = item is None or self.job is not None
        self.send(item)


def _serve(
    items: Iterator[PartJob | Callable[[], Worker] | None], tell: Callable[[Message], None]
) -> None:
    """Build workers and make parts until the parent ends us."""
    worker: Worker | None = None
    try:
        with keeping():
            for item in items:
                if isinstance(item, PartJob):
                    assert worker is not None
                    process(worker, item, _Rows(tell))
                    tell(("done", 0))
                    continue
                worker = None
                release()
                if item is not None:
                    worker = item()
                    tell(("ready", 0))
    except BaseException as error:
        tell(("failed", portable(error)))


class _Rows:
    """Tells the parent of rows that are done, now and then."""

    def __init__(self, tell: Callable[[Message], None]) -> None:
        self._tell = tell
        self._rows = 0
        self._told = time.monotonic()

    def __call__(self, rows: int) -> None:
        self._rows += rows
        if time.monotonic() - self._told >= _TELL:
            self._tell(("rows", self._rows))
            self._rows, self._told = 0, time.monotonic()
