"""Words that an encoder's vocabulary cannot write, respelt with the letters that it has.

A vocabulary made from other languages lacks letters: of the words of Yoruba news, three in four are
one unknown subword to a small encoder that was made without Yoruba, all alike. With the marks left
out that it does not know (``ẹ̀kọ́`` as ``èkó``) it reads most of each word.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

from anyascii import anyascii

Writes = Callable[[str], bool]
_MOST_MARKS = 4  # on one letter; more are decoration


def respell(word: str, writes: Writes) -> str:
    """Return a word in letters that can be written, as near as there are any.

    Of each letter as many marks stay as can be written; a Latin letter that cannot be written at
    all (``ɗ``, ``ɛ``) becomes its nearest of ASCII. Letters of other scripts stay as they are.

    Args:
        word: Anything.
        writes: Whether a letter with its marks can be written, in the middle of a word too.
    """
    return "".join(_nearest(base, marks, writes) for base, marks in _letters(word))


def _nearest(base: str, marks: Sequence[str], writes: Writes) -> str:
    whole = unicodedata.normalize("NFC", base + "".join(marks))
    if writes(whole):
        return whole
    kept = marks[:_MOST_MARKS]
    for count in range(len(kept), -1, -1):
        for some in combinations(kept, count):
            text = unicodedata.normalize("NFC", base + "".join(some))
            if text and writes(text):
                return text
    if _is_latin(base):
        plain = anyascii(base)
        if plain and writes(plain):
            return plain
    return whole


def _letters(word: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each letter of a word, Latin ones without their marks, and the marks."""
    base, marks = "", list[str]()
    for char in unicodedata.normalize("NFC", word):
        if unicodedata.combining(char):
            marks.append(char)
            continue
        if base or marks:
            yield base, marks
        base, *marks = list(unicodedata.normalize("NFD", char) if _is_latin(char) else char)
    if base or marks:
        yield base, marks


def _is_latin(letter: str) -> bool:
    return len(letter) == 1 and unicodedata.name(letter, "").startswith("LATIN ")
