"""What comes from data or files, made harmless to a terminal.

An escape character in a corpus, a file name or a model's message could colour, move, retitle or
answer for the terminal that shows it. In files and pipes text stays as it is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Final, TextIO

_DISTURBING: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})


def printable(text: str, keep: str = "\n") -> str:
    """Return ``text`` with controls, direction marks and the like as ``‹U+001B›``.

    Args:
        text: Any text.
        keep: Characters that stay although they are of this kind.
    """
    if text.isprintable():  # nearly always
        return text
    return "".join(
        f"‹U+{ord(c):04X}›" if c not in keep and unicodedata.category(c) in _DISTURBING else c
        for c in text
    )


class HarmlessStream:
    """A text stream to a terminal that gets everything :func:`printable`.

    Args:
        stream: The terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text, with what would disturb the terminal made visible."""
        return self._stream.write(printable(text, keep="\n\t"))

    def writelines(self, lines: Iterable[str]) -> None:
        """Write lines, as :meth:`write` does."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the terminal."""
        self._stream.flush()
