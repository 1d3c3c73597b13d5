"""Finds sentences that are, contain, or nearly are sentences of an evaluation set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from stages._pretraining.overlap import sentence_key

_MIN_SHINGLES = 3
"""Evaluation sentences with fewer word triples are only found as wholes: anything holds them."""


class EvaluationIndex:
    """All sentences of the evaluation sets, searchable.

    Args:
        sentences: The words of each.
    """

    def __init__(self, sentences: Iterable[Sequence[str]]) -> None:
        self._keys: set[str] = set()
        self._sizes: list[int] = []
        self._holders: dict[str, list[int]] = {}
        for words in sentences:
            key = sentence_key(" ".join(words))
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
        if sentence_key(" ".join(words)) in self._keys:
            return 1.0
        counts: Counter[int] = Counter()
        for shingle in shingles(words):
            counts.update(self._holders.get(shingle, ()))
        return max((n / self._sizes[i] for i, n in counts.items()), default=0.0)


def shingles(words: Sequence[str], size: int = 3) -> set[str]:
    """Return the runs of ``size`` words, punctuation and case ignored.

    Of fewer words, all of them are one shingle.
    """
    keys = [k for k in map(_word_key, words) if k]
    if not keys:
        return set()
    if len(keys) < size:
        return {" ".join(keys)}
    return {" ".join(keys[i : i + size]) for i in range(len(keys) - size + 1)}


_word_key = lru_cache(maxsize=1 << 16)(sentence_key)
