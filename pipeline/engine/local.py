"""Row-wise work on this machine: in this process, or in several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING

from pipeline.engine import PartJob, process
from pipeline.stage import Worker

if TYPE_CHECKING:
    from pipeline.engine.pool import Pool

_GRACE = 10.0  # seconds to wait, when the run is stopped, for the batch that is being computed

_Events = SimpleQueue[tuple[PartJob, int] | BaseException | None]


class LocalEngine:
    """Runs workers in this process (``workers=1``) or in a pool of processes."""

    def __init__(self) -> None:
        self._pool: Pool | None = None

    def run(
        self, factory: Callable[[], Worker], jobs: Sequence[PartJob], workers: int
    ) -> Iterator[tuple[PartJob, int]]:
        """See :class:`pipeline.engine.Engine`."""
        if min(workers, len(jobs)) <= 1:
            return _in_process(factory, jobs)
        from pipeline.engine.pool import Pool

        if self._pool is None or self._pool.size != workers:
            self.close()
            self._pool = Pool(workers)
        return self._pool.run(factory, jobs)

    def close(self) -> None:
        """See :class:`pipeline.engine.Engine`."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None


class _Stopped(BaseException):
    """Raised in the thread that works when nobody waits for its results any more."""


def _in_process(
    factory: Callable[[], Worker], jobs: Sequence[PartJob]
) -> Iterator[tuple[PartJob, int]]:
    """Run the jobs in one thread, so that progress can be yielded while a part is under way.

    A single thread builds the worker and calls it: OpenMP keeps its pool per calling thread.
    """
    events: _Events = SimpleQueue()
    stop = Event()

    def work() -> None:
        try:
            worker = factory()
            for job in jobs:
                _report(worker, job, events, stop)
            events.put(None)
        except _Stopped:
            return
        except BaseException as error:  # handed to the main thread, which raises it
            events.put(error)

    thread = Thread(target=work, name="worker", daemon=True)
    thread.start()
    try:
        while (event := events.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event
    finally:
        stop.set()
        # Nothing is written any more once the run is over and its lock is released.
        thread.join(_GRACE)


def _report(worker: Worker, job: PartJob, events: _Events, stop: Event) -> None:
    done = 0

    def advance(rows: int) -> None:
        nonlocal done
        if stop.is_set():
            raise _Stopped
        step = min(rows, job.rows - done)
        done += step
        if step:
            events.put((job, step))

    advance(0)
    process(worker, job, advance)
    advance(job.rows - done)
