"""What a run keeps: fingerprints, manifests, atomic writes, and the lock on a run folder.

``<run>/<stage>/<unit>/`` holds the parts (or files) of one task's output and ``_manifest.json``. A
folder with a manifest is complete; work in progress lives beside it in ``<unit>.partial/``, which
holds ``fingerprint``, ``out/`` (becomes the folder by a rename) and ``work/`` (checkpoints and
bookkeeping, deleted at the end). Every file is written under a temporary name, fsynced, renamed.

A manifest names the size and the SHA-256 of every file beside it and carries a hash of itself.
Sizes are compared whenever a run is planned, contents when they are read. A file that is missing is
work to do; one that is another is an error, and made again once it is deleted.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.disk import disk_errors, file_sha256, sweep, sync_folder, sync_tree, write_atomic
from pipeline.errors import DamagedError, LockedError, XlnerError
from pipeline.manifest import (
    MADE_AGAIN,
    MANIFEST,
    Damage,
    Manifest,
    PartInfo,
    file_damage,
    read_manifest,
    write_manifest,
)
from pipeline.task import Ref

if TYPE_CHECKING:
    import pyarrow as pa

CONFIG = "config.json"
"""The configuration that a run was last started with, in its folder."""

PARTIAL = ".partial"
OLD = ".old"
MARK = "fingerprint"


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
        """Yield the parts one by one, in order; memory holds one at a time.

        Raises:
            DamagedError: If a part is not what was written.
        """
        for info, part in zip(self.manifest.parts, self.parts, strict=True):
            yield read_part(part, info.sha256)

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

    def known_files(self) -> dict[str, tuple[int | None, str]]:
        """Return size (if known) and SHA-256 of every file beside the manifest, by name."""
        known = {p.name: (p.size, p.sha256) for p in self.manifest.parts}
        return known | {n: (self.manifest.sizes.get(n), h) for n, h in self.manifest.files.items()}

    @property
    def hashes(self) -> dict[str, str]:
        """The SHA-256 of every file beside the manifest, by name."""
        return {name: sha256 for name, (_, sha256) in self.known_files().items()}

    def damage(self, *, contents: bool) -> list[Damage]:
        """Return which files are not what was written.

        Args:
            contents: Compare contents, not only sizes.
        """
        found = []
        for name, (size, sha256) in self.known_files().items():
            what = file_damage(self.folder / name, size, sha256 if contents else None)
            if what:
                found.append(Damage(name, what))
        return found


def read_part(path: Path, sha256: str | None = None) -> pa.Table:
    """Read one part file.

    Args:
        path: The file.
        sha256: The hash that it must have, if known.

    Raises:
        DamagedError: If it is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        content = path.read_bytes()
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            raise DamagedError(
                f"{path} is damaged: it has another SHA-256 than when it was written; {MADE_AGAIN}"
            )
        # A part is small: the dataset machinery of read_table costs more than it brings.
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            return file.read(use_threads=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise DamagedError(f"{path}: no readable Parquet file ({error}); {MADE_AGAIN}") from error


def write_part(data: pa.Table, path: Path) -> PartInfo:
    """Write a table as a part file, atomically, the same bytes for the same data.

    The folder must exist.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(data, sink, compression="lz4")
    content = sink.getvalue().to_pybytes()
    write_atomic(path, content, parents=False)
    digest = hashlib.sha256(content).hexdigest()
    return PartInfo(name=path.name, rows=data.num_rows, sha256=digest, size=len(content))


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

    def hashes(self, ref: Ref, expected: str) -> dict[str, str] | None:
        """Return the SHA-256 of every file of an output, by its manifest or what is there.

        ``None`` if nothing is there, or what another fingerprint than ``expected`` made.
        """
        place = self.folder(ref)
        with contextlib.suppress(DamagedError):
            found = self.artifact(ref)
            if found is not None:
                return found.hashes if found.manifest.fingerprint == expected else None
        files = sorted(p for p in place.rglob("*") if p.is_file() and p.name != MANIFEST)
        return {p.relative_to(place).as_posix(): file_sha256(p) for p in files} or None

    def artifacts(self) -> Iterator[Artifact]:
        """Yield every complete output in the run, sorted by path."""
        for path in sorted(self.path.rglob(MANIFEST)):
            steps = path.relative_to(self.path).parts
            if not any(p.endswith((PARTIAL, OLD)) for p in steps):
                yield Artifact(path.parent)

    def partial(self, ref: Ref, expected: str) -> Partial:
        """Open the work in progress of a task; what another fingerprint left is deleted."""
        return Partial(self.folder(ref), expected)

    def tidy(self) -> None:
        """Finish or clear away what a killed process left half done; only with the lock held.

        Work in progress that a later run can go on with stays.
        """
        sweep(self.path)
        for folder in list(_unfinished(self.path)):
            final = folder.with_name(folder.name.removesuffix(PARTIAL).removesuffix(OLD))
            if folder.name.endswith(OLD):
                # Killed between the two renames of an exchange, and the new output is not there.
                if not (final / MANIFEST).is_file() and (folder / MANIFEST).is_file():
                    folder.replace(final)
                else:
                    shutil.rmtree(folder)
                continue
            mark = read_mark(folder)
            if mark is None:
                shutil.rmtree(folder)
            elif not final.exists() and (folder / "out" / MANIFEST).is_file():
                Partial(final, mark).finish(None)

    def drop_partial(self, ref: Ref, mark: str) -> None:
        """Delete the work in progress on an output that is complete, if there is any of it."""
        folder = partial_folder(self.folder(ref))
        if read_mark(folder) == mark:
            discard(folder)

    @property
    def shared(self) -> Path:
        """Where tasks keep what others of the run would compute again; gone when it is done."""
        return self.path / ".shared"

    def sweep_shared(self) -> None:
        """Delete the locks in :attr:`shared`, once no task is at work; what is finished stays."""
        for lock in self.shared.rglob("*.lock"):
            lock.unlink()

    def sweep_partial(self, ref: Ref) -> None:
        """Delete what was being written for an output when the process that made it was killed."""
        folder = partial_folder(self.folder(ref))
        if folder.exists():
            sweep(folder, deep=True)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for this process.

        The lock goes with the process: a kill releases it. The file is deleted at the end.

        Raises:
            LockedError: If another process holds it.
        """
        path = self.path / ".lock"
        with disk_errors(path):
            self.path.mkdir(parents=True, exist_ok=True)
            file = _locked_file(path)
        with file:
            try:
                owner = f"pid {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
                with disk_errors(path):
                    file.truncate(0)
                    file.write(owner.encode())
                yield
            finally:
                path.unlink(missing_ok=True)


class Partial:
    """Work in progress on one output.

    Args:
        final: The folder of the output.
        expected: Fingerprint of what is being made; what another one left is deleted.

    Attributes:
        out: Folder that will become the output.
        work: Scratch folder; deleted at the end.
    """

    def __init__(self, final: Path, expected: str) -> None:
        self._final = final
        self._folder = folder = partial_folder(final)
        self.out = folder / "out"
        self.work = folder / "work"
        if folder.exists() and read_mark(folder) != expected:
            discard(folder)
        resumed = folder.exists()
        with disk_errors(folder):
            self.out.mkdir(parents=True, exist_ok=True)
            self.work.mkdir(parents=True, exist_ok=True)
        if resumed:
            self.sweep()
        else:
            write_atomic(folder / MARK, expected.encode())

    @property
    def complete(self) -> bool:
        """Whether everything is written and only the last rename is missing."""
        return (self.out / MANIFEST).is_file()

    def sweep(self) -> None:
        """Delete what was being written when a process was killed."""
        for folder in (self.out, self.work):
            sweep(folder, deep=True)

    def finish(self, manifest: Manifest | None) -> Artifact:
        """Write the manifest, put the output in place of any older one, and clean up.

        ``None`` means that the manifest is there already (see :attr:`complete`).
        """
        sync_tree(self.out)
        if manifest is not None:
            # Only now: it vouches for all that is beside it, after a power cut too.
            write_manifest(self.out, manifest)
            sync_folder(self.out)
        old = self._final.with_name(self._final.name + OLD)
        shutil.rmtree(old, ignore_errors=True)
        if self._final.exists():
            self._final.replace(old)
        self._final.parent.mkdir(parents=True, exist_ok=True)
        self.out.replace(self._final)
        sync_folder(self._final.parent)
        shutil.rmtree(old, ignore_errors=True)
        discard(self._folder)
        return Artifact(self._final)

    def sidecar(self, index: int) -> Path:
        """Return where the facts about part ``index`` are kept until the manifest is written."""
        return self.work / f"part-{index:05d}.json"


def partial_folder(final: Path) -> Path:
    """Return where the work in progress on an output is."""
    return final.with_name(final.name + PARTIAL)


def read_mark(folder: Path) -> str | None:
    """Return the fingerprint of what a folder of work in progress is to become, if it has one."""
    try:
        return (folder / MARK).read_text()
    except (FileNotFoundError, NotADirectoryError):
        return None


def discard(folder: Path) -> None:
    """Delete a folder of work in progress: its mark first, so that half of it is never used."""
    (folder / MARK).unlink(missing_ok=True)
    shutil.rmtree(folder)


def _unfinished(folder: Path) -> Iterator[Path]:
    """Yield the folders of work in progress and of replaced outputs, work in progress first."""
    found = []
    for path, names, files in os.walk(folder):
        found += [Path(path, n) for n in names if n.endswith((PARTIAL, OLD))]
        done = MANIFEST in files
        names[:] = [] if done else [n for n in names if not n.endswith((PARTIAL, OLD))]
    yield from sorted(found, key=lambda p: (p.name.endswith(OLD), p))


def _locked_file(path: Path) -> FileIO:
    """Open and lock the lock file.

    Raises:
        LockedError: If another process holds it.
    """
    while True:
        file = path.open("ab+", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with file:
                file.seek(0)
                owner = file.read().decode(errors="replace").strip() or "unknown process"
            raise LockedError(
                f"another run is working on {path.parent} ({owner}); wait for it to end, or use "
                "another name (--set name=…)"
            ) from None
        # Its last holder may have deleted it between our opening and locking it.
        try:
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except FileNotFoundError:
            pass
        file.close()
