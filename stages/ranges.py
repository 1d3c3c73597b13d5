"""Ranges of numbers, end to end, in one array; lengths of lists."""

from __future__ import annotations

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
    firsts = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    return np.arange(int(lengths.sum())) + np.repeat(starts - firsts, lengths)


def list_lengths(column: pa.ListArray) -> NDArray[np.int64]:
    """Return the lengths of the lists of a column, 0 where there is none."""
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    return np.asarray(lengths, np.int64)
