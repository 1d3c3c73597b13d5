"""Row-wise work on a Ray cluster (``pip install "xlner[ray]"``).

One actor per worker holds the model; parts go to actors through Ray Data. The run folder must be
on a file system that all nodes share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pipeline.engine import PartJob, process
from pipeline.errors import XlnerError
from pipeline.stage import Worker


class _Actor:
    """Holds one worker; called with a batch of one job index."""

    def __init__(self, factory: Callable[[], Worker], jobs: Sequence[PartJob]) -> None:
        self._worker = factory()
        self._jobs = jobs

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        process(self._worker, self._jobs[int(row["item"])])
        return row


class RayEngine:
    """Runs workers as Ray actors."""

    def run(
        self, factory: Callable[[], Worker], jobs: Sequence[PartJob], workers: int
    ) -> Iterator[tuple[PartJob, int]]:
        """See :class:`pipeline.engine.Engine`.

        Raises:
            XlnerError: If Ray is not installed.
        """
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise XlnerError(
                'engine: ray needs Ray: pip install "xlner[ray]", or use engine: local'
            ) from error
        if not jobs:
            return
        if not ray.is_initialized():
            ray.init(log_to_driver=False, include_dashboard=False)
        data = ray.data.from_items(list(range(len(jobs))), override_num_blocks=len(jobs)).map(
            _Actor,
            fn_constructor_args=(factory, list(jobs)),
            concurrency=min(workers, len(jobs)),
        )
        for row in data.iter_rows():
            job = jobs[int(row["item"])]
            yield job, job.rows

    def close(self) -> None:
        """See :class:`pipeline.engine.Engine`: the cluster keeps nothing for a next call."""
