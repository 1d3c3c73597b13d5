"""Opening text files: missing, binary and wrongly encoded ones are refused with a clear message."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, cast

from pipeline.errors import DataError, suggest
from pipeline.formats.packed import open_bytes, packing

_HEAD: Final = 65536
_MAGIC: Final = {
    b"PAR1": "a Parquet file: set format: parquet",
    b"PK\x03\x04": "a zip archive in another: unpack it first",
    b"\x1f\x8b": "gzip-compressed twice: unpack it first",
    b"BZh": "bzip2-compressed twice: unpack it first",
    b"\xfd7zXZ": "xz-compressed twice: unpack it first",
    b"(\xb5/\xfd": "compressed with Zstandard: unpack it first (unzstd)",
    b"7z\xbc\xaf'\x1c": "a 7-Zip archive: unpack it first",
    b"Rar!": "a RAR archive: unpack it first",
    b"ARROW1": "an Arrow file: give the folder that save_to_disk wrote, or save it as Parquet",
    b"\xff\xff\xff\xff": "an Arrow file: give the folder that save_to_disk wrote",
    b"%PDF": "a PDF: extract its text first",
    b"\xd0\xcf\x11\xe0": "a Word or Excel file: save its data as text (CSV, say) first",
    b"SQLite format 3": "an SQLite database: export its table as CSV or JSON Lines",
    b"\x80\x04\x95": "a Python pickle, which may run code when read: save it as JSON Lines",
    b"\x80\x03": "a Python pickle, which may run code when read: save it as JSON Lines",
}
# Longest first: the UTF-32 mark begins with the UTF-16 one.
_WIDE_MARKS: Final = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_FOREIGN: Final = re.compile(
    rb"[\xa1-\xff]{3}"  # letters with accents come one or two at a time
    rb"|[\xa2-\xa6\xa8\xac\xaf\xb1\xb6\xb8\xd7\xf7](?=[A-Za-z\xc0-\xff])"
    rb"|(?<=[A-Za-z\xc0-\xff])[\xa2-\xa6\xa8\xac\xaf\xb1\xb6\xb8\xd7\xf7]"
)
"""What text of Latin letters hardly has in Latin-1: signs such as the yen's beside letters."""


def require_file(path: Path) -> None:
    """Check that ``path`` is a file, which can be read again and again.

    Raises:
        DataError: If it is missing, a folder or a pipe.
    """
    if path.is_dir():
        names = sorted(p.name for p in path.iterdir())[:10]
        listed = ", ".join(names) or "it has none"
        raise DataError(f"{path}: is a folder, not a file; name one of its files ({listed})")
    if not path.exists():
        near = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"{path}: file not found{suggest(path.name, near)}")
    if path.is_fifo():
        # Whoever looks at its format has taken its first lines from those who read it.
        raise DataError(
            f"{path}: is a pipe, which gives its text once, and files are read several times here; "
            "write it to a file, and name that"
        )


def read_lines(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    r"""Yield the lines of a text file (packed or not) without their ends, numbered from 1.

    Lines end at ``\n`` or ``\r\n`` (or at ``\r`` in a file without ``\n``) and nowhere else:
    U+0085, U+2028, form feeds and the like are text. A byte order mark is removed.

    Raises:
        DataError: If the file is missing, binary, or not in this encoding; with file and line.
    """
    require_file(path)
    with open_bytes(path) as file:
        yield from _lines(io.BufferedReader(cast(Any, file), _HEAD), str(path), encoding)


def read_stream(file: IO[bytes], name: str, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """Yield the lines of a stream as they come, as :func:`read_lines` does those of a file.

    Args:
        file: The stream.
        name: What errors call it.
        encoding: Its encoding.

    Raises:
        DataError: If it is binary, or not in this encoding; with the line.
    """
    buffered = io.BufferedReader(cast(Any, file))
    if (packed := packing(buffered.peek(8))) is not None:
        raise DataError(f"{name}: packed ({packed}): name the file, or unpack it on the way")
    yield from _lines(buffered, name, encoding)


def _lines(file: io.BufferedReader, name: str, encoding: str) -> Iterator[tuple[int, str]]:
    head = file.peek(_HEAD)
    if _is_wide(encoding):
        yield from _decoded_as_whole(name, file, encoding, "\n")
        return
    _refuse_binary(name, head)
    if b"\r" in head and b"\n" not in head:
        yield from _decoded_as_whole(name, file, encoding, "\r")
    else:
        yield from _decoded_line_by_line(name, file, encoding)


def _is_wide(encoding: str) -> bool:
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise DataError(f"encoding: {encoding!r} is not an encoding that Python knows") from None
    return name.startswith(("utf-16", "utf-32"))


def _looks_like(path: Path | str, what: str, encoding: str) -> str:
    return (
        f"{path}: looks like {what} text: set encoding: {encoding} "
        f"(--encoding {encoding} on the command line)"
    )


def _refuse_binary(path: Path | str, head: bytes) -> None:
    for mark, name in _WIDE_MARKS.items():
        if head.startswith(mark):
            raise DataError(_looks_like(path, name.upper(), name))
    for magic, what in _MAGIC.items():
        if head.startswith(magic):
            raise DataError(f"{path}: {what}")
    if head[257:262] == b"ustar":
        raise DataError(f"{path}: a tar archive: unpack it, and name one of its files")
    for name, at in (("utf-16-le", 1), ("utf-16-be", 0)):
        # Text of Latin letters without a byte order mark: every second byte is zero.
        if (
            len(head) > 3
            and head[at::2].count(0) * 2 > len(head[at::2])
            and 0 not in head[1 - at :: 2]
        ):
            raise DataError(_looks_like(path, "UTF-16", name))
    position = head.find(b"\0")
    if position >= 0:
        line = head.count(b"\n", 0, position) + 1
        raise DataError(f"{path}:{line}: a binary file, not text (it has a NUL byte)")


def _decoded_line_by_line(name: str, file: IO[bytes], encoding: str) -> Iterator[tuple[int, str]]:
    for number, raw in enumerate(file, 1):
        try:
            line = raw.decode(encoding)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name}:{number}: byte 0x{raw[error.start]:02x} (byte {error.start + 1} of "
                f"the line) is not valid {encoding}; set the encoding of this data source"
                f"{_likely(raw, encoding)}"
            ) from None
        if "\0" in line:
            raise DataError(f"{name}:{number}: a binary file, not text (it has a NUL byte)")
        if number == 1:
            line = line.removeprefix("\ufeff")
        yield number, line.rstrip("\r\n")


def _likely(raw: bytes, encoding: str) -> str:
    """Return which encoding a line that is not in ``encoding`` is likely to be in, as advice."""
    # Latin-1 has control characters there, Windows its quotation marks.
    windows = any(0x80 <= byte < 0xA0 for byte in raw)
    other = "utf-8" if encoding != "utf-8" else "cp1252" if windows else "latin-1"
    if other != "utf-8" and _FOREIGN.search(raw):
        # Every byte is a letter or sign of Latin-1: following that advice would spoil the text.
        return (
            ": the text does not look Latin, so that it may be cp1251 (Cyrillic), cp1253 (Greek), "
            "cp1255 (Hebrew), cp1256 (Arabic), gb18030 or big5 (Chinese), shift_jis (Japanese), "
            "euc-kr (Korean) … (--encoding NAME on the command line)"
        )
    return f", for example encoding: {other} (--encoding {other} on the command line)"


def _decoded_as_whole(
    name: str, file: IO[bytes], encoding: str, ending: str
) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        for number, line in enumerate(io.TextIOWrapper(file, encoding=encoding, newline=ending), 1):
            text = line.removeprefix("\ufeff") if number == 1 else line
            yield number, text.rstrip("\r\n")
    except UnicodeError as error:
        raise DataError(
            f"{name}:{number + 1}: not valid {encoding} ({error}); "
            "set the encoding of this data source (--encoding on the command line)"
        ) from None
