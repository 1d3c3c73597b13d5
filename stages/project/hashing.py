"""64-bit hashes of word sequences, and count tables keyed by them.

Counting by hash keeps corpus statistics in flat arrays (8 bytes a key): a million sentence pairs
cost some tens of megabytes, and a hundred thousand candidates are looked up at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from stages.project.words import HashArray, IntArray

_BASE: Final = 0x9E3779B97F4A7C15
_INVERSE: Final = pow(_BASE, -1, 1 << 64)
_MIX: Final = np.uint64(0xFF51AFD7ED558CCD)
_COMPACT_AT: Final = 500_000


class SequenceHasher:
    """Hashes any range of a flat sequence of words in constant time (a polynomial hash).

    Args:
        hashes: ``(n_words,)``, a hash per word.
    """

    def __init__(self, hashes: HashArray) -> None:
        with np.errstate(over="ignore"):
            powers = _powers(_BASE, len(hashes))
            sums = np.cumsum(hashes * powers[: len(hashes)], dtype=np.uint64)
        self._sums = np.concatenate([np.zeros(1, np.uint64), sums])
        self._inverse = _powers(_INVERSE, len(hashes))

    def __call__(self, start: IntArray, end: IntArray) -> HashArray:
        """Return a hash per range ``[start, end)``, the same wherever the range stands."""
        with np.errstate(over="ignore"):
            return (self._sums[end] - self._sums[start]) * self._inverse[start]


def combine(left: HashArray, right: HashArray) -> HashArray:
    """Return a hash per ordered pair of hashes."""
    with np.errstate(over="ignore"):
        mixed = (left ^ (left >> np.uint64(33))) * _MIX
        mixed = mixed + right
        return (mixed ^ (mixed >> np.uint64(29))) * _MIX


def _powers(base: int, n: int) -> HashArray:
    with np.errstate(over="ignore"):
        powers = np.multiply.accumulate(np.full(max(n, 1), np.uint64(base), np.uint64))
    return np.concatenate([np.ones(1, np.uint64), powers])


class CountTable:
    """Sums of ``width`` numbers per 64-bit key.

    Args:
        width: Numbers per key.
    """

    def __init__(self, width: int = 1) -> None:
        self.width = width
        self.keys: HashArray = np.zeros(0, np.uint64)
        self.values: npt.NDArray[np.float32] = np.zeros((0, width), np.float32)
        self._buffer: list[tuple[HashArray, npt.NDArray[np.float64]]] = []
        self._buffered = 0
        self._starts: IntArray | None = None

    def __len__(self) -> int:
        self.compact()
        return len(self.keys)

    def add(self, keys: HashArray, values: npt.NDArray[np.float64]) -> None:
        """Add ``values`` (``(n,)`` or ``(n, width)``) under ``keys``; keys may repeat."""
        self._buffer.append(_summed(keys, values.reshape(len(keys), self.width)))
        self._buffered += len(self._buffer[-1][0])
        if self._buffered > max(_COMPACT_AT, len(self.keys)):
            self.compact()

    def copy(self) -> CountTable:
        """Return a table with the same sums."""
        self.compact()
        table = CountTable(self.width)
        # Compacting makes new arrays, so these two may be shared.
        table.keys, table.values = self.keys, self.values
        return table

    def compact(self) -> None:
        """Fold what was added into the sorted arrays."""
        if self._buffer:
            keys = np.concatenate([self.keys, *(k for k, _ in self._buffer)])
            values = np.concatenate([self.values, *(v for _, v in self._buffer)])
            self._buffer, self._buffered, self._starts = [], 0, None
            self.keys, summed = _summed(keys, values)
            self.values = summed.astype(np.float32)

    def get(self, keys: HashArray) -> npt.NDArray[np.float64]:
        """Return the sums under ``keys`` as ``(n, width)``, zeros for keys never seen."""
        self.compact()
        out = np.zeros((len(keys), self.width))
        if len(self.keys):
            place = np.minimum(self._find(keys), len(self.keys) - 1)
            found = np.flatnonzero(self.keys[place] == keys)
            out[found] = self.values[place[found]]
        return out

    def _find(self, keys: HashArray) -> IntArray:
        """Return where ``keys`` would stand in the table.

        Hashes are spread evenly, so that their first bits tell the place but for a step or two: a
        sixth of the time of a binary search.
        """
        bits = np.uint64(64 - max(1, len(self.keys).bit_length()))
        if self._starts is None:
            firsts = np.arange(1 << (64 - int(bits)), dtype=np.uint64) << bits
            self._starts = np.searchsorted(self.keys, firsts)
        place = self._starts[(keys >> bits).astype(np.int64)]
        behind = np.arange(len(keys))
        while len(behind):
            behind = behind[place[behind] < len(self.keys)]
            behind = behind[self.keys[place[behind]] < keys[behind]]
            place[behind] += 1
        return place

    def save(self, path: Path) -> None:
        """Write the table as ``.npz``."""
        self.compact()
        np.savez(path, keys=self.keys, values=self.values)

    @classmethod
    def load(cls, path: Path) -> CountTable:
        """Read what :meth:`save` wrote."""
        with np.load(path) as stored:
            table = cls(stored["values"].shape[1])
            table.keys, table.values = stored["keys"], stored["values"]
        return table


def _summed(
    keys: HashArray, values: npt.NDArray[np.floating]
) -> tuple[HashArray, npt.NDArray[np.float64]]:
    distinct, group = np.unique(keys, return_inverse=True)
    return distinct, sums_of(group, values, len(distinct))


def sums_of(
    group: IntArray, values: npt.NDArray[np.floating], n_groups: int
) -> npt.NDArray[np.float64]:
    """Return for each group the sum of its values ``(n, width)``."""
    sums = [np.bincount(group, column, n_groups) for column in values.T]
    return np.stack(sums, axis=1).astype(np.float64)


def group_sums(keys: HashArray, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return for each key the sum of the values ``(n, width)`` of all that equal it."""
    _, group = np.unique(keys, return_inverse=True)
    return np.stack([np.bincount(group, column)[group] for column in values.T], axis=1)
