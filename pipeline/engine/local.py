"""Row-wise work on this machine: in this process, or in several."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from queue import SimpleQueue
from threading import Event, Thread

from pipeline.engine import PartJob, process
from pipeline.stage import Worker

_worker: Worker | None = None


class LocalEngine:
    """Runs workers in this process (``workers=1``) or in a pool of processes."""

    def run(
        self, factory: Callable[[], Worker], jobs: Sequence[PartJob], workers: int
    ) -> Iterator[tuple[PartJob, int]]:
        """See :class:`pipeline.engine.Engine`."""
        if min(workers, len(jobs)) <= 1:
            return _in_process(factory, jobs)
        return _pool(factory, jobs, workers)


def _in_process(
    factory: Callable[[], Worker], jobs: Sequence[PartJob]
) -> Iterator[tuple[PartJob, int]]:
    """Run the jobs in one thread, so that progress can be yielded while a part is under way.

    A single thread builds the worker and calls it: OpenMP keeps its pool per calling thread.
    """
    events: SimpleQueue[tuple[PartJob, int] | BaseException | None] = SimpleQueue()
    stop = Event()

    def work() -> None:
        try:
            worker = factory()
            for job in jobs:
                if stop.is_set():
                    return
                _report(worker, job, events)
            events.put(None)
        except BaseException as error:  # handed to the main thread, which raises it
            events.put(error)

    Thread(target=work, name="worker", daemon=True).start()
    try:
        while (event := events.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event
    finally:
        stop.set()


def _report(
    worker: Worker, job: PartJob, events: SimpleQueue[tuple[PartJob, int] | BaseException | None]
) -> None:
    done = 0

    def advance(rows: int) -> None:
        nonlocal done
        step = min(rows, job.rows - done)
        done += step
        if step:
            events.put((job, step))

    process(worker, job, advance)
    advance(job.rows - done)


def _pool(
    factory: Callable[[], Worker], jobs: Sequence[PartJob], workers: int
) -> Iterator[tuple[PartJob, int]]:
    count = min(workers, len(jobs))
    # spawn, not fork: torch and ctranslate2 own threads that do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        count, mp_context=context, initializer=_start, initargs=(factory, _threads(count))
    )
    try:
        waiting: dict[Future[None], PartJob] = {}
        queue = iter(jobs)
        for job in queue:
            waiting[pool.submit(_run, job)] = job
            if len(waiting) < 2 * count:
                continue
            yield from _collect(waiting)
        while waiting:
            yield from _collect(waiting)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _collect(waiting: dict[Future[None], PartJob]) -> Iterator[tuple[PartJob, int]]:
    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        job = waiting.pop(future)
        future.result()
        yield job, job.rows


def _threads(workers: int) -> int:
    cores = len(os.sched_getaffinity(0))
    return max(1, cores // workers)


def _start(factory: Callable[[], Worker], threads: int) -> None:
    global _worker
    # Ctrl-C reaches the whole group; the parent decides what to do with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, str(threads))
    _worker = factory()


def _run(job: PartJob) -> None:
    if _worker is None:  # pragma: no cover - the initializer always ran
        raise RuntimeError("the worker process was not initialised")
    process(_worker, job)
