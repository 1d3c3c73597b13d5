"""Translations damaged on purpose, to measure how good a translator has to be."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from pipeline.hashes import derive_seed
from pipeline.schema import Sentence

HIT: Final = 0.5
"""Share of the words of a damaged sentence that something happens to."""
_REMEMBERED: Final = 2000  # words of the sentences before, to put in the place of others


def damaged(sentences: Iterable[Sentence], share: float, seed: int) -> Iterator[Sentence]:
    """Yield sentences, a share of which is damaged as a weak translator does it.

    Of a damaged sentence half of the words are hit: one in two of these is lost, one in four is
    replaced by a word of the sentences before, one in four stands after the next. What is damaged
    at a share is damaged in the same way at a greater one.

    Args:
        sentences: The sentences, in order; their spans are dropped.
        share: How many are damaged, of 1.
        seed: The same seed damages the same sentences.
    """
    before: deque[str] = deque(maxlen=_REMEMBERED)
    for sentence in sentences:
        draw = random.Random(derive_seed(seed, sentence.id))
        hit = draw.random() < share
        words = _damage(sentence.words, before, draw) if hit else sentence.words
        before.extend(sentence.words)
        yield replace(sentence, words=words, spans=[])


def _damage(words: list[str], before: deque[str], draw: random.Random) -> list[str]:
    found: list[str] = []
    late: list[str] = []  # stands after the next word
    for word in words:
        if draw.random() >= HIT:
            found += [word, *late]
            late = []
            continue
        fate = draw.randrange(4)
        if fate == 2 and before:
            found += [before[draw.randrange(len(before))], *late]
            late = []
        elif fate == 3:
            late.append(word)
    found += late
    return found or words[:1]
