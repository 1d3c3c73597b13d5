"""Text that was encoded in UTF-8 twice (``subrayÃ³`` for ``subrayó``): recognised and repaired.

Such text is UTF-8 that somebody took for Latin-1 or Windows-1252 and encoded once more. Decoding is
exact and loses nothing: every character goes back to the one byte it was taken for, and the bytes
are read as UTF-8. A text that is not of this kind almost never survives that, so whether a source
is double-encoded is decided over all of its words, not one by one (``Fleiß“`` alone would
decode, too).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MIN_SHARE: Final = 0.5
"""A source is double-encoded if more than this share of its non-ASCII words decode once more."""

# Windows-1252 in the range 0x80-0x9F; the five bytes that it leaves undefined stand for themselves,
# as browsers read it. Latin-1 characters stand for themselves in any case.
_TO_BYTE: Final = {
    ord(bytes([b]).decode("cp1252")): b
    for b in range(0x80, 0xA0)
    if b not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}
# The lead byte of a two- or three-byte sequence and its continuation, both taken for characters.
_TELLTALE: Final = re.compile("[\u00c2-\u00ef][\u0080-\u00bf\u20ac\u2018-\u201e\u2020-\u2026]")


# Where ISO encodings have control characters, those of Windows have quotation marks and dashes.
_CONTROLS: Final = re.compile("[\x80-\x9f]")
_OF_WINDOWS: Final = {
    "iso8859-1": "cp1252",
    "iso8859-15": "cp1252",
    "iso8859-2": "cp1250",
    "iso8859-5": "cp1251",
    "iso8859-7": "cp1253",
    "iso8859-9": "cp1254",
}
_HALVES: Final = re.compile("[\ud800-\udfff]")


def without_halves(text: str) -> str:
    """Return ``text`` with halves of surrogate pairs, which are no Unicode text, as U+FFFD.

    A Python string can hold them (``json.loads`` and ``surrogateescape`` make some); no tokenizer
    and no file takes them. The length stays, so positions do.
    """
    return text if text.isascii() else _HALVES.sub("\ufffd", text)


def _once_taken_for_bytes(text: str) -> bytes | None:
    try:
        return text.translate(_TO_BYTE).encode("latin-1")
    except UnicodeEncodeError:
        return None


def repair(text: str) -> str | None:
    """Return ``text`` decoded once more, or ``None`` if it is not UTF-8 encoded twice."""
    if text.isascii():
        return None
    data = _once_taken_for_bytes(text)
    if data is None:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


@dataclass(frozen=True, slots=True)
class RepairedText:
    """A text whose words were decoded once more where that is possible.

    Attributes:
        text: The new text.
        positions: For every character border of the old text (``len(old) + 1`` of them), where it
            is in the new one; a border inside a new character is moved to its end.
        repaired: Words that were decoded.
        unrepaired: Non-ASCII words that do not decode.
    """

    text: str
    positions: list[int]
    repaired: int
    unrepaired: int


def repair_text(text: str) -> RepairedText:
    """Repair a text word by word (split at spaces), with the way that its characters moved."""
    pieces: list[str] = []
    positions: list[int] = []
    done = repaired = unrepaired = 0
    for index, word in enumerate(text.split(" ")):
        if index:
            pieces.append(" ")
            positions.append(done)
            done += 1
        better = repair(word)
        unrepaired += better is None and not word.isascii()
        repaired += better is not None
        for byte in _once_taken_for_bytes(word) or b"" if better is not None else [0] * len(word):
            positions.append(done)
            # A character begins at every byte that does not continue one.
            done += byte & 0xC0 != 0x80
        pieces.append(word if better is None else better)
    positions.append(done)
    return RepairedText("".join(pieces), positions, repaired, unrepaired)


class EncodingEvidence:
    """Gathers, over the texts of a source, whether it is in another encoding than it was read in.

    Attributes:
        non_ascii: Words that are not ASCII.
        decodable: Of them, those that are UTF-8 encoded twice.
        controls: Of them, those with control characters (U+0080 to U+009F).
    """

    def __init__(self) -> None:
        self.non_ascii = 0
        self.decodable = 0
        self.controls = 0

    def feed(self, words: Iterable[str]) -> None:
        """Look at the words of one sentence."""
        for word in words:
            if not word.isascii():
                self.non_ascii += 1
                self.controls += _CONTROLS.search(word) is not None
                if _TELLTALE.search(word) and repair(word) is not None:
                    self.decodable += 1

    @property
    def double_encoded(self) -> bool:
        """Whether more than :data:`MIN_SHARE` of the non-ASCII words decode once more."""
        return self.decodable > MIN_SHARE * self.non_ascii

    def windows(self, encoding: str | None) -> str | None:
        """Return the encoding of Windows that was read as ``encoding``, if it seems to be one."""
        if not self.controls or encoding is None:
            return None
        return _OF_WINDOWS.get(codecs.lookup(encoding).name)
