"""Row-wise work on a Ray cluster (``pip install "xlner[ray]"``).

One actor per worker holds the model and makes one part after another; only file names travel. The
run folder must be on a file system that all nodes share.

Plain actors, not Ray Data: it must be known which part a lost process was working on, so that the
part can be made again by another one, and named if it takes a process with it every time. Ray Data
tells neither; it repeats without end or fails without a name. It would have nothing else to do
here: a part is read and written by the worker, and no data go through the object store.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.artifacts import library_versions
from pipeline.config import RayConfig
from pipeline.engine import PartJob, process
from pipeline.engine.cluster import Cluster
from pipeline.engine.memory import FrugalFactory, release
from pipeline.engine.pool import portable
from pipeline.errors import XlnerError
from pipeline.stage import Worker

_TRIES = 3  # one more than on one machine: nodes come and go
_TELL = 60.0  # seconds of waiting for the cluster before it is said
_VISIBLE = 90.0  # seconds; NFS clients look again for a missing file after 60 at the latest

logger = logging.getLogger(__name__)


class _Actor:
    """Holds one worker, on some node.

    What goes wrong is returned, not raised: Ray's wrapping would hide the class of the error.
    """

    def __init__(self, cwd: str) -> None:
        self._worker: Worker | None = None
        self._cwd = cwd

    def load(self, factory: Callable[[], Worker] | None) -> BaseException | dict[str, str]:
        """Build the worker, or forget the one that there is; return the library versions."""
        self._worker = None
        release()
        try:
            if factory is not None:
                _enter(self._cwd)
                self._worker = factory()
        except Exception as error:
            return portable(error)
        return library_versions()

    def make(self, job: PartJob) -> BaseException | str:
        """Make a part; return the name of this node."""
        try:
            if not job.output.parent.is_dir():
                raise _not_shared(job.output.parent, "is not there")
            assert self._worker is not None
            process(self._worker, job)
        except Exception as error:
            return portable(error)
        return socket.gethostname()


def _enter(cwd: str) -> None:
    """Work where the run was started: paths in configurations may be relative."""
    try:
        os.chdir(cwd)
    except OSError as error:
        raise _not_shared(Path(cwd), f"cannot be entered ({error.strerror})") from error


def _not_shared(path: Path, what: str) -> XlnerError:
    return XlnerError(
        f"{path} {what} on node {socket.gethostname()}: with engine: ray the working folder, the "
        "run folder and the models must be on a file system that all nodes share, under the same "
        "path (docs/scaling.md)"
    )


@dataclass(slots=True)
class _Member:
    """One actor, seen from the run."""

    actor: Any
    job: PartJob | None = None
    ready: bool = False  # its model is loaded


class RayEngine:
    """Runs workers as Ray actors.

    Args:
        options: The section ``ray`` of the configuration.
    """

    def __init__(self, options: RayConfig) -> None:
        self._options = options
        self._cluster: Cluster | None = None
        self._members: list[_Member] = []

    def run(
        self, factory: Callable[[], Worker], jobs: Sequence[PartJob], workers: int
    ) -> Iterator[tuple[PartJob, int]]:
        """See :class:`pipeline.engine.Engine`.

        Raises:
            XlnerError: If Ray is not installed, the cluster cannot be reached or has no node that
                is large enough for a worker, if a part is lost three times, or if a node has other
                libraries, or does not share the run folder.
        """
        if not jobs:
            return
        try:
            given = {j.index: j for j in jobs}
            for job in self._run(factory, [_absolute(j) for j in jobs], workers):
                yield given[job.index], job.rows
        except BaseException:
            # Parts are written atomically, so there is nothing to wait for.
            self.close()
            raise
        for member in list(self._members):
            if member.ready:
                member.actor.load.remote(None)  # its model need not stay in memory
                member.ready = False
            else:  # still waiting for a place, or loading a model for nothing
                self._remove(member)

    def _run(
        self, factory: Callable[[], Worker], jobs: Sequence[PartJob], workers: int
    ) -> Iterator[PartJob]:
        """Yield jobs as they are done."""
        if self._cluster is None:
            self._cluster = Cluster(self._options)
        import ray

        cluster = self._cluster
        wanted = min(workers, len(jobs))
        cluster.fit(wanted)
        todo = deque(jobs)
        deaths: Counter[int | None] = Counter()  # by part; None: while loading the model
        left = len(jobs)
        while len(self._members) > wanted:
            self._remove(self._members[-1])
        while len(self._members) < wanted:
            self._members.append(self._new())
        under_way: dict[Any, _Member] = {m.actor.load.remote(factory): m for m in self._members}
        heard, told = time.monotonic(), False
        while left:
            # Not for ever: the wait must notice Ctrl-C, and say what it waits for.
            done, _ = ray.wait(list(under_way), num_returns=1, timeout=1.0)
            if not done and not told and time.monotonic() - heard > _TELL:
                told = not any(m.ready for m in self._members) and cluster.tell_waiting()
            for ref in done:
                heard = time.monotonic()
                member = under_way.pop(ref)
                job, member.job = member.job, None
                try:
                    answer = ray.get(ref)
                except ray.exceptions.RayError as error:
                    deaths[job.index if job else None] += 1
                    logger.warning("%s", _lost(job, error, factory, 1))
                    if deaths[job.index if job else None] == _TRIES:
                        raise _lost(job, error, factory, _TRIES) from error
                    if job is not None:
                        todo.appendleft(job)
                    self._remove(member)
                    member = self._new()
                    self._members.append(member)
                    under_way[member.actor.load.remote(factory)] = member
                    continue
                if isinstance(answer, BaseException):
                    raise answer
                if job is None:
                    same_versions(answer)
                    member.ready = True
                else:
                    wait_until_visible(job.output, answer)
                    left -= 1
                    yield job
                if todo:
                    member.job = todo.popleft()
                    under_way[member.actor.make.remote(member.job)] = member

    def _new(self) -> _Member:
        assert self._cluster is not None
        return _Member(self._cluster.actor(_Actor).remote(str(Path.cwd())))

    def _remove(self, member: _Member) -> None:
        import ray

        self._members.remove(member)
        ray.kill(member.actor)

    def close(self) -> None:
        """End the actors, and leave the cluster (or end it, if it was started here)."""
        while self._cluster is not None and self._members:
            self._remove(self._members[-1])
        if self._cluster is not None:
            self._cluster.leave()
            self._cluster = None


def _absolute(job: PartJob) -> PartJob:
    return replace(
        job,
        inputs={name: path.absolute() for name, path in job.inputs.items()},
        output=job.output.absolute(),
        sidecar=job.sidecar.absolute(),
    )


def _lost(
    job: PartJob | None, error: BaseException, factory: Callable[[], Worker], times: int
) -> XlnerError:
    where = "while it loaded its model" if job is None else f"on {job.output}"
    # What follows are general hints.
    told = " ".join(str(error).partition("Some common causes include")[0].split())
    if times == 1:
        return XlnerError(f"a Ray worker was lost {where}; another one does it again ({told})")
    advice = factory.advice if isinstance(factory, FrugalFactory) else "use fewer processes"
    return XlnerError(
        f"{times} Ray workers, one after the other, were lost {where} ({told}). Where memory ran "
        f"out: {advice}. Where packages are missing: install the same ones on every node"
    )


def same_versions(theirs: Mapping[str, str]) -> None:
    """Compare the libraries of a node with those here: others may give other results.

    Raises:
        XlnerError: Naming what differs.
    """
    ours = library_versions()
    other = [
        f"{name} {theirs.get(name, 'missing')} instead of {ours.get(name, 'missing')}"
        for name in sorted({*ours, *theirs})
        if ours.get(name) != theirs.get(name)
    ]
    if other:
        raise XlnerError(
            f"a node of the cluster has other packages than the run: {', '.join(other)}; install "
            "the same versions on every node"
        )


def wait_until_visible(path: Path, node: str, patience: float = _VISIBLE) -> None:
    """Wait for a file that a node has written: network file systems show it late.

    Raises:
        XlnerError: If it does not come.
    """
    deadline = time.monotonic() + patience
    while not path.exists():
        if time.monotonic() > deadline:
            raise XlnerError(
                f"node {node} wrote {path}, which is not there on {socket.gethostname()}: with "
                "engine: ray the run folder must be on a file system that all nodes share "
                "(docs/scaling.md)"
            )
        with contextlib.suppress(FileNotFoundError):
            list(path.parent.iterdir())  # opening a folder has NFS look again
        time.sleep(0.1)
