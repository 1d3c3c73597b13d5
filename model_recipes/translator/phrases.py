"""Phrase pairs of parallel text, from the project's own word links; they become tags and slots."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial

from model_recipes.translator.bitext import Phrase, SpacedWords
from model_recipes.translator.tags import consistent_phrases
from stages.text_sources import TextPair
from stages.word_alignment.statistical.aligner import StatisticalAligner

_FREQUENT = 90
"""A phrase does not begin or end with one of so many most frequent words: it would be no entity.
Of a small vocabulary it is one word in ten."""
_ELISION = re.compile(r"(?:l|d|qu|n|s|j|m|t|c|jusqu|lorsqu|puisqu)", re.IGNORECASE)
_LONGEST = 6
_MAX_CELLS = 6_000_000
"""Bounds the text that the aligner learns from, and so its time: `StatisticalAligner.fit`."""


def find_phrases(pairs: Sequence[TextPair], seed: int, *, most: int = 5) -> list[list[Phrase]]:
    """Up to `most` phrase pairs for each sentence pair, names and longer phrases before others.

    The statistical aligner learns from the text itself, one language after the other.

    Args:
        pairs: The text.
        seed: Decides which of many phrases are kept.
        most: Of one sentence pair.
    """
    found: list[list[Phrase]] = [[] for _ in pairs]
    by_language: dict[str, list[int]] = {}
    for index, pair in enumerate(pairs):
        by_language.setdefault(pair.language, []).append(index)
    for _, indices in sorted(by_language.items()):
        sides = [
            (SpacedWords.of(pairs[k].source).words, SpacedWords.of(pairs[k].target).words)
            for k in indices
        ]
        frequent = _frequent(a for a, _ in sides), _frequent(b for _, b in sides)
        aligner = StatisticalAligner.fit(
            partial(iter, sides), lambda: iter(()), max_cells=_MAX_CELLS
        )
        for k, (a, b), links in zip(indices, sides, aligner.align(sides), strict=True):
            rng = random.Random(f"{seed}/{k}")
            plain = [(link.source, link.target) for link in links]
            found[k] = worthwhile(a, b, plain, frequent, most, rng)
    return found


def worthwhile(
    source: Sequence[str],
    target: Sequence[str],
    links: Sequence[tuple[int, int]],
    frequent: tuple[frozenset[str], frozenset[str]],
    most: int,
    rng: random.Random,
) -> list[Phrase]:
    """The phrase pairs that could be entities: they neither begin nor end with a function word.

    Args:
        source: Words of the pivot side.
        target: Words of the other.
        links: Of their words.
        frequent: The most frequent words of both languages, case-folded.
        most: So many are kept, names (capitals inside the sentence) and phrases of several words
            rather than others.
        rng: Decides between equals.
    """
    ranked = []
    for phrase in consistent_phrases(links, len(source), len(target), _LONGEST):
        a, a_end, b, b_end = phrase
        # Neither the article of *l'Allemagne* nor the ending of *Tom's* is part of the name.
        if b_end - b > 2 and target[b + 1] in "'’" and _ELISION.fullmatch(target[b]):
            b += 2
        if a_end - a > 2 and source[a_end - 1] == "s" and source[a_end - 2] in "'’":
            a_end -= 2
        ends = (source[a], source[a_end - 1]), (target[b], target[b_end - 1])
        if any(
            not word[0].isalnum() or word.casefold() in common
            for side, common in zip(ends, frequent, strict=True)
            for word in side
        ):
            continue
        name = 1.5 if a > 0 and source[a][0].isupper() else 0.0
        several = 0.3 if a_end - a > 1 else 0.0
        ranked.append((rng.random() + name + several, Phrase(a, a_end, b, b_end)))
    ranked.sort(reverse=True)
    return [phrase for _, phrase in ranked[:most]]


def _frequent(sentences: Iterable[Sequence[str]]) -> frozenset[str]:
    counts: Counter[str] = Counter()
    for words in sentences:
        counts.update(word.casefold() for word in words)
    most = min(_FREQUENT, len(counts) // 10)
    return frozenset(word for word, _ in counts.most_common(most))
