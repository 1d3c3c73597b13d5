"""Files that are there whole or not at all, and what the disk says against it in words."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from pipeline.errors import ConfigError, XlnerError

_TEMPORARY = re.compile(r"\..+\.\d+\.tmp")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)
_OTHER = (errno.EFBIG, errno.EIO)
# Libraries that write files outside Python (safetensors, torch, Arrow) tell of it in text only.
_IN_TEXT = {
    errno.ENOSPC: re.compile(r"No space left on device|os error 28\b"),
    errno.EDQUOT: re.compile(r"Disk quota exceeded|os error 122\b"),
    errno.EROFS: re.compile(r"Read-only file system|os error 30\b"),
}
_WITHOUT_REASON = re.compile(r"PytorchStreamWriter failed|basic_ios::|iostream error")
_NEARLY_FULL = 1 << 20


class DiskError(XlnerError):
    """The disk is full or broken, or a folder must not be written to; says what to do."""


@contextlib.contextmanager
def disk_errors(
    path: Path, place: str = "the folder of the runs", by: str = "--runs-dir"
) -> Iterator[None]:
    """Turn errors of the disk into errors that say what to do.

    Args:
        path: What is written, or the folder that it is written in, for the message.
        place: The folder that must be writable, as users know it.
        by: What names another one.

    Raises:
        DiskError: If the disk is full or broken, or the folder must not be written to.
    """
    try:
        yield
    except DiskError:
        raise  # told, nearer to where it was
    except Exception as error:
        found = _os_error(error, path)
        if found is None:
            raise
        code, name = found
        if isinstance(error, XlnerError) and code not in (*_FULL, errno.EROFS):
            raise  # its message names the file already
        raise DiskError(_advice(code, name or str(path), place, by)) from error


def told(error: BaseException) -> str | None:
    """Return what went wrong with a file or the disk in words; ``None`` for any other error.

    For commands that read and write single files; what a run writes is in :func:`disk_errors`.
    """
    code, name = _os_error(error, Path()) or (None, None)
    if isinstance(error, OSError) and name is None:
        code, named = error.errno, error.filename2 or error.filename
        name = os.fsdecode(named) if named else None
    if code in _FULL:
        return _no_space(code, name or "what comes out")
    if code is None:
        return None
    text = os.strerror(code)
    if name is None:  # Arrow's text says what it was about
        more = getattr(error, "strerror", None) or text
        return more if more != text else None
    return f"{name}: {text.lower()}"


def _os_error(error: BaseException, path: Path) -> tuple[int, str | None] | None:
    """Return the code and the file of the first error of the disk among an error and its causes."""
    seen: BaseException | None = error
    if isinstance(error, XlnerError) and error.__cause__ is None:
        return None
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (*_FULL, *_FORBIDDEN, *_OTHER):
            named = seen.filename2 or seen.filename  # of a copy, the second is what is written
            return seen.errno, str(named) if named else None
        text = str(seen)
        for code, pattern in _IN_TEXT.items():
            if pattern.search(text):
                return code, None
        if _WITHOUT_REASON.search(text) and _free(path) < _NEARLY_FULL:
            return errno.ENOSPC, None
        seen = seen.__cause__ or seen.__context__
    return None


def _free(path: Path) -> int:
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def _no_space(code: int, name: str) -> str:
    what = "the disk is full" if code == errno.ENOSPC else "the disk quota is used up"
    return f"{what}: could not write {name}; free some space and run again"


def _advice(code: int, name: str, place: str, by: str) -> str:
    if code in _FULL:
        return f"{_no_space(code, name)}, finished parts are kept"
    if code in _FORBIDDEN:
        return (
            f"{name}: {os.strerror(code).lower()}; the inputs must be readable and {place} "
            f"writable ({by} names another one)"
        )
    if code == errno.EFBIG:
        return (
            f"could not write {name}: it would be larger than files may be here (ulimit -f, or a "
            "limit of the file system); finished parts are kept"
        )
    return (
        f"{name}: the disk reports an input/output error; check it (dmesg), or run elsewhere "
        f"({by}); files that do not read back as they were written are named"
    )


def write_atomic(path: Path, data: bytes, *, parents: bool = True) -> None:
    """Write ``data`` to a file as :func:`whole_file` does."""
    with whole_file(path, parents=parents) as file:
        file.write(data)


@contextlib.contextmanager
def whole_file(path: Path, *, parents: bool = True) -> Iterator[IO[bytes]]:
    """Open a file to write it so that it is there whole or not at all, even after a power cut.

    Args:
        path: The file.
        parents: Make the folders above it. A worker that outlives its run must not: it would make
            again what the next run has cleared away.
    """
    with disk_errors(path):
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as temporary, temporary.open("wb") as file:
            yield file


@contextlib.contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield the name under which to write a file, which gets its own name once it is whole.

    Where the writing fails or is stopped, what was there before stays. A link stays one, who may
    read the file stays as it was, and what is no file (``/dev/stdout``, a pipe) is written to as it
    is.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        with _called(path, path):
            yield path
        return
    final = path.resolve()
    temporary = final.with_name(f".{final.name}.{os.getpid()}.tmp")
    try:
        with _called(path, temporary):
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            if final.exists():
                shutil.copymode(final, temporary)
            temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)


def write_lines(path: str | Path, lines: Iterable[str]) -> int:
    """Write lines, which bring their ends, in UTF-8 as :func:`written_whole` does.

    Returns:
        The number of lines (or groups of them) that were given.
    """
    count = 0
    with written_whole(path) as new, new.open("w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            file.write(line)
            count += 1
    return count


@contextlib.contextmanager
def _called(path: Path, temporary: Path) -> Iterator[None]:
    """Have errors name what was asked for, not the name under which it is written."""
    try:
        yield
    except OSError as error:
        if isinstance(error.filename, str):
            error.filename = error.filename.replace(str(temporary), str(path))
        elif error.errno in _FULL:  # writing into an open file does not say into which
            error.filename = str(path)
        raise


@contextlib.contextmanager
def folder_whole(folder: Path) -> Iterator[Path]:
    """Yield a folder to fill, whose content gets into ``folder`` once it is whole.

    Where the filling fails or is stopped, there is no folder, or it stays empty; what a process
    that was killed has left of it is cleared away.

    Args:
        folder: New or empty.

    Raises:
        ConfigError: If something is there that would be lost.
    """
    final = folder.resolve()
    there = final.is_dir()
    for place in (final.parent, final):
        sweep_dead(place / final.name)
    if there and any(final.iterdir()):
        raise ConfigError(f"{folder} holds something already; name a new folder")
    if final.exists() and not there:
        raise ConfigError(f"{folder} is a file; name a new folder")
    # A folder that is there may be where a disk is mounted: filled in place, not replaced.
    temporary = (final if there else final.parent) / f".{final.name}.{os.getpid()}.tmp"
    try:
        with _called(folder, temporary):
            temporary.mkdir(parents=True)
            yield temporary
            sync_tree(temporary)
            if there:
                for path in temporary.iterdir():
                    path.replace(final / path.name)
            else:
                temporary.replace(final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sweep(folder: Path, *, deep: bool = False) -> None:
    """Delete what processes that were killed while they wrote a file have left in a folder.

    Only for folders that no other process writes to at the same time.

    Args:
        folder: The folder; need not exist.
        deep: In the folders below it, too.
    """
    for path in folder.rglob(".*.tmp") if deep else folder.glob(".*.tmp"):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def sweep_dead(path: Path) -> None:
    """Delete unfinished versions of a file or folder that several processes may write at once.

    Those of processes that are alive on this machine stay. That of a living one elsewhere may go:
    its :func:`write_atomic` then raises :class:`FileNotFoundError`.
    """
    for found in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        pid = found.name.removesuffix(".tmp").rpartition(".")[2]
        if not pid.isdigit() or is_alive(int(pid)):
            continue
        if found.is_dir():
            shutil.rmtree(found)
        else:
            found.unlink(missing_ok=True)


def is_alive(pid: int) -> bool:
    """Whether there is a process of that number on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's process
        return True
    return True


@contextlib.contextmanager
def made_once(path: Path) -> Iterator[bool]:
    """Have one of several processes make a file, and the others wait for it.

    Yields whether the file is still to be made; the lock goes with the process that holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not path.exists()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_tree(folder: Path) -> None:
    """Fsync all files below a folder, and the folders."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        elif path.is_dir():
            sync_folder(path)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Fsync the entries of a folder: names, not contents."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
