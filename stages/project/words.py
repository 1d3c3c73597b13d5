"""What the projector needs to know of a word: its shape, its spelling in Latin letters, its hash.

Everything is computed once per distinct word and kept in flat arrays, so that the scoring of
candidates is a matter of array look-ups. Nothing here depends on the language: casing is used where
the script has it, and words in other scripts are transliterated (anyascii) before their spelling is
compared.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
HashArray = npt.NDArray[np.uint64]

LOWER, TITLE, UPPER, MIXED, DIGIT, PUNCT, UNCASED = range(7)
"""Shapes of words; ``UNCASED`` is a word in a script without letter case."""
N_SHAPES: Final = 7

_APOSTROPHES: Final = "'\u2019\u02bc\u02bb\u2018"
_LEAST_SYLLABLES: Final = 5
_STEM: Final = 5
_MAX_WORDS: Final = 1_000_000
# Sounds that languages with Latin letters spell differently; applied to both sides.
_RESPELL: Final = (
    ("tsch", "c"),
    ("tch", "c"),
    ("sch", "s"),
    ("ch", "c"),
    ("sh", "s"),
    ("ph", "f"),
    ("th", "t"),
    ("ck", "k"),
    ("qu", "kv"),
    ("x", "ks"),
    ("c", "k"),
    ("q", "k"),
    ("w", "v"),
    ("y", "i"),
    ("j", "i"),
    ("z", "s"),
)


_DOUBLED: Final = re.compile(r"(\D)\1+")


def shape_of(word: str) -> int:
    """Return the shape of a word: one of the constants of this module."""
    if word.isalpha():  # the common cases, in C
        if word.islower() and word.title() != word:
            return LOWER
        if word.istitle():
            return TITLE
        if word.isupper():
            return UPPER
    letters = [c for c in word if c.isalpha()]
    if not letters:
        if is_mark(word):
            return UNCASED
        return DIGIT if any(c.isdigit() for c in word) else PUNCT
    upper = [c.isupper() or c.istitle() for c in letters]
    if not any(upper):
        # Georgian letters have capitals in Unicode but never stand as such in a name.
        return LOWER if any(c.islower() and c.title() != c for c in letters) else UNCASED
    if not any(upper[1:]):
        return TITLE if upper[0] else MIXED
    return UPPER if all(upper) else MIXED


def is_mark(word: str) -> bool:
    """Return whether a word consists of combining marks alone."""
    return not word.isascii() and all(unicodedata.category(c)[0] == "M" for c in word)


def fold(word: str) -> str:
    """Return a word in plain lower-case Latin letters, as near to its sound as a table gets.

    Diacritics go, other scripts are transliterated, and spellings of one sound fall together
    (``Mexiko`` and ``Mexico``). Words without letters or digits fold to an empty string.
    """
    text = word.casefold()
    if not text.isascii():
        text = "".join(
            c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)
        )
        if not text.isascii():
            text = _transliterate(text)
    if not text.isalnum():
        text = "".join(c for c in text if c.isalnum() or c == "-").strip("-")
    for old, new in _RESPELL:
        if old in text:
            text = text.replace(old, new)
    return _DOUBLED.sub(r"\1", text)


def says_something(word: str, folded: str) -> bool:
    """Return whether the spelling of a word can be compared with others: two letters or more.

    Where a character stands for a syllable, the transliteration of one or two of them looks like
    many a short word (``他`` is *ta*, ``图`` is *tu*), so there it takes five letters.
    """
    if len(folded) < 2:
        return False
    return not is_syllabic(word, folded) or len(folded) >= _LEAST_SYLLABLES


def is_syllabic(word: str, folded: str) -> bool:
    """Return whether the characters of a word stand for syllables or more (Chinese, kana, Hangul).

    Their transliteration is far longer than they are.
    """
    return not word.isascii() and 2 * len(folded) > 3 * len(word)


def _n_letters(word: str) -> int:
    # Chinese characters count as what they sound like, so that lengths compare across scripts.
    return len(word) if word.isascii() or max(word) < "\u0250" else len(_transliterate(word))


def _transliterate(text: str) -> str:
    from anyascii import anyascii

    return anyascii(text).lower()


def hash_word(word: str) -> int:
    """Return a 64-bit hash of the case-folded word, the same in every process.

    Letters with marks count as the same however they are written (``é``, ``e`` and a mark).
    """
    text = word.casefold()
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return int.from_bytes(
        blake2b(text.encode(), digest_size=8, key=b"xlner.project").digest(), "little"
    )


def hash_stem(word: str, folded: str) -> int:
    """Return a hash of how a word begins, that its inflected forms share.

    These are the first letters of the folded word. Signs, and words whose characters stand for
    syllables or more, stand for themselves: they are not inflected.
    """
    if not folded or is_syllabic(word, folded):
        return hash_word(word)
    return hash_word(folded[:_STEM])


class Vocabulary:
    """Distinct words with their properties in arrays, indexed by a code per word.

    Attributes:
        codes: The code of each word.
        words: The word of each code.
        shapes: Shape per code.
        hashes: :func:`hash_word` per code.
        stems: :func:`hash_stem` per code.
        chars: Number of letters per code, of the transliteration where the script is not Latin.
        folded: :func:`fold` per code, as an object array.
        folded_chars: Length of the folded word.
        spelled: :func:`says_something` per code.
        syllabic: :func:`is_syllabic` per code.
        hyphenated: Whether the folded word has a hyphen.
        opening: +1 for an opening bracket or quotation mark, -1 for a closing one, else 0.
        marks: Whether the word is nothing but combining marks: a part of the word before it that
            a tokeniser cut off.
        single: Whether the word is one character.
        joiners: Whether the word is a lone hyphen or apostrophe: it may be a part of a word that a
            tokeniser cut (*Isra ' ila*).
    """

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}
        self.words: list[str] = []
        self._pending: list[str] = []
        self.shapes: IntArray = np.zeros(0, np.int64)
        self.hashes: HashArray = np.zeros(0, np.uint64)
        self.stems: HashArray = np.zeros(0, np.uint64)
        self.chars: FloatArray = np.zeros(0)
        self.opening: IntArray = np.zeros(0, np.int64)
        self.marks: BoolArray = np.zeros(0, np.bool_)
        self.single: BoolArray = np.zeros(0, np.bool_)
        self.joiners: BoolArray = np.zeros(0, np.bool_)
        self.folded_chars: FloatArray = np.zeros(0)
        self.spelled: BoolArray = np.zeros(0, np.bool_)
        self.syllabic: BoolArray = np.zeros(0, np.bool_)
        self.hyphenated: BoolArray = np.zeros(0, np.bool_)
        self.folded: npt.NDArray[np.object_] = np.zeros(0, object)

    def __len__(self) -> int:
        return len(self.codes)

    def encode(self, words: Iterable[str]) -> IntArray:
        """Return the codes of ``words``, adding those that are new."""
        codes = self.codes
        out = []
        for word in words:
            code = codes.get(word)
            if code is None:
                code = codes[word] = len(codes)
                self._pending.append(word)
            out.append(code)
        self._grow()
        return np.array(out, np.int64)

    def shrink(self) -> None:
        """Forget everything if the vocabulary has grown past a million words."""
        if len(self.codes) > _MAX_WORDS:
            self.__init__()  # type: ignore[misc]

    def _grow(self) -> None:
        new, self._pending = self._pending, []
        if not new:
            return
        self.words += new
        self.shapes = np.concatenate([self.shapes, [shape_of(w) for w in new]]).astype(np.int64)
        hashes = np.array([hash_word(w) for w in new], np.uint64)
        self.hashes = np.concatenate([self.hashes, hashes])
        self.chars = np.concatenate([self.chars, [_n_letters(w) for w in new]])
        self.opening = np.concatenate([self.opening, [_opening(w) for w in new]]).astype(np.int64)
        marks = np.array([is_mark(w) for w in new], np.bool_)
        self.marks = np.concatenate([self.marks, marks])
        single = np.array([len(w) == 1 for w in new], np.bool_)
        self.single = np.concatenate([self.single, single])
        joiners = np.array([_is_joiner(w) for w in new], np.bool_)
        self.joiners = np.concatenate([self.joiners, joiners])
        folded = np.empty(len(new), object)
        folded[:] = [fold(w) for w in new]
        stems = np.array([hash_stem(w, f) for w, f in zip(new, folded, strict=True)], np.uint64)
        self.stems = np.concatenate([self.stems, stems])
        chars = np.array([len(f) for f in folded], np.float64)
        self.folded = np.concatenate([self.folded, folded])
        self.folded_chars = np.concatenate([self.folded_chars, chars])
        spelled = np.array([says_something(w, f) for w, f in zip(new, folded, strict=True)], bool)
        self.spelled = np.concatenate([self.spelled, spelled])
        syllabic = np.array([is_syllabic(w, f) for w, f in zip(new, folded, strict=True)], bool)
        self.syllabic = np.concatenate([self.syllabic, syllabic])
        hyphenated = np.array(["-" in f for f in folded], np.bool_)
        self.hyphenated = np.concatenate([self.hyphenated, hyphenated])


def _is_joiner(word: str) -> bool:
    return len(word) == 1 and (word in _APOSTROPHES or unicodedata.category(word) == "Pd")


def _opening(word: str) -> int:
    if len(word) > 3:
        return 0
    kinds = {unicodedata.category(c) for c in word}
    if kinds & {"Ps", "Pi"}:
        return 1
    return -1 if kinds & {"Pe", "Pf"} else 0
