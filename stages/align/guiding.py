"""An encoder guides the statistics: what it links they take for pseudo-counts of translations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pipeline.schema import Link
from stages.word_alignment.aligner import Aligner
from stages.word_alignment.pair_source import PairSource, sample
from stages.word_alignment.statistical.aligner import MAX_WORDS, StatisticalAligner
from stages.word_alignment.statistical.hints import Hint

# Pairs of words that encoders are asked about: some 1,000 sentence pairs of 20 words. They are
# there for words that are seen once or twice; of a larger corpus, statistics learn by themselves.
_CELLS: Final = 400_000
# Whether an encoder knows the languages is told by statistics that it did not guide.
_PLAIN_CELLS: Final = 100_000


def unguided(own: PairSource, extra: PairSource) -> StatisticalAligner:
    """Return statistics of a sample of the pairs, those that are to be aligned first."""
    return StatisticalAligner.fit(own, extra, max_cells=_PLAIN_CELLS)


def hints(
    own: PairSource, guides: Mapping[int, Aligner], trusted: Mapping[int, float]
) -> list[Hint]:
    """Return what the guides link in a sample of the pairs.

    Args:
        own: The pairs that are to be aligned.
        guides: The encoders' aligners, by their place among the members.
        trusted: How far each is trusted, by which the probabilities of its links are multiplied.
    """
    pairs = sample(own, lambda: iter(()), _CELLS, MAX_WORDS).pairs
    return [
        Hint(pair, [Link(k.source, k.target, k.prob * trusted[place]) for k in links])
        for place, guide in guides.items()
        if trusted[place] > 0
        for pair, links in zip(pairs, guide.align(pairs), strict=True)
    ]
