"""The sentence pairs that corpus aligners learn from: read again and again, never held whole."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from stages.word_alignment.aligner import WordPair

PairSource = Callable[[], Iterator[WordPair]]
"""Starts reading sentence pairs from the beginning."""
MAX_WORDS: Final = 150
"""Sentence pairs with a longer side are not learnt from."""


@dataclass(frozen=True, slots=True)
class PairSample:
    """Distinct pairs to learn from; the first ``own`` of them are to be aligned."""

    pairs: list[WordPair]
    own: int


def sample(
    own: PairSource, extra: PairSource, max_cells: int, max_words: int = MAX_WORDS
) -> PairSample:
    """Return as many distinct pairs as fit, those to be aligned before those that only help.

    Where not all fit, they are taken at even distances, so that no part of a corpus goes missing.

    Args:
        own: The pairs that are to be aligned.
        extra: Further pairs.
        max_cells: The most pairs of words, over all sentence pairs.
        max_words: Sentence pairs with a longer side are left out.
    """
    chosen: dict[tuple[tuple[str, ...], tuple[str, ...]], None] = {}
    left = max_cells
    sizes: list[int] = []

    def fits(pair: WordPair) -> bool:
        return all(0 < len(side) <= max_words for side in pair)

    for source in (own, extra):
        total = sum(len(a) * len(b) for a, b in source() if fits((a, b)))
        share = min(1.0, left / total) if total else 1.0
        credit = 0.0
        for pair in source():
            if not fits(pair):
                continue
            credit += share
            if credit < 1 - 1e-9:
                continue
            credit -= 1
            first, second = (tuple(map(sys.intern, side)) for side in pair)
            if (first, second) not in chosen:
                chosen[first, second] = None
                left -= len(first) * len(second)
        sizes.append(len(chosen))
        if left <= 0:
            break
    return PairSample([(list(a), list(b)) for a, b in chosen], sizes[0])


def digest(*sides: Sequence[str], size: int = 16) -> bytes:
    """Return ``size`` bytes that tell the words of a sentence, or of a pair, from all others."""
    text = "\n".join("\t".join(side) for side in sides)
    return hashlib.blake2b(text.encode(), digest_size=size).digest()
