"""Plain text: one sentence per line, without labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.formats.files import read_lines
from pipeline.formats.report import RawSentence


def read_raw(path: Path, *, encoding: str = "utf-8") -> Iterator[RawSentence]:
    """Yield one sentence per line; a blank line is an empty sentence.

    Raises:
        DataError: If the file is missing, binary, or not in this encoding.
    """
    for number, line in read_lines(path, encoding):
        yield RawSentence(text=line, line=number)
