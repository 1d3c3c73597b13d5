"""Ranges of numbers, end to end, in one array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ranges(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the concatenation of ``arange(start, start + length)``.

    Args:
        starts: ``(n,)``.
        lengths: ``(n,)``, none below 0.
    """
    firsts = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    return np.arange(int(lengths.sum())) + np.repeat(starts - firsts, lengths)
