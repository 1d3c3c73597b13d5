"""Workers that come to harm, and jobs for them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from pipeline import schema
from pipeline.artifacts import part_name, read_part, write_part
from pipeline.engine import PartJob
from pipeline.stage import Part, Worker

ROWS = 10


def make_jobs(folder: Path, count: int) -> list[PartJob]:
    """Write ``count`` parts of sentences, and return the jobs that copy them."""
    for name in ("in", "out", "work"):
        (folder / name).mkdir()
    jobs = []
    for index in range(count):
        rows = [schema.Sentence(f"{index}-{i}", "en", [f"w{i}"]).to_row() for i in range(ROWS)]
        path = folder / "in" / part_name(index)
        info = write_part(schema.table("labelled", rows), path)
        jobs.append(
            PartJob(
                index=index,
                rows=ROWS,
                inputs={"rows": path},
                output=folder / "out" / part_name(index),
                sidecar=folder / "work" / f"{index}.json",
                kind="labelled",
                seed=index,
                sums={"rows": info.sha256},
            )
        )
    return jobs


def copied(jobs: list[PartJob]) -> bool:
    return all(read_part(j.output).equals(read_part(j.inputs["rows"])) for j in jobs)


@dataclass(frozen=True)
class Copies:
    """Builds a worker that copies rows; its subclasses also do something else first."""

    notes: Path

    def __call__(self) -> Worker:
        return CopyWorker(self)

    def before(self, part: Part) -> None:
        """Come to harm."""

    def count(self, name: str) -> int:
        """Count calls of this over all processes: how many there were before this one."""
        for number in range(1000):
            try:
                (self.notes / f"{name}.{number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            return number
        raise RuntimeError("counted too far")


class CopyWorker:
    def __init__(self, made_by: Copies) -> None:
        self.made_by = made_by

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        self.made_by.before(part)
        part.advance(ROWS)
        return inputs["rows"]


@dataclass(frozen=True)
class KilledOn(Copies):
    """The process is killed on one part, the first few times."""

    part: int = 0
    times: int = 1

    def before(self, part: Part) -> None:
        if part.index == self.part and self.count("killed") < self.times:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class KilledEarly(Copies):
    """The process is killed while it loads its model."""

    def __call__(self) -> Worker:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")


@dataclass(frozen=True)
class Crashes(Copies):
    """A native library ends the process."""

    def before(self, part: Part) -> None:
        os._exit(3)


@dataclass(frozen=True)
class Slow(Copies):
    """Notes its process, and takes its time."""

    seconds: float = 30.0

    def before(self, part: Part) -> None:
        (self.notes / f"pid.{os.getpid()}").touch()
        time.sleep(self.seconds)


@dataclass(frozen=True)
class Fails(Copies):
    """Raises an error on one part."""

    error: Callable[[], BaseException] = ValueError
    part: int = 1

    def before(self, part: Part) -> None:
        if part.index == self.part:
            raise self.error()


@dataclass(frozen=True)
class Greedy(Copies):
    """Memory runs out as long as its batches are larger than what fits."""

    size: int = 1024
    fits: int = 256
    parts: tuple[int, ...] = (1,)
    ask: Callable[[], object] = field(default=MemoryError)

    def before(self, part: Part) -> None:
        if part.index in self.parts and self.size > self.fits:
            self.ask()
            raise AssertionError("there was memory after all")
