"""Ranges of numbers, end to end, in one array: where they begin, what they hold, their sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa


def ranges(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the concatenation of ``arange(start, start + length)``.

    Args:
        starts: ``(n,)``.
        lengths: ``(n,)``, none below 0.
    """
    return np.arange(int(lengths.sum())) + np.repeat(starts - offsets(lengths)[:-1], lengths)


def offsets(lengths: NDArray[np.integer] | Sequence[int]) -> NDArray[np.int64]:
    """Return where each of several lists begins, laid end to end, and where the last one ends.

    Args:
        lengths: ``(n,)``, how long they are.
    """
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def sums(
    values: NDArray[np.floating], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the sum of ``values[start:end]`` for each range.

    The last bits depend on what stands before a range, as running sums are subtracted.
    """
    total = np.concatenate([[0.0], np.cumsum(values)])
    found: NDArray[np.float64] = total[ends] - total[starts]
    return found


def list_lengths(column: pa.ListArray) -> NDArray[np.int64]:
    """Return the lengths of the lists of a column, 0 where there is none."""
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    return np.asarray(lengths, np.int64)
