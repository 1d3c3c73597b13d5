"""What a run keeps: fingerprints, manifests, atomic writes, and the lock on a run folder.

``<run>/<stage>/<unit>/`` holds the parts (or files) of one task's output and ``_manifest.json``. A
folder with a manifest is complete; work in progress lives beside it in ``<unit>.partial/``, which
holds ``fingerprint``, ``out/`` (becomes the folder by a rename) and ``work/`` (checkpoints and
bookkeeping, deleted at the end). Every file is written under a temporary name, fsynced, renamed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from pipeline.errors import LockedError, XlnerError
from pipeline.stage import Ref

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST = "_manifest.json"
"""With an underscore, so that readers of Parquet folders (pandas, pyarrow) pass it by."""


class PartInfo(BaseModel):
    """One part file: its name, row count, and SHA-256."""

    name: str
    rows: int
    sha256: str


class Manifest(BaseModel):
    """What is known about a complete output.

    Attributes:
        fingerprint: Hash of ``identity``.
        identity: Everything that decides the result: stage version, options, inputs, file hashes.
        drops: Dropped rows, spans and lost spans by reason.
        counts: Free counters of the stage.
        notes: Facts that the stage wants to be known (detected scheme, hardware …).
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
    drops: dict[str, dict[str, int]] = {}
    counts: dict[str, int] = {}
    notes: dict[str, Any] = {}
    started: datetime
    finished: datetime
    seconds: float
    versions: dict[str, str] = {}


class Artifact:
    """A complete output on disk.

    Attributes:
        folder: Where it is.
        manifest: What is known about it.
    """

    def __init__(self, folder: Path, manifest: Manifest | None = None) -> None:
        self.folder = folder
        self.manifest = manifest or read_manifest(folder)

    @property
    def parts(self) -> list[Path]:
        """The part files, in order."""
        return [self.folder / p.name for p in self.manifest.parts]

    @property
    def num_rows(self) -> int:
        """Rows in all parts together."""
        return sum(p.rows for p in self.manifest.parts)

    def tables(self) -> Iterator[pa.Table]:
        """Yield the parts one by one, in order; memory holds one at a time."""
        for part in self.parts:
            yield read_part(part)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows as dictionaries, streaming."""
        for data in self.tables():
            yield from data.to_pylist()

    def read(self) -> pa.Table:
        """Read everything into one table.

        Raises:
            XlnerError: If the artifact holds no parts.
        """
        import pyarrow as pa

        tables = list(self.tables())
        if not tables:
            raise XlnerError(f"{self.folder} holds no data")
        return pa.concat_tables(tables)


def read_part(path: Path) -> pa.Table:
    """Read one part file.

    Raises:
        XlnerError: If it is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # A part is small: the dataset machinery of read_table costs more than it brings.
        with pq.ParquetFile(path) as file:
            return file.read(use_threads=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise XlnerError(
            f"{path}: not a readable Parquet file ({error}); delete its folder and run again"
        ) from error


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a complete output.

    Raises:
        XlnerError: If there is none, or it is damaged.
    """
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise XlnerError(f"{folder} holds no {MANIFEST}: it is not a complete output") from None
    except ValueError as error:
        raise XlnerError(f"{path}: damaged manifest ({error}); delete its folder") from error


def fingerprint(value: Any) -> str:
    """Return the SHA-256 of a JSON value in canonical form."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def derive_seed(*parts: object) -> int:
    """Derive a 32-bit seed from anything printable: the same everywhere, always."""
    text = "\x1f".join(str(p) for p in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


class FileHashes:
    """Content hashes of files and folders, remembered by size and modification time.

    Args:
        store: JSON file that the hashes are kept in.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._known: dict[str, list[Any]] = {}
        self._changed = False
        with contextlib.suppress(FileNotFoundError, ValueError):  # a cache may be lost
            self._known = json.loads(store.read_text(encoding="utf-8"))

    def of(self, path: Path) -> str:
        """Return the hash of a file, or of all files below a folder (names and contents).

        A snapshot folder of the hub's cache is named by its commit, which identifies its content.
        Model cards and other Markdown in a folder, and hidden files, decide nothing.

        Raises:
            XlnerError: If the path does not exist.
        """
        if re.fullmatch(r"[0-9a-f]{40}", path.name) and path.parent.name == "snapshots":
            return f"commit:{path.parent.parent.name}@{path.name}"
        if path.is_dir():
            listing = [
                (str(p.relative_to(path)), self._file(p))
                for p in sorted(path.rglob("*"))
                if p.is_file() and not p.name.startswith(".") and p.suffix != ".md"
            ]
            return fingerprint(listing)
        if not path.exists():
            raise XlnerError(f"file not found: {path}")
        return self._file(path)

    def _file(self, path: Path) -> str:
        stat = path.stat()
        key = str(path.resolve())
        stamp = [stat.st_size, stat.st_mtime_ns]
        known = self._known.get(key)
        if known and known[:2] == stamp:
            return str(known[2])
        digest = file_sha256(path)
        self._known[key] = [*stamp, digest]
        self._changed = True
        return digest

    def save(self) -> None:
        """Write the remembered hashes, if any are new."""
        if self._changed:
            write_atomic(self._store, json.dumps(self._known).encode())
            self._changed = False


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn 'no space left' into an error that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise XlnerError(
                f"the disk is full: could not write {path}; free some space and run again, "
                "finished parts are kept"
            ) from error
        raise


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, even after a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_part(data: pa.Table, path: Path) -> PartInfo:
    """Write a table as a part file, atomically, the same bytes for the same data."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(data, sink, compression="lz4")
    content = sink.getvalue().to_pybytes()
    write_atomic(path, content)
    return PartInfo(name=path.name, rows=data.num_rows, sha256=hashlib.sha256(content).hexdigest())


def part_name(index: int) -> str:
    """Return the file name of part ``index``."""
    return f"part-{index:05d}.parquet"


class RunFolder:
    """The folder of one run.

    Args:
        path: ``<runs-dir>/<run name>``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def folder(self, ref: Ref) -> Path:
        """Return where the output of a task is, or will be."""
        return self.path / ref.stage / ref.unit

    def artifact(self, ref: Ref) -> Artifact | None:
        """Return the complete output of a task, or ``None``."""
        folder = self.folder(ref)
        return Artifact(folder) if (folder / MANIFEST).is_file() else None

    def artifacts(self) -> Iterator[Artifact]:
        """Yield every complete output in the run, sorted by path."""
        for path in sorted(self.path.rglob(MANIFEST)):
            if not any(p.endswith(".partial") for p in path.relative_to(self.path).parts):
                yield Artifact(path.parent)

    def partial(self, ref: Ref, expected: str) -> Partial:
        """Open the work in progress of a task; what another fingerprint left is deleted."""
        folder = self.folder(ref)
        return Partial(folder, folder.with_name(folder.name + ".partial"), expected)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for this process.

        Raises:
            LockedError: If another process holds it.
        """
        with disk_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / ".lock"
        with path.open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                owner = file.read().strip() or "unknown process"
                raise LockedError(
                    f"another run is working on {self.path} ({owner}); wait for it to end, or use "
                    "another name (--set name=…)"
                ) from None
            file.truncate(0)
            file.write(f"pid {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
            file.flush()
            # The lock goes with the process: a kill -9 releases it, the file may stay.
            yield
            file.truncate(0)


class Partial:
    """Work in progress on one output.

    Attributes:
        out: Folder that will become the output.
        work: Scratch folder; deleted at the end.
    """

    def __init__(self, final: Path, folder: Path, expected: str) -> None:
        self._final = final
        self._folder = folder
        self.out = folder / "out"
        self.work = folder / "work"
        mark = folder / "fingerprint"
        if folder.exists() and (not mark.exists() or mark.read_text() != expected):
            shutil.rmtree(folder)
        self.resumed = folder.exists()
        with disk_errors(folder):
            self.out.mkdir(parents=True, exist_ok=True)
            self.work.mkdir(parents=True, exist_ok=True)
        if not self.resumed:
            write_atomic(mark, expected.encode())

    @property
    def complete(self) -> bool:
        """Whether everything is written and only the last rename is missing."""
        return (self.out / MANIFEST).is_file()

    def finish(self, manifest: Manifest | None) -> Artifact:
        """Write the manifest, put the output in place of any older one, and clean up.

        ``None`` means that the manifest is there already (see :attr:`complete`).
        """
        if manifest is not None:
            text = manifest.model_dump_json(indent=2)
            write_atomic(self.out / MANIFEST, text.encode())
        sync_tree(self.out)
        old = self._final.with_name(self._final.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        if self._final.exists():
            self._final.replace(old)
        self._final.parent.mkdir(parents=True, exist_ok=True)
        self.out.replace(self._final)
        _sync_folder(self._final.parent)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(self._folder)
        return Artifact(self._final)

    def sidecar(self, index: int) -> Path:
        """Return where the facts about part ``index`` are kept until the manifest is written."""
        return self.work / f"part-{index:05d}.json"


def sync_tree(folder: Path) -> None:
    """Fsync all files below a folder, and the folders."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        elif path.is_dir():
            _sync_folder(path)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def merge_counts(parts: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    """Add up nested counters."""
    total: dict[str, dict[str, int]] = {}
    for part in parts:
        for key, counts in part.items():
            mine = total.setdefault(key, {})
            for name, n in counts.items():
                mine[name] = mine.get(name, 0) + n
    return total


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that decide results."""
    import platform
    from importlib import metadata

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
