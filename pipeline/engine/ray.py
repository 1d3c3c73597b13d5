"""Row-wise work on a Ray cluster (``pip install "xlner[ray]"``), by way of Ray Data.

A dataset with one row per part goes through one class of actors, each of which holds the model;
only numbers and file names travel. The run folder must be on a file system that all nodes share.
What is made anew after a loss is decided by Ray, what is left to do after a stop by the parts that
are missing.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.child import portable
from pipeline.config import RayConfig
from pipeline.engine import PartJob, process
from pipeline.engine.cluster import Cluster
from pipeline.engine.memory import SmallerBatchesFactory
from pipeline.errors import XlnerError
from pipeline.manifest import library_versions
from pipeline.stage import Worker

if TYPE_CHECKING:
    import numpy as np

_TRIES = 3  # one more than on one machine: nodes come and go
_VISIBLE = 90.0  # seconds; NFS clients look again for a missing file after 60 at the latest

Rows = dict[str, "np.ndarray[Any, Any]"]


class _Maker:
    """Holds one worker, on some node, and makes parts with it.

    What goes wrong is returned, not raised: Ray's wrapping would hide the class of the error, and a
    lost process is told from an error by that.

    Args:
        factory: Builds the worker.
        jobs: The parts, by number.
        cwd: Where the run was started: paths in configurations may be relative.
        versions: The libraries there.
    """

    def __init__(
        self,
        factory: Callable[[], Worker],
        jobs: Mapping[int, PartJob],
        cwd: str,
        versions: Mapping[str, str],
    ) -> None:
        self._jobs = jobs
        self._worker: Worker | None = None
        self._error: BaseException | None = None
        try:
            same_versions(versions, library_versions())
            enter(cwd)
            self._worker = factory()
        except Exception as error:
            self._error = portable(error)

    def __call__(self, rows: Rows) -> Rows:
        """Make the parts that the rows name; give each row the node, and the error if any."""
        import numpy as np

        answers = [self._make(self._jobs[index]) for index in rows["index"].tolist()]
        node = socket.gethostname()
        return {
            "index": rows["index"],
            "node": np.array([node] * len(answers), object),
            "error": np.array(answers, object),
        }

    def _make(self, job: PartJob) -> BaseException | None:
        if self._worker is None:
            return self._error
        try:
            if not job.output.parent.is_dir():
                raise _not_shared(job.output.parent, "is not there")
            begun(job).touch()
            process(self._worker, job)
            begun(job).unlink(missing_ok=True)
        except Exception as error:
            return portable(error)
        return None


def begun(job: PartJob) -> Path:
    """Return the file that says that somebody works on a part, or was lost over it."""
    return job.sidecar.with_suffix(".begun")


def enter(cwd: str) -> None:
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


class RayEngine:
    """Runs workers as the actors of a Ray Data pipeline.

    Args:
        options: The section ``ray`` of the configuration.
    """

    def __init__(self, options: RayConfig) -> None:
        self._options = options
        self._cluster: Cluster | None = None

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
        given = {j.index: j for j in jobs}
        for job in jobs:
            begun(job).unlink(missing_ok=True)
        try:
            for row in self._rows(factory, {j.index: _absolute(j) for j in jobs}, workers):
                if row["error"] is not None:
                    raise row["error"]
                job = given[row["index"]]
                wait_until_visible(job.output, row["node"])
                yield job, job.rows
        except BaseException as error:
            # Parts are written atomically, so there is nothing to wait for.
            self.close()
            if _is_rays(error):
                raise _lost(jobs, error, factory) from error
            raise

    def _rows(
        self, factory: Callable[[], Worker], jobs: Mapping[int, PartJob], workers: int
    ) -> Iterator[Mapping[str, Any]]:
        if self._cluster is None:
            self._cluster = Cluster(self._options)
        import ray.data

        wanted = min(workers, len(jobs))
        self._cluster.fit(wanted)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        options = {
            "max_restarts": _TRIES - 1,
            "max_task_retries": _TRIES - 1,
            "scheduling_strategy": "SPREAD",
        }
        data = ray.data.from_items([{"index": i} for i in jobs], override_num_blocks=len(jobs))
        made = data.map_batches(
            _Maker,
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=wanted, max_tasks_in_flight_per_actor=1),
            fn_constructor_kwargs={
                "factory": factory,
                "jobs": jobs,
                "cwd": str(Path.cwd()),
                "versions": library_versions(),
            },
            ray_remote_args_fn=lambda: options,
            **self._cluster.share(),
        )
        yield from made.iter_rows()

    def close(self) -> None:
        """Leave the cluster, or end it, if it was started here."""
        if self._cluster is not None:
            self._cluster.leave()
            self._cluster = None


def _is_rays(error: BaseException) -> bool:

    ray = sys.modules.get("ray")
    return ray is not None and isinstance(error, ray.exceptions.RayError)


def _absolute(job: PartJob) -> PartJob:
    return replace(
        job,
        inputs={name: path.absolute() for name, path in job.inputs.items()},
        output=job.output.absolute(),
        sidecar=job.sidecar.absolute(),
    )


def _lost(
    jobs: Sequence[PartJob], error: BaseException, factory: Callable[[], Worker]
) -> XlnerError:
    over = [str(j.output) for j in jobs if begun(j).exists() and not j.output.exists()]
    where = f"on {', '.join(over)}" if over else "while it loaded its model"
    # What follows are general hints.
    told = " ".join(str(error).partition("Some common causes include")[0].split())
    advice = factory.advice if isinstance(factory, SmallerBatchesFactory) else "use fewer processes"
    return XlnerError(
        f"{_TRIES} Ray workers, one after the other, were lost {where} ({told}). Where memory ran "
        f"out: {advice}. Where packages are missing: install the same ones on every node"
    )


def same_versions(ours: Mapping[str, str], theirs: Mapping[str, str]) -> None:
    """Compare the libraries of a node with those of the run: others may give other results.

    Raises:
        XlnerError: Naming what differs.
    """
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
