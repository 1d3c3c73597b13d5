"""The manifest of a complete output: what is known about it, and what vouches for its files."""

from __future__ import annotations

import contextlib
import functools
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from pipeline.disk import file_sha256, write_atomic
from pipeline.errors import DamagedError, XlnerError
from pipeline.hashes import fingerprint

MANIFEST = "_manifest.json"
"""With an underscore, so that readers of Parquet folders (pandas, pyarrow) pass it by."""

MADE_AGAIN = "delete it and run again: it is made again, and what is whole stays"
"""What to do about a damaged file."""


def _inside(name: str) -> str:
    # What a manifest names is opened, and may be made again or removed.
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise ValueError(f"{name!r} is not a file inside of the folder")
    return name


class PartInfo(BaseModel):
    """One part file: its name, row count, SHA-256, and size in bytes."""

    name: str
    rows: int
    sha256: str
    size: int | None = None

    _name = field_validator("name")(_inside)


class Manifest(BaseModel):
    """What is known about a complete output.

    Attributes:
        fingerprint: Hash of ``identity``.
        identity: Everything that decides the result: stage version, options, inputs, file hashes.
        files: SHA-256 of each file, for outputs that are no data sets.
        sizes: Their sizes in bytes.
        drops: Dropped rows, spans and lost spans by reason.
        counts: Free counters of the stage.
        notes: Facts that the stage wants to be known (detected scheme, hardware …).
        seal: Hash of all the rest, so that a change by hand shows.
    """

    model_config = ConfigDict(extra="forbid")

    format: int = 1
    stage: str
    unit: str
    kind: str
    lang: str | None = None
    fingerprint: str
    identity: dict[str, Any]
    seed: int
    rows_in: dict[str, int] = {}
    rows_out: int | None = None
    columns: dict[str, str] = {}
    parts: list[PartInfo] = []
    files: dict[str, str] = {}
    sizes: dict[str, int] = {}
    drops: dict[str, dict[str, int]] = {}
    counts: dict[str, int] = {}
    notes: dict[str, Any] = {}
    started: datetime
    finished: datetime
    seconds: float
    versions: dict[str, str] = {}
    seal: str | None = None

    @field_validator("files", "sizes")
    @classmethod
    def _named_files(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            _inside(name)
        return value

    def sealed(self) -> Manifest:
        """Return this manifest with its seal."""
        return self.model_copy(update={"seal": self._seal()})

    @property
    def intact(self) -> bool:
        """Whether the seal fits; a manifest without one is from before there were any."""
        return self.seal is None or self.seal == self._seal()

    def _seal(self) -> str:
        return fingerprint(self.model_dump(mode="json", exclude={"seal"}))


@dataclass(frozen=True, slots=True)
class Damage:
    """A file of an output that is not what was written.

    Attributes:
        name: The file, relative to the folder of the output.
        what: What is wrong with it.
    """

    name: str
    what: str

    def __str__(self) -> str:
        return f"{self.name} {self.what}"


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a complete output.

    Raises:
        XlnerError: If there is none.
        DamagedError: If it is damaged, or was changed after it was written.
    """
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise XlnerError(f"{folder} holds no {MANIFEST}: it is not a complete output") from None
    return parse_manifest(data, path)


def parse_manifest(data: bytes, where: Path | str) -> Manifest:
    """Return the manifest that a file holds.

    Args:
        data: Its content.
        where: Its name, for errors.

    Raises:
        DamagedError: If it is damaged, or was changed after it was written.
    """
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        what = ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))
        raise DamagedError(
            f"{where}: damaged manifest ({what}); delete it and run again: the output is made again"
        ) from error
    if not manifest.intact:
        raise DamagedError(
            f"{where}: changed after it was written (its own hash does not fit); put it back as it "
            "was, or delete it and run again: the output is made again"
        )
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a manifest beside the files that it describes, sealed, as the last of all."""
    text = manifest.sealed().model_dump_json(indent=2)
    write_atomic(folder / MANIFEST, text.encode())


def file_damage(path: Path, size: int | None, sha256: str | None) -> str | None:
    """Return what is wrong with a file of known size and, if given, known SHA-256."""
    try:
        found = path.stat().st_size
        if size is not None and found != size:
            return f"has {found:,} bytes instead of {size:,}"
        if sha256 is not None and file_sha256(path) != sha256:
            return "has another SHA-256 than when it was written"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None


def merge_counts(parts: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    """Add up nested counters."""
    total: dict[str, dict[str, int]] = {}
    for part in parts:
        for key, counts in part.items():
            mine = total.setdefault(key, {})
            for name, n in counts.items():
                mine[name] = mine.get(name, 0) + n
    return total


@functools.cache  # reading them takes longer than many a task
def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that decide results."""
    versions = {"python": platform.python_version()}
    for name in (
        "xlner",
        "torch",
        "transformers",
        "ctranslate2",
        "sentencepiece",
        "simalign",
        "seqeval",
        "pyarrow",
        "numpy",
        "scipy",
    ):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
