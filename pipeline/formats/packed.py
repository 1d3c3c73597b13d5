"""Packed files (gzip, bzip2, xz, zip with one file), read as a stream: nothing is unpacked to disk.

Bombs, locked and damaged files and archives of several files are refused with what they are.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Final

from pipeline.errors import DataError

SUFFIXES: Final = frozenset({".gz", ".bz2", ".xz", ".zip"})
LARGE: Final = 1 << 26
"""Bytes below which nothing is taken for a bomb."""
DENSEST: Final = 200
"""How many times its size a packed text grows at the most.

Text shrinks to a third or a tenth, repetitive text to a fiftieth; deflate ends at 1/1032.
"""

_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")  # the second: of an archive without files
_STREAMS: Final[dict[bytes, tuple[str, Any]]] = {
    b"\x1f\x8b": ("gzip", gzip.open),
    b"BZh": ("bzip2", bz2.open),
    b"\xfd7zXZ": ("xz", lzma.open),
}
_DAMAGE: Final = (EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, OSError, RuntimeError)
_OFFICE: Final = {"word/": "a Word document", "xl/": "an Excel workbook", "ppt/": "slides"}


def inner_name(path: Path) -> str:
    """Return the name of what a file holds: without ``.gz`` and the like; of a zip, its member's.

    Raises:
        DataError: If it is a zip archive that does not hold exactly one file, or is damaged.
    """
    if path.suffix.lower() not in SUFFIXES:
        return path.name
    if path.suffix.lower() == ".zip" and path.is_file() and _starts(path).startswith(_ZIP):
        return Path(only_member(path).filename).name
    return path.stem


def is_packed(path: Path) -> bool:
    """Whether a file is packed, by its first bytes."""
    return packing(_starts(path)) is not None


def packing(head: bytes) -> str | None:
    """Return by what a file is packed that begins so; ``None`` if it is not."""
    if head.startswith(_ZIP):
        return "zip"
    return next((name for magic, (name, _) in _STREAMS.items() if head.startswith(magic)), None)


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for reading, unpacking it on the way if it is packed.

    Raises:
        DataError: Here or while reading, if it is damaged, a bomb, or holds several files.
    """
    head = _starts(path)
    if head.startswith(_ZIP):
        return _open_zip(path)
    for magic, (name, opener) in _STREAMS.items():
        if head.startswith(magic):
            return io.BufferedReader(_Unpacked(opener(path, "rb"), path, name))
    return path.open("rb")


def _starts(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(8)


def _open_zip(path: Path) -> IO[bytes]:
    member = only_member(path)
    refuse_bomb(path, member)
    archive = zipfile.ZipFile(path)
    try:
        opened = archive.open(member)
    except _DAMAGE as error:
        archive.close()
        raise DataError(f"{path}: a damaged zip archive ({error})") from error
    return io.BufferedReader(_Unpacked(opened, path, "zip", archive))


def only_member(path: Path) -> zipfile.ZipInfo:
    """Return the one file in a zip archive; hidden ones and those of macOS do not count.

    Raises:
        DataError: If there is none, or several, which are named.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except _DAMAGE as error:
        raise DataError(f"{path}: a damaged zip archive ({error})") from error
    for start, what in _OFFICE.items():
        if any(m.filename.startswith(start) for m in members):
            raise DataError(f"{path}: {what}: save its data as text (CSV, say) first")
    files = [
        m
        for m in members
        if not m.is_dir()
        and not Path(m.filename).name.startswith(".")
        and "__MACOSX" not in m.filename
    ]
    if len(files) != 1:
        names = ", ".join(m.filename for m in files[:10]) or "nothing"
        more = f" and {len(files) - 10} more" if len(files) > 10 else ""
        raise DataError(
            f"{path}: a zip archive that holds {names}{more}, where one file was expected; "
            "unpack it and name the file or the folder"
        )
    return files[0]


def refuse_bomb(path: Path, member: zipfile.ZipInfo) -> None:
    """Refuse a member that grows beyond what text can, and one that is locked.

    What is read is never more than ``file_size`` says, so the header cannot lie to us.

    Raises:
        DataError: If it is so.
    """
    size = member.file_size
    if size > LARGE and size > DENSEST * member.compress_size:
        raise DataError(
            f"{path}: {member.filename} would grow from {member.compress_size:,} to {size:,} "
            "bytes; no text is that dense (a zip bomb?); unpack it yourself if it is what you want"
        )
    if member.flag_bits & 1:
        raise DataError(f"{path}: {member.filename} is encrypted; unpack it first")


class _Unpacked(io.RawIOBase):
    """A stream that says what is wrong with a packed file, and stops before a bomb goes off."""

    def __init__(
        self, inner: IO[bytes], path: Path, kind: str, owner: zipfile.ZipFile | None = None
    ) -> None:
        self._inner, self._path, self._kind, self._owner = inner, path, kind, owner
        self._size = path.stat().st_size
        self._read = 0

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read the next bytes into ``buffer``."""
        try:
            data = self._inner.read(len(buffer))
        except _DAMAGE as error:
            raise DataError(f"{self._path}: a damaged {self._kind} file: {error}") from error
        self._read += len(data)
        if self._read > LARGE and self._read > DENSEST * self._size:
            raise DataError(
                f"{self._path}: grows from {self._size:,} to more than {self._read:,} bytes; no "
                f"text is that dense (a {self._kind} bomb?); unpack it yourself if it is what you "
                "want"
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._inner.close()
            if self._owner is not None:
                self._owner.close()
        super().close()
