"""Sentence pairs as integers: every pair of words that could be linked is one cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stages.ranges import offsets

Ints = npt.NDArray[np.int64]
Cells = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_CHUNK = 4_000_000


@dataclass(frozen=True, slots=True)
class NumberedBitext:
    """Sentence pairs whose words are numbers, and their cells.

    The cells of a pair of ``m`` source and ``n`` target words lie together, row by row: cell
    ``offset + i * n + j`` is source word ``i`` and target word ``j``.

    What there is of both sides comes in twos: source, target.

    Attributes:
        words: Word ids of all sentences.
        lengths: Number of words of each sentence.
        starts: Where each sentence begins in ``words``.
        tokens: For each cell, the index of its word in ``words``.
        offsets: The first cell of each pair; one more entry for the end.
        keys: The distinct pairs of word ids that occur, ``source * vocabulary + target``, sorted.
        entry: For each cell, the index of its words in ``keys``.
    """

    words: tuple[Cells, Cells]
    lengths: tuple[Ints, Ints]
    starts: tuple[Ints, Ints]
    tokens: tuple[Cells, Cells]
    offsets: Ints
    keys: Ints
    entry: Cells


def build_corpus(
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
    target_words: int,
    keys: Ints | None = None,
) -> NumberedBitext:
    """Lay out sentence pairs.

    Args:
        pairs: Word ids of both sides; either may be empty.
        target_words: Size of the target vocabulary.
        keys: Pairs of words that are known already; a cell of other words gets their number as its
            entry. By default, those of the pairs.
    """
    rows = np.array([len(s) for s, _ in pairs], dtype=np.int64)
    cols = np.array([len(t) for _, t in pairs], dtype=np.int64)
    source = _flat([s for s, _ in pairs], int(rows.sum()))
    target = _flat([t for _, t in pairs], int(cols.sum()))
    source_at, target_at = offsets(rows)[:-1], offsets(cols)[:-1]
    first = offsets(rows * cols)
    total = int(first[-1])
    source_token = np.empty(total, dtype=np.int32)
    target_token = np.empty(total, dtype=np.int32)
    cell_keys = np.empty(total, dtype=np.int64)
    for start, end in _ranges(first):
        sizes = (rows * cols)[start:end]
        sentence = np.repeat(np.arange(start, end), sizes)
        a, b = int(first[start]), int(first[end])
        local = np.arange(a, b) - first[sentence]
        source_token[a:b] = source_at[sentence] + local // cols[sentence]
        target_token[a:b] = target_at[sentence] + local % cols[sentence]
        cell_keys[a:b] = (
            source[source_token[a:b]].astype(np.int64) * target_words + target[target_token[a:b]]
        )
    if keys is None:
        keys, inverse = np.unique(cell_keys, return_inverse=True)
        entry = inverse.astype(np.int32)
    else:
        found = np.searchsorted(keys, cell_keys)
        inside = np.minimum(found, max(len(keys) - 1, 0))
        known = (keys[inside] == cell_keys) if len(keys) else np.zeros(total, dtype=bool)
        entry = np.where(known, inside, len(keys)).astype(np.int32)
    words, tokens = (source, target), (source_token, target_token)
    return NumberedBitext(words, (rows, cols), (source_at, target_at), tokens, first, keys, entry)


def _flat(sentences: Sequence[Sequence[int]], total: int) -> Cells:
    words = (w for s in sentences for w in s)
    return np.fromiter(words, dtype=np.int32, count=total)


def _ranges(offsets: Ints) -> list[tuple[int, int]]:
    """Cut the pairs into runs of bounded size, so that temporary arrays stay small."""
    ranges = []
    start = 0
    while start < len(offsets) - 1:
        limit = offsets[start] + _CHUNK
        end = max(start + 1, int(np.searchsorted(offsets, limit, side="right")) - 1)
        ranges.append((start, end))
        start = end
    return ranges
