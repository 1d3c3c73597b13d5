"""Forms of words that are looked at, and how alike words of two languages are spelt."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

import numpy as np

from stages.word_alignment.statistical.corpus import Floats, Ints

_CHUNK: Final = 500_000
# Words less alike than this are as good as unlike.
_FROM: Final = 0.6


def plain(word: str) -> str:
    """Return a word in lower case and without diacritics."""
    if word.isascii():
        return word.lower()
    letters = unicodedata.normalize("NFD", word.lower())
    kept = "".join(c for c in letters if unicodedata.category(c) != "Mn")
    # Put together again: a Hangul syllable is one letter, not three.
    return unicodedata.normalize("NFC", kept) or word


def _prefix(length: int) -> Callable[[str], str]:
    return lambda word: plain(word)[:length]


GRANULARITIES: Final[Mapping[str, Callable[[str], str]]] = {
    "word": str.lower,
    "prefix-5": _prefix(5),
    "prefix-4": _prefix(4),
}
"""The forms that a model is learnt on each; prefixes bring the forms of one word together."""


@lru_cache(maxsize=200_000)
def _latin(word: str) -> str:
    from anyascii import anyascii

    return word.lower() if word.isascii() else anyascii(word).lower()


def likeness(
    keys: Ints, source: Sequence[str], target: Sequence[str], known_target_words: int
) -> Floats:
    """Return how alike each pair of words is spelt, in [0, 1], other scripts transliterated.

    Args:
        keys: ``source index * known_target_words + target index``.
        source: The source vocabulary.
        target: The target vocabulary.
        known_target_words: The factor in ``keys``.
    """
    from rapidfuzz import process
    from rapidfuzz.distance import Levenshtein

    sources, targets = [_latin(w) for w in source], [_latin(w) for w in target]
    result = np.zeros(len(keys), dtype=np.float32)
    for start in range(0, len(keys), _CHUNK):
        part = keys[start : start + _CHUNK]
        first = [sources[i] for i in (part // known_target_words).tolist()]
        second = [targets[i] for i in (part % known_target_words).tolist()]
        alike = process.cpdist(
            first, second, scorer=Levenshtein.normalized_similarity, dtype=np.float32
        ).astype(np.float64)  # so that what is identical is exactly 1, whatever the processor
        shorter = np.minimum([len(w) for w in first], [len(w) for w in second])
        graded = np.clip((alike - _FROM) / (1 - _FROM), 0, 1) ** 2
        # Of short words (and signs) only identical ones tell anything.
        result[start : start + _CHUNK] = np.where(shorter >= 3, graded, alike == 1)
    return result
