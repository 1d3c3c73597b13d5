"""Each language's mean state: what an encoder says of the language rather than of the word.

States of one language lie around a point of their own (Libovický et al. 2020); with it taken off,
words of two languages are compared by what is left.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from stages.word_alignment.pair_source import PairSource, sample
from stages.word_alignment.statistical.aligner import MAX_WORDS

if TYPE_CHECKING:
    from stages.align.embedding_aligner import EmbeddingAligner, Means

_FILE: Final = "means.npz"
# Pairs of words that are looked at: some 500 sentence pairs of 20 words.
_CELLS: Final = 200_000
# With few states the mean is that of their content as well, and less of it is taken off.
_STRENGTH: Final = 100.0


def learn_means(
    aligner: EmbeddingAligner, own: PairSource, extra: PairSource, folder: Path
) -> None:
    """Write the mean states of both languages over a sample of the pairs.

    Args:
        aligner: Makes the states; takes nothing off them.
        own: The pairs that will be aligned.
        extra: Further pairs.
        folder: Where to write.
    """
    taken = sample(own, extra, _CELLS, MAX_WORDS).pairs
    means, counts = aligner.means(taken)
    source, target = (
        mean * np.float32(count / (count + _STRENGTH))
        for mean, count in zip(means, counts, strict=True)
    )
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / _FILE, source=source, target=target)


def read_means(folder: Path) -> Means:
    """Return what :func:`learn_means` wrote."""
    with np.load(folder / _FILE) as arrays:
        return arrays["source"], arrays["target"]
