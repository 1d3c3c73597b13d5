"""Where row-wise work runs: in this process, in several, or on a Ray cluster.

An engine gets one :class:`PartJob` per part that is not there yet. The same parts come out of every
engine and worker count, byte for byte: a job reads its input parts, seeds its own randomness, and
writes its own output part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.artifacts import read_part, write_part
from pipeline.disk import disk_errors, file_sha256, write_atomic
from pipeline.errors import DataError, XlnerError
from pipeline.manifest import PartInfo
from pipeline.stage import Part, Worker
from pipeline.task import Advance, no_advance

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class PartJob:
    """One part to make.

    Attributes:
        index: Number of the part.
        rows: Rows of the input part.
        inputs: Input part files by the name that the worker reads them under.
        output: The part file to write.
        sidecar: Where to note its row count, hash and drops (see :func:`part_facts`).
        kind: Kind of dataset to expect of the worker.
        seed: Seed of the part.
        sums: SHA-256 of the input files by the same names, as far as known.
    """

    index: int
    rows: int
    inputs: Mapping[str, Path]
    output: Path
    sidecar: Path
    kind: str
    seed: int
    sums: Mapping[str, str] = field(default_factory=dict)


class Engine(Protocol):
    """Runs jobs with workers."""

    def run(
        self, factory: Callable[[], Worker], jobs: Sequence[PartJob], workers: int
    ) -> Iterator[tuple[PartJob, int]]:
        """Yield ``(job, rows)`` whenever rows of a job are done; every job's rows add up."""

    def close(self) -> None:
        """End whatever processes were kept for the next call of :meth:`run`."""


def process(worker: Worker, job: PartJob, advance: Advance = no_advance) -> None:
    """Make one part: read, call the worker, check what it returned, write.

    Raises:
        DamagedError: If an input part is not what was written.
        DataError: If the input parts do not match row by row.
        XlnerError: If the worker's table is not of the declared kind.
    """
    from pipeline.schema import SCHEMAS

    inputs = {name: read_part(path, job.sums.get(name)) for name, path in job.inputs.items()}
    _check_ids(inputs, job)
    part = Part(index=job.index, seed=job.seed, advance=advance)
    result = worker(inputs, part)
    expected = SCHEMAS[job.kind]
    if not result.schema.equals(expected, check_metadata=False):
        raise XlnerError(
            f"the worker returned a table that is no {job.kind} table:\n{result.schema}\n"
            f"expected:\n{expected}"
        )
    _write(result, job, part.notes)


def part_facts(job: PartJob) -> dict[str, Any]:
    """Return ``name``, ``rows``, ``sha256``, ``size``, ``drops`` and ``notes`` of a finished part.

    They were noted when it was written; if the note is lost (it is not forced on to the disk, the
    part is), they are taken from the part itself. Where a worker had something to note, that is on
    the disk before the part is.
    """
    try:
        noted: dict[str, Any] = json.loads(job.sidecar.read_text(encoding="utf-8"))
        facts = noted if "sha256" in noted else None
    except (FileNotFoundError, ValueError):
        noted, facts = {}, None
    if facts is None:
        data = read_part(job.output)
        size = job.output.stat().st_size
        info = PartInfo(
            name=job.output.name, rows=data.num_rows, sha256=file_sha256(job.output), size=size
        )
        facts = _facts(data, info, noted.get("notes", {}))
    return facts


def _facts(data: pa.Table, info: PartInfo, notes: Mapping[str, Any]) -> dict[str, Any]:
    from pipeline.schema import count_drops

    return {**info.model_dump(), "drops": count_drops(data), "notes": dict(notes)}


def _write(data: pa.Table, job: PartJob, notes: Mapping[str, Any]) -> None:
    if notes:
        write_atomic(job.sidecar, json.dumps({"notes": dict(notes)}).encode(), parents=False)
    else:
        job.sidecar.unlink(missing_ok=True)
    info = write_part(data, job.output)
    with disk_errors(job.sidecar):
        job.sidecar.write_text(json.dumps(_facts(data, info, notes)), encoding="utf-8")


def _check_ids(inputs: Mapping[str, pa.Table], job: PartJob) -> None:
    tables = list(inputs.items())
    first_name, first = tables[0]
    for name, data in tables[1:]:
        if data.num_rows != first.num_rows or not data.column("id").equals(first.column("id")):
            raise DataError(
                f"{job.inputs[name]} does not match {job.inputs[first_name]} row by row "
                f"({data.num_rows} and {first.num_rows} rows): run both stages again"
            )
