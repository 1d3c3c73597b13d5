"""What the projector needs to know of a word: its shape, its spelling in Latin letters, its hash.

Everything is computed once per distinct word and kept in flat arrays, so that the scoring of
candidates is a matter of array look-ups. Nothing here depends on the language: casing is used where
the script has it, and words in other scripts are transliterated (anyascii) before their spelling is
compared.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from stages.ranges import offsets

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
HashArray = npt.NDArray[np.uint64]
T = TypeVar("T", bound=np.generic)

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


@dataclass(slots=True)
class CodedWords:
    """The words of one language: codes of a vocabulary, and where each row begins.

    Attributes:
        codes: ``(n_words,)``.
        offsets: ``(n_rows + 1,)``.
        rows: ``(n_words,)``, the row of each word.
    """

    codes: IntArray
    offsets: IntArray
    rows: IntArray

    @classmethod
    def of_lengths(cls, codes: IntArray, lengths: IntArray) -> CodedWords:
        """Return the words of rows of such lengths."""
        return cls(codes, offsets(lengths), np.repeat(np.arange(len(lengths)), lengths))

    @classmethod
    def of_sentences(cls, sentences: Sequence[Sequence[str]], vocabulary: Vocabulary) -> CodedWords:
        """Return the words of sentences."""
        codes = vocabulary.encode(w for words in sentences for w in words)
        return cls.of_lengths(codes, np.array([len(words) for words in sentences], np.int64))

    @property
    def lengths(self) -> IntArray:
        """Number of words per row."""
        return np.diff(self.offsets)

    def words(self, row: int, names: Sequence[str]) -> list[str]:
        """Return the words of a row, given the words of the vocabulary by code."""
        lo, hi = self.offsets[row : row + 2].tolist()
        return [names[c] for c in self.codes[lo:hi].tolist()]

    def sums(self, values: npt.NDArray[Any]) -> FloatArray:
        """Return per row the sum of a value per word."""
        return np.bincount(self.rows, values, len(self.offsets) - 1).astype(np.float64)


def _alphabet(folded: str) -> int:
    bits = 0
    for letter in folded:
        bits |= 1 << (ord(letter) & 63)
    return bits


def _is_joiner(word: str) -> bool:
    return len(word) == 1 and (word in _APOSTROPHES or unicodedata.category(word) == "Pd")


def _opening(word: str) -> int:
    if len(word) > 3:
        return 0
    kinds = {unicodedata.category(c) for c in word}
    if kinds & {"Ps", "Pi"}:
        return 1
    return -1 if kinds & {"Pe", "Pf"} else 0


class _PerWord(Generic[T]):
    """A property of the words of a vocabulary: worked out once for each, when it is asked for.

    Args:
        dtype: The type of its values.
        what: Returns the value of a word, or of a word and its folded form.
        folded: Whether it is given the folded form, too.
    """

    def __init__(self, dtype: type[T], what: Callable[..., Any], *, folded: bool = False) -> None:
        self._dtype, self._what, self._folded = dtype, what, folded

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, vocabulary: Vocabulary, owner: type) -> npt.NDArray[T]:
        more = (vocabulary.folded,) if self._folded else ()
        return vocabulary.each(self._name, self._dtype, self._what, *more)


class Vocabulary:
    """Distinct words with their properties in arrays, indexed by a code per word.

    Attributes:
        codes: The code of each word.
        words: The word of each code.
        shapes: Shape per code.
        hashes: :func:`hash_word` per code.
        stems: :func:`hash_stem` per code.
        letters: Number of characters.
        chars: Number of letters, of the transliteration where the script is not Latin.
        folded: :func:`fold` per code.
        folded_chars: Length of the folded word.
        alphabets: A bit for each letter of the folded word; several letters may share one.
        spelled: :func:`says_something` per code.
        syllabic: :func:`is_syllabic` per code.
        hyphenated: Whether the folded word has a hyphen.
        opening: +1 for an opening bracket or quotation mark, -1 for a closing one, else 0.
        marks: Whether the word is marks alone: a part of the one before it, cut off by a tokeniser.
        single: Whether the word is one character.
        joiners: Whether the word is a lone hyphen or apostrophe. It may be a part of a word that a
            tokeniser cut (*Isra ' ila*).
    """

    folded = _PerWord(np.object_, fold)
    folded_chars = _PerWord(np.float64, lambda word, folded: len(folded), folded=True)
    alphabets = _PerWord(np.uint64, lambda word, folded: _alphabet(folded), folded=True)
    hyphenated = _PerWord(np.bool_, lambda word, folded: "-" in folded, folded=True)
    spelled = _PerWord(np.bool_, says_something, folded=True)
    syllabic = _PerWord(np.bool_, is_syllabic, folded=True)
    stems = _PerWord(np.uint64, hash_stem, folded=True)
    hashes = _PerWord(np.uint64, hash_word)
    shapes = _PerWord(np.int64, shape_of)
    letters = _PerWord(np.int64, len)
    chars = _PerWord(np.float64, _n_letters)
    opening = _PerWord(np.int64, _opening)
    marks = _PerWord(np.bool_, is_mark)
    single = _PerWord(np.bool_, lambda word: len(word) == 1)
    joiners = _PerWord(np.bool_, _is_joiner)

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}
        self.words: list[str] = []
        self._known: dict[Hashable, tuple[int, npt.NDArray[Any]]] = {}
        self._cases: dict[str, int] = {}

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
                self.words.append(word)
            out.append(code)
        return np.array(out, np.int64)

    def shrink(self) -> None:
        """Forget everything if the vocabulary has grown past a million words."""
        if len(self.codes) > _MAX_WORDS:
            self.__init__()  # type: ignore[misc]

    def where(self, holds: Callable[[str], bool]) -> BoolArray:
        """Return of which words something holds: a function that stays, as it is asked once."""
        return self.each(holds, np.bool_, holds)

    def each(
        self,
        name: Hashable,
        dtype: type[T],
        what: Callable[..., Any],
        *more: npt.NDArray[Any],
    ) -> npt.NDArray[T]:
        """Return what a function says of each word (and of what ``more`` has of it).

        It is asked once of each word under one ``name``.
        """
        size = len(self.words)
        done, values = self._known.get(name, (0, np.empty(0, dtype)))
        if done < size:
            if len(values) < size:  # some room, so that parts of a corpus do not copy it each time
                values = np.concatenate([values[:done], np.empty(size - done + size // 4, dtype)])
            new = zip(self.words[done:], *(column[done:] for column in more), strict=True)
            values[done:size] = [what(*of_word) for of_word in new]
            self._known[name] = size, values
        return values[:size]

    @property
    def cases(self) -> IntArray:
        """A number per code that is the same where only letter case differs."""
        return self.each("cases", np.int64, self._case)

    def _case(self, word: str) -> int:
        return self._cases.setdefault(word.casefold(), len(self._cases))
