"""Which translation belongs to which sentence, by what both sides share: names, numbers, lengths.

Translations come as files without ids. :class:`OrderCheck` looks whether they stand in the order
of what they translate; :func:`match` finds the places of translations that lack
some sentences. Neither reads labels, and neither needs the words to be cut alike.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter, deque
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
_REACH: Final = 3  # sentences that translations may be shifted by to be found
_MOST: Final = 2  # words that one sentence counts for: neighbours may share a whole list of names
_CERTAIN: Final = 12
"""Evidence for a shift that is no chance: pairs in order come to 5 at most in news and CoNLL."""


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
class _Shift:
    """What speaks for translations that stand so many sentences too late (or early, below 0).

    A cumulative sum (Page 1954): what a sentence shares with the translation there, less twice
    what it shares with its own, is added up from where it pays to begin.
    """

    by: int
    evidence: int = 0
    shared: int = 0
    beside: int = 0
    first: tuple[Sentence, Sentence] | None = None

    def add(self, pair: tuple[Sentence, Sentence], shared: int, beside: int) -> bool:
        """Add one sentence and the translation there; return whether the shift is certain."""
        if self.first is None:
            self.first, self.shared, self.beside = pair, 0, 0
        self.shared += shared
        self.beside += beside
        self.evidence += min(shared - 2 * beside, _MOST)
        if self.evidence <= 0:
            self.evidence, self.first = 0, None
        return self.evidence >= _CERTAIN


@dataclass(slots=True)
class OrderCheck:
    """Finds out whether translations are shifted against what they translate.

    Attributes:
        key: The translations' key in the configuration, for the error.
        agreed: Words by which the order was seen to be right.
    """

    key: str
    agreed: int = 0
    _shifts: list[_Shift] = field(
        default_factory=lambda: [_Shift(by) for by in range(-_REACH, _REACH + 1) if by]
    )
    _recent: deque[_Pair] = field(default_factory=lambda: deque(maxlen=_REACH + 1))

    @property
    def told(self) -> bool:
        """Whether shifted translations would have been found, had all of them been shifted."""
        return self.agreed >= _CERTAIN

    def feed(self, source: Sentence, target: Sentence) -> None:
        """Look at one pair.

        Raises:
            DataError: If the translations up to here fit far better one to three lines apart.
        """
        now = _Pair(source, target, _telling(source), _telling(target))
        self.agreed += min(now.shared(now), _MOST)
        self._recent.append(now)
        for shift in self._shifts:
            if len(self._recent) > abs(shift.by):
                before = self._recent[-1 - abs(shift.by)]
                one, other = (before, now) if shift.by > 0 else (now, before)
                pair = (one.source, other.target)
                if shift.add(pair, one.shared(other), one.shared(one)):
                    raise DataError(self._problem(shift, pair))

    def _problem(self, shift: _Shift, last: tuple[Sentence, Sentence]) -> str:
        assert shift.first is not None  # evidence is counted from it on
        (source, target), (source_end, target_end) = shift.first, last
        number = f"{abs(shift.by)} {'sentence' if abs(shift.by) == 1 else 'sentences'}"
        what, todo = "late", f"remove the {number} too many before it"
        if shift.by < 0:
            what, todo = "early", f"add the {number} missing before it (an empty line will do)"
        return (
            f"{self.key}: {target.origin}:{target.line} to {target_end.line}: the translations of "
            f"{source.id!r} to {source_end.id!r} stand {number} too {what}: they share "
            f"{shift.shared} names and numbers with these, and {shift.beside} are shared by what "
            f"stands side by side. Look at line {target.line}, and {todo}; where this is meant "
            "(verses that are numbered otherwise), set check_order: false there: no shift is "
            "looked for, and each translation is taken for that of the sentence beside it"
        )


@dataclass(slots=True)
class _Pair:
    source: Sentence
    target: Sentence
    words: frozenset[str]
    translated: frozenset[str]

    def shared(self, other: _Pair) -> int:
        """Return how many words the sentence shares with the translation of another pair."""
        return len(self.words & other.translated)


def _telling(sentence: Sentence) -> frozenset[str]:
    return frozenset(w for w in spellings(sentence) if len(w) > 3 or w.isdecimal())


def may_be_incomplete(given: int, wanted: int) -> bool:
    """Return whether :func:`match` takes so many translations of so many sentences."""
    return (1 - MOST_MISSING) * wanted <= given <= wanted


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
    if not may_be_incomplete(len(target), len(source)):
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
