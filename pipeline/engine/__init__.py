"""Where row-wise work runs: in this process, in several, or on a Ray cluster.

An engine gets one :class:`PartJob` per part that is not there yet. The same parts come out of every
engine and worker count, byte for byte: a job reads its input parts, seeds its own randomness, and
writes its own output part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pipeline.artifacts import read_part, write_atomic, write_part
from pipeline.errors import DataError, XlnerError
from pipeline.stage import Part, Worker

if TYPE_CHECKING:
    import pyarrow as pa

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class PartJob:
    """One part to make.

    Attributes:
        index: Number of the part.
        rows: Rows of the input part.
        inputs: Input part files by the name that the worker reads them under.
        output: The part file to write.
        sidecar: Where to note its row count, hash and drops, before the part appears.
        kind: Kind of dataset to expect of the worker.
        seed: Seed of the part.
    """

    index: int
    rows: int
    inputs: Mapping[str, Path]
    output: Path
    sidecar: Path
    kind: str
    seed: int


class Engine(Protocol):
    """Runs jobs with workers."""

    def run(
        self, factory: Callable[[], Worker], jobs: Sequence[PartJob], workers: int
    ) -> Iterator[tuple[PartJob, int]]:
        """Yield ``(job, rows)`` whenever rows of a job are done; every job's rows add up."""


def engine(name: str) -> Engine:
    """Return the engine of that name (``local`` or ``ray``)."""
    if name == "ray":
        from pipeline.engine.ray import RayEngine

        return RayEngine()
    from pipeline.engine.local import LocalEngine

    return LocalEngine()


def process(worker: Worker, job: PartJob, advance: Advance = lambda rows: None) -> None:
    """Make one part: read, call the worker, check what it returned, write.

    Raises:
        DataError: If the input parts do not match row by row.
        XlnerError: If the worker's table is not of the declared kind.
    """
    from pipeline.schema import SCHEMAS, count_drops

    inputs = {name: read_part(path) for name, path in job.inputs.items()}
    _check_ids(inputs, job)
    result = worker(inputs, Part(index=job.index, seed=job.seed, advance=advance))
    expected = SCHEMAS[job.kind]
    if not result.schema.equals(expected, check_metadata=False):
        raise XlnerError(
            f"the worker returned a table that is no {job.kind} table:\n{result.schema}\n"
            f"expected:\n{expected}"
        )
    _write(result, job, {"drops": count_drops(result)})


def _write(data: pa.Table, job: PartJob, facts: Mapping[str, object]) -> None:
    # The sidecar goes first, so that it is there whenever the part is.
    hidden = job.output.with_name(f".{job.output.name}.ready")
    info = write_part(data, hidden)
    note = {"name": job.output.name, "rows": info.rows, "sha256": info.sha256, **facts}
    write_atomic(job.sidecar, json.dumps(note).encode())
    hidden.replace(job.output)


def _check_ids(inputs: Mapping[str, pa.Table], job: PartJob) -> None:
    tables = list(inputs.items())
    first_name, first = tables[0]
    for name, data in tables[1:]:
        if data.num_rows != first.num_rows or not data.column("id").equals(first.column("id")):
            raise DataError(
                f"{job.inputs[name]} does not match {job.inputs[first_name]} row by row "
                f"({data.num_rows} and {first.num_rows} rows): run both stages again"
            )
