"""The links of the pairs that were learnt from and are to be aligned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.schema import Link
from stages.word_alignment.aligner import WordPair
from stages.word_alignment.pair_source import digest
from stages.word_alignment.statistical.corpus import Floats, Ints

_FILE: Final = "links.npz"


@dataclass(frozen=True, slots=True)
class KnownLinks:
    """Links by pair.

    Attributes:
        digests: Of the pairs, sorted.
        ends: Where the links of each pair end.
        words: ``(links, 2)``: source word, target word.
        probs: Their probabilities.
    """

    digests: npt.NDArray[np.uint64]
    ends: npt.NDArray[np.int64]
    words: npt.NDArray[np.int32]
    probs: Floats

    @classmethod
    def of(cls, pairs: Sequence[WordPair], owner: Ints, words: Ints, probs: Floats) -> KnownLinks:
        """Keep links.

        Args:
            pairs: Distinct pairs.
            owner: The number of the pair of each link.
            words: Its words, ``(links, 2)``: source, target.
            probs: Its probability.
        """
        digests = _digests(pairs)
        order = np.argsort(digests, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        sorting = np.argsort(place[owner], kind="stable")
        return cls(
            digests[order],
            np.cumsum(np.bincount(place[owner], minlength=len(pairs))),
            words[sorting].astype(np.int32),
            probs[sorting],
        )

    def look_up(self, pairs: Sequence[WordPair], floor: float) -> list[list[Link] | None]:
        """Return the links of each pair from ``floor`` on, ``None`` where it is not among them."""
        if not len(self.digests):
            return [None] * len(pairs)
        digests = _digests(pairs)
        places = np.minimum(np.searchsorted(self.digests, digests), len(self.digests) - 1)
        known = self.digests[places] == digests
        return [
            self._links(place, floor) if found else None
            for place, found in zip(places.tolist(), known.tolist(), strict=True)
        ]

    def _links(self, place: int, floor: float) -> list[Link]:
        part = slice(int(self.ends[place - 1]) if place else 0, int(self.ends[place]))
        words, probs = self.words[part].tolist(), self.probs[part].tolist()
        return [Link(i, j, p) for (i, j), p in zip(words, probs, strict=True) if p >= floor]

    def save(self, folder: Path) -> None:
        """Write into a folder."""
        np.savez(
            folder / _FILE,
            digests=self.digests,
            ends=self.ends,
            words=self.words,
            probs=self.probs,
        )

    @classmethod
    def load(cls, folder: Path) -> KnownLinks:
        """Read what :meth:`save` wrote."""
        with np.load(folder / _FILE) as arrays:
            return cls(*(arrays[name] for name in ("digests", "ends", "words", "probs")))


def strong(pairs: Sequence[WordPair], probs: Floats, floor: float) -> tuple[Ints, Ints, Floats]:
    """Return the links from ``floor`` on: pair, ``(links, 2)`` source and target word, probability.

    Args:
        pairs: The pairs.
        probs: Of all their links, pair by pair, source word by source word.
        floor: The least probability.
    """
    cols = np.array([len(b) for _, b in pairs], dtype=np.int64)
    starts = np.cumsum([0, *(len(a) * len(b) for a, b in pairs)])
    cells = np.flatnonzero(probs >= floor)
    owner = np.searchsorted(starts, cells, side="right") - 1
    local = cells - starts[owner]
    words = np.stack([local // cols[owner], local % cols[owner]], axis=1)
    return owner, words, np.minimum(probs[cells], 1)


def _digests(pairs: Sequence[WordPair]) -> npt.NDArray[np.uint64]:
    """Return a number for each pair; that two have the same is next to impossible."""
    return np.frombuffer(b"".join(digest(*pair, size=8) for pair in pairs), dtype=np.uint64)
