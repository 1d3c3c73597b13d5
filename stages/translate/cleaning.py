"""What stands in corpora but not in text: undone before a model reads the words, and counted.

Treebanks write brackets and quotation marks as ``-LRB-`` and ``` `` ```, Moses and web pages escape
characters as XML does, keyboards and editors leave decomposed accents, zero-width and control
characters. A translator or an encoder has seen none of that. Words are cleaned one for one, so that
positions stay what they are: what a spread-out escape (``& amp ;``) leaves over is an empty word,
which :func:`stages.tokenise.detokenise` passes over. The words that are stored and shown
stay as they came.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

KINDS: Final[Mapping[str, str]] = {
    "composed": "put together (accents that stood apart from their letters: NFC)",
    "treebank": "with escapes of treebanks (-LRB-, ``)",
    "xml": "with XML escapes (&amp;)",
    "invisible": "with invisible or control characters",
    "quotes": "with quotation marks that the translator does not know",
}
"""What is repaired, in words: completes "words …"."""

_TREEBANK: Final = {
    "-LRB-": "(",
    "-RRB-": ")",
    "-LSB-": "[",
    "-RSB-": "]",
    "-LCB-": "{",
    "-RCB-": "}",
    "``": '"',
    "''": '"',
    "/.": ".",
    "/-": "-",
    "/?": "?",
    "@-@": "-",
}
_ESCAPED: Final = re.compile(r"\\([/*])")
_XML: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
# The words that a tokeniser may have made of an escape: "&", "amp", ";" or "&", "#", "39", ";".
_LONGEST: Final = 4
# Windows' marks, read as if they were ISO 8859-1. `formats.encoding` has them, too, but configs,
# which need this module, are read without loading the formats.
_WINDOWS: Final = {
    chr(code): bytes([code]).decode("cp1252")
    for code in range(0x80, 0xA0)
    if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}
_INVISIBLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
    "\ufff9-\ufffb]"
)
_SPACES: Final = re.compile("[\\s\u00a0\u2028\u2029]+")
_JOINERS: Final = "\u200c\u200d"
# What a joiner has a meaning beside: Arabic to Thaana, the scripts of India and its neighbours,
# Mongolian, pictures.
_JOINED: Final = re.compile(
    "[\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u18af\u2600-\u27bf\ufb50-\ufdff\ufe0f"
    "\ufe70-\ufefc\U0001f000-\U0001faff]"
)


def clean(words: Sequence[str]) -> tuple[list[str], Counter[str]]:
    """Return the words of a sentence as a model should read them, and how many were repaired.

    There is one for each word that came, empty where nothing is left of it. Repairs are counted by
    kind (:data:`KINDS`); a word may count twice.
    """
    repairs = Counter[str]()
    if all(map(_is_clean, words)) and not any(word[:1] == "&" for word in words):
        return list(words), repairs
    found = _joined_escapes(words)
    repairs["xml"] += sum(a != b for a, b in zip(words, found, strict=True))
    for index, word in enumerate(found):
        if not _is_clean(word):
            found[index], kinds = _clean_word(word)
            repairs.update(kinds)
    return found, +repairs


def clean_words(words: Sequence[str]) -> list[str]:
    """Return the words of a sentence as a model should read them, one for one."""
    return clean(words)[0]


def in_words(repairs: Mapping[str, int]) -> str:
    """Return what was repaired as a list for people: ``3 words with XML escapes (&amp;), …``."""
    return ", ".join(
        f"{repairs[kind]:,} word{'s' * (repairs[kind] != 1)} {about}"
        for kind, about in KINDS.items()
        if repairs.get(kind)
    )


def _joined_escapes(words: Sequence[str]) -> list[str]:
    """Put XML escapes together that a tokeniser has spread over words."""
    found = list(words)
    for index, word in enumerate(words):
        if not word.startswith("&") or _XML.fullmatch(word):
            continue
        for size in range(2, _LONGEST + 1):
            joined = "".join(words[index : index + size])
            if len(words) >= index + size and _is_escape(joined):
                found[index : index + size] = [html.unescape(joined), *[""] * (size - 1)]
                break
    return found


def _is_escape(text: str) -> bool:
    """Return whether a text is one whole escape, of a character that there is."""
    return _XML.fullmatch(text) is not None and html.unescape(text) != text


@lru_cache(maxsize=1 << 16)
def _is_clean(word: str) -> bool:
    if word.isalpha() and word.isascii():
        return True
    return _clean_word(word) == (word, ())


@lru_cache(maxsize=1 << 14)
def _clean_word(word: str) -> tuple[str, tuple[str, ...]]:
    """Return a word as it should be read, and the kinds of repairs that it took."""
    kinds = []
    text = word
    for _ in range(2):  # "&amp;quot;": some text has been through two tools
        text = _XML.sub(lambda m: html.unescape(m[0]), text)
    if text != word:
        kinds.append("xml")
    before = text
    text = _TREEBANK.get(text, text)
    text = _ESCAPED.sub(r"\1", text)
    if text != before:
        kinds.append("treebank")
    before = text
    text = _visible(text)
    if text != before:
        kinds.append("invisible")
    before = text
    text = unicodedata.normalize("NFC", text)
    if text != before:
        kinds.append("composed")
    return text, tuple(kinds)


def _visible(word: str) -> str:
    if word.isprintable() and word.isascii():
        return word
    text = "".join(_WINDOWS.get(c, c) for c in word)
    text = _SPACES.sub(" ", text).strip()
    if _INVISIBLE.search(text) is None:
        return text
    return "".join(
        c
        for i, c in enumerate(text)
        if _INVISIBLE.match(c) is None or (c in _JOINERS and i and _JOINED.match(text[i - 1]))
    ).strip()


# Quotation marks and apostrophes, and what a translator that does not know them is given instead.
_PLAIN: Final = dict.fromkeys("“”„‟«»″「」", '"') | dict.fromkeys("‘’‚‛′‹›´ʼ", "'")


def plain_quotes(text: str, unknown: frozenset[str]) -> str:
    """Replace those quotation marks of a text by plain ones that a model does not know.

    Args:
        text: What the model is to read.
        unknown: The marks that it reads as an unknown subword (:func:`unknown_quotes`).
    """
    if unknown.isdisjoint(text):
        return text
    return "".join(_PLAIN[c] if c in unknown else c for c in text)


QUOTES: Final = "".join(_PLAIN)
"""The quotation marks that :func:`plain_quotes` can replace."""
