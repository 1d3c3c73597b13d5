"""Finds sentences that are, contain, or nearly are sentences of an evaluation set."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b

_MIN_SHINGLES = 3
_RUN = 3  # words of a shingle
"""Evaluation sentences with fewer word triples are only found as wholes: anything holds them."""


class EvaluationIndex:
    """All sentences of the evaluation sets, searchable.

    Args:
        sentences: The words of each.
    """

    def __init__(self, sentences: Iterable[Sequence[str]]) -> None:
        self._keys: set[str] = set()
        self._sizes: list[int] = []
        self._holders: dict[int, list[int]] = {}
        for words in sentences:
            key = words_key(words)
            if not key or key in self._keys:
                continue
            self._keys.add(key)
            found = shingles(words)
            if len(found) < _MIN_SHINGLES:
                continue
            for shingle in found:
                self._holders.setdefault(shingle, []).append(len(self._sizes))
            self._sizes.append(len(found))

    def __len__(self) -> int:
        return len(self._keys)

    def overlap(self, words: Sequence[str]) -> float:
        """Return the largest share of an evaluation sentence's word triples found in ``words``.

        1.0 means that an evaluation sentence is there, whatever the case, spaces and punctuation,
        alone or within a longer text.
        """
        if words_key(words) in self._keys:
            return 1.0
        counts: Counter[int] = Counter()
        for shingle in shingles(words):
            holders = self._holders.get(shingle)
            if holders is not None:
                counts.update(holders)
        return max((n / self._sizes[i] for i, n in counts.items()), default=0.0)


def words_key(words: Sequence[str]) -> str:
    """Return what is left of a sentence without case, spaces and punctuation."""
    return "".join(map(_word_key, words))


def shingles(words: Sequence[str]) -> frozenset[int]:
    """Return hashes (64 bits) of the runs of three words, punctuation and case ignored.

    Of fewer words, all of them are one shingle. The hashes are the same in every process.
    """
    hashes = [h for h in map(_word_hash, words) if h]
    if not hashes:
        return frozenset()
    runs = [hashes[i:] for i in range(_RUN)] if len(hashes) >= _RUN else [[h] for h in hashes]
    found = runs[0]
    for run in runs[1:]:
        found = [(a * _FACTOR + b) & _MASK for a, b in zip(found, run, strict=False)]
    return frozenset(found)


_FACTOR = 0x9E3779B97F4A7C15  # odd and without a pattern: the fraction of the golden ratio
_MASK = (1 << 64) - 1


def sentence_key(text: str) -> str:
    """The letters and digits of ``text``, compatibility-normalised and case-folded, without gaps.

    So that a tokenised copy of a sentence is still recognised.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if c.isalnum())


_word_key = lru_cache(maxsize=1 << 16)(sentence_key)


@lru_cache(maxsize=1 << 16)
def _word_hash(word: str) -> int:
    key = _word_key(word)
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big") if key else 0
