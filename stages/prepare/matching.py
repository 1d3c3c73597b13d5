"""Which translation belongs to which sentence, by what both sides share: names, numbers, lengths.

Translations come as files without ids. :class:`OrderCheck` looks, window by window, whether they
stand in the order of what they translate; :func:`match` finds the places of translations that lack
some sentences. Neither reads labels, and neither needs the words to be cut alike.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Final

import numpy as np
from anyascii import anyascii

from pipeline.errors import DataError
from pipeline.schema import Sentence

PER_CHARACTER: Final = 0.2
"""What a log ratio of 1 between the lengths costs, where a word seen once is worth about 9."""
MOST_MISSING: Final = 0.25
"""Share of the sentences that may have no translation."""
WINDOW: Final = 200
"""Sentences that the order is judged on."""
_FEWEST: Final = 30  # sentences that an order can be told from
_REACH: Final = 3  # sentences that translations may be shifted by to be found
_SHARED: Final = 20  # words that must be shared by shifted sentences
_FACTOR: Final = 3  # how much more they share than those that stand together


@cache
def spelling(word: str) -> str:
    """Return a word in plain small Latin letters and digits; empty where it has neither."""
    text = word.casefold()
    if not text.isascii():
        text = "".join(
            c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)
        )
        text = anyascii(text).casefold()
    return text if text.isalnum() else "".join(c for c in text if c.isalnum())


def spellings(sentence: Sentence) -> frozenset[str]:
    """Return the words of a sentence, as :func:`spelling` has them."""
    return frozenset(map(spelling, sentence.words)) - {""}


@dataclass(slots=True)
class OrderCheck:
    """Finds out whether translations are shifted against what they translate.

    Attributes:
        key: The translations' key in the configuration, for the error.
    """

    key: str
    _source: list[tuple[Sentence, frozenset[str]]] = field(default_factory=list)
    _target: list[tuple[Sentence, frozenset[str]]] = field(default_factory=list)

    def feed(self, source: Sentence, target: Sentence) -> None:
        """Look at one pair.

        Raises:
            DataError: If the last pairs would fit far better one to three lines apart.
        """
        self._source.append((source, _telling(source)))
        self._target.append((target, _telling(target)))
        if len(self._source) == WINDOW:
            self.close()

    def close(self) -> None:
        """Judge the pairs since the last window.

        Raises:
            DataError: See :meth:`feed`.
        """
        source, target = self._source, self._target
        self._source, self._target = [], []
        if len(source) < _FEWEST:
            return
        shared = {by: _shared(source, target, by) for by in range(-_REACH, _REACH + 1)}
        best = max(shared, key=lambda by: (shared[by], -abs(by)))
        if not best or shared[best] < max(_SHARED, _FACTOR * shared[0]):
            return
        first, last = target[0][0], target[-1][0]
        raise DataError(
            f"{self.key}: {first.origin}:{first.line} to {last.line}: the translations of "
            f"{source[0][0].id!r} to {source[-1][0].id!r} stand {abs(best)} "
            f"{'sentence' if abs(best) == 1 else 'sentences'} too "
            f"{'late' if best > 0 else 'early'}: {shared[best]} words of those are shared, and "
            f"{shared[0]} of what stands beside them; add or remove what is missing or too much "
            "before these lines, or set incomplete: true if some sentences have no translation"
        )


def _telling(sentence: Sentence) -> frozenset[str]:
    return frozenset(w for w in spellings(sentence) if len(w) > 3 or w.isdecimal())


def _shared(
    source: Sequence[tuple[Sentence, frozenset[str]]],
    target: Sequence[tuple[Sentence, frozenset[str]]],
    by: int,
) -> int:
    left = source[-by:] if by < 0 else source
    right = target[by:] if by > 0 else target
    return sum(len(s & t) for (_, s), (_, t) in zip(left, right, strict=False))


def match(
    source: Sequence[Sentence], target: Sequence[Sentence], *, key: str
) -> tuple[list[int], list[bool]]:
    """Return the source sentence of each translation, and whether it is certain.

    A monotone alignment: every translation gets one sentence, later ones later; the total
    similarity (words that both share, rare ones more, and the lengths) is maximal. Translations
    that share no word with their sentence are only placed by their neighbours: certain where no
    sentence is missing between these.

    Args:
        source: The sentences.
        target: Their translations, in order, some missing.
        key: The translations' key in the configuration, for errors.

    Raises:
        DataError: If there are more translations than sentences, or far too few.
    """
    skips = len(source) - len(target)
    if skips < 0 or skips > MOST_MISSING * len(source):
        raise DataError(
            f"{key}: {len(target)} translations of {len(source)} sentences; incomplete: true "
            f"allows for up to {MOST_MISSING:.0%} that are missing, and for none too many"
        )
    words = [[spellings(s) for s in side] for side in (source, target)]
    counts = Counter(w for s in words[0] for w in s)
    worth = {w: math.log((len(source) + 1) / n) for w, n in counts.items()}
    sizes = [[sum(map(len, s.words)) + 1 for s in side] for side in (source, target)]
    best = np.zeros(skips + 1)  # best[k]: the first j translations placed, k sentences skipped
    came = np.zeros((len(target), skips + 1), np.int32)
    shared = np.zeros((len(target), skips + 1), np.float32)
    for j, mine in enumerate(words[1]):
        value = np.empty(skips + 1)
        for k in range(skips + 1):
            overlap = sum(worth[w] for w in mine & words[0][j + k])
            shared[j, k] = overlap
            value[k] = overlap - PER_CHARACTER * abs(math.log(sizes[0][j + k] / sizes[1][j]))
        came[j] = _running_argmax(best)
        best = best[came[j]] + value
    place, anchored = [0] * len(target), [False] * len(target)
    k = int(np.argmax(best))
    for j in range(len(target) - 1, -1, -1):
        place[j], anchored[j] = j + k, bool(shared[j, k] > 0)
        k = int(came[j, k])
    return place, _certain(place, anchored, len(source))


def _running_argmax(values: np.ndarray) -> np.ndarray:
    """Return, per position, where the greatest value up to it is (the first such)."""
    top = np.maximum.accumulate(values)
    fresh = np.r_[True, values[1:] > top[:-1]]
    index: np.ndarray = np.maximum.accumulate(np.where(fresh, np.arange(len(values)), 0))
    return index


def _certain(place: Sequence[int], anchored: Sequence[bool], n_source: int) -> list[bool]:
    """A place is certain if the translation shares a word, or its neighbours leave one place."""
    sure = list(anchored)
    anchors = [-1, *(j for j, a in enumerate(anchored) if a), len(place)]
    where = [-1, *(place[j] for j in anchors[1:-1]), n_source]
    for (a, b), (p, q) in zip(pairwise(anchors), pairwise(where), strict=True):
        if q - p == b - a:
            sure[a + 1 : b] = [True] * (b - a - 1)
    return sure
