"""The contract of an aligner, and what all aligners share.

An aligner links the words of sentence pairs. Each link has a probability, on one scale for all
aligners: **0.5 and above means that the aligner asserts the link**; below are links that it
considered but did not choose, which aligners hand out from a floor on that is below 0.5. A consumer
that wants hard links takes those of 0.5 and above, and one that weighs evidence takes them all.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Final

from pipeline.errors import DataError
from pipeline.listed import listed, words_of
from pipeline.schema import Link
from pipeline.task import Advance, no_advance

WordPair = tuple[list[str], list[str]]
"""The words of a source sentence and of a target sentence."""
LinkedWords = tuple[WordPair, Sequence[Link]]
"""A sentence pair, and what links its words."""

ASSERTED: Final = 0.5
"""The probability from which a link counts as asserted."""

MOST_CELLS: Final = 16_000_000
"""The most pairs of words of one sentence pair, 4,000 times 4,000: such a pair takes 1.5 GB."""

_log = logging.getLogger(__name__)


class Aligner(ABC):
    """Links words; one object may be called many times and is used by one thread at a time.

    Attributes:
        name: Says how the links were made, for the ``aligner`` column.
    """

    name: str

    def align(
        self, pairs: Iterable[tuple[Iterable[str], Iterable[str]]], advance: Advance = no_advance
    ) -> list[list[Link]]:
        """Align sentence pairs.

        Args:
            pairs: Words of the source and of the target; either may be empty.
            advance: Told the number of pairs finished since the last call.

        Returns:
            For every pair, in order, its links sorted by (source, target), each pair of words at
            most once. An empty list says that the pair is unaligned, as all are that have more than
            :data:`MOST_CELLS`; these are warned of.

        Raises:
            DataError: If a side is one string instead of its words.
        """
        given = enumerate(listed(pairs, "align: the sentence pairs"))
        return self._align(_of_sentences([_pair(pair, k) for k, pair in given]), advance)

    @abstractmethod
    def _align(self, pairs: Sequence[WordPair], advance: Advance) -> list[list[Link]]:
        """Align sentence pairs, which are lists of words; see :meth:`align`."""


def _of_sentences(pairs: list[WordPair]) -> list[WordPair]:
    """Empty the pairs that are too long for memory to hold what could be linked in them."""
    long = [k for k, (source, target) in enumerate(pairs) if len(source) * len(target) > MOST_CELLS]
    if long:
        source, target = pairs[long[0]]
        _log.warning(
            "align: %d sentence pairs are too long to be aligned and get no links, first the one "
            "of %d and %d words that begins with %r; split them into sentences",
            len(long),
            len(source),
            len(target),
            " ".join(source[:5]),
        )
    for k in long:
        pairs[k] = ([], [])
    return pairs


def _pair(pair: Iterable[Iterable[str]], number: int) -> WordPair:
    what = f"align: pair {number}"
    sides = pair if isinstance(pair, tuple) else listed(pair, what)
    if len(sides) != 2:
        raise DataError(f"{what}: two sides are wanted, source and target, not {len(sides)}")
    return words_of(sides[0], f"{what}: source"), words_of(sides[1], f"{what}: target")


def asserted(links: Iterable[Link]) -> list[Link]:
    """Return the links that the aligner asserts (see the module's text)."""
    return [k for k in links if k.prob >= ASSERTED]
