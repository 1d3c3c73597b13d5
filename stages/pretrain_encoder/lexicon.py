"""Word links for the alignment objective, from co-occurrence alone.

IBM Model 1 (Brown et al. 1993) with the diagonal prior of fast_align (Dyer et al. 2013) is run in
both directions, and the links on which both agree are kept. That is an old and weak aligner, but
its precise half is a good first teacher for an encoder that has seen a few million words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Links = NDArray[np.int16]

Words = Sequence[str]
_NULL_PROBABILITY = 0.08
_DIAGONAL_TENSION = 4.0


def link_words(
    pairs: Sequence[tuple[Words, Words]], *, iterations: int = 5, min_probability: float = 0.5
) -> list[Links]:
    """Links the words of sentence pairs.

    Args:
        pairs: Words of both sides; case does not matter.
        iterations: Of expectation maximisation, in each direction.
        min_probability: A link is kept if its posterior reaches this in both directions.

    Returns:
        For each pair an array of shape (links, 2): source index, target index.
    """
    import numpy as np

    source, source_ids = _numbered([pair[0] for pair in pairs])
    target, target_ids = _numbered([pair[1] for pair in pairs])
    layout = _Layout(source, target)
    if not layout.size:
        return [np.zeros((0, 2), np.int16) for _ in pairs]
    cells = layout.source_word.astype(np.int64) * target_ids + layout.target_word
    _, entry = np.unique(cells, return_inverse=True)
    del cells
    forward = _posterior(layout, entry, layout.source_word, source_ids, True, iterations)
    backward = _posterior(layout, entry, layout.target_word, target_ids, False, iterations)
    keep = np.flatnonzero(np.minimum(forward, backward) >= min_probability)
    links = np.stack([layout.i[keep], layout.j[keep]], axis=1)
    bounds = np.searchsorted(layout.pair[keep], np.arange(len(pairs) + 1))
    return [links[bounds[n] : bounds[n + 1]] for n in range(len(pairs))]


def _numbered(sentences: Sequence[Words]) -> tuple[list[NDArray[np.int32]], int]:
    import numpy as np

    ids: dict[str, int] = {}
    rows = [
        np.array([ids.setdefault(word.casefold(), len(ids)) for word in words], np.int32)
        for words in sentences
    ]
    return rows, len(ids)


class _Layout:
    """All (source word, target word) cells of all pairs in one row, pair by pair."""

    def __init__(self, source: list[NDArray[np.int32]], target: list[NDArray[np.int32]]) -> None:
        import numpy as np

        widths = np.array([len(s) for s in source], np.int64)
        heights = np.array([len(t) for t in target], np.int64)
        counts = widths * heights
        self.size = int(counts.sum())
        self.pair = np.repeat(np.arange(len(source), dtype=np.int32), counts)
        within = np.arange(self.size) - np.repeat(np.cumsum(counts) - counts, counts)
        height = heights[self.pair]
        self.i = (within // np.maximum(1, height)).astype(np.int16)
        self.j = (within % np.maximum(1, height)).astype(np.int16)
        # Numbers of the source and target words (tokens, not types) over the whole text.
        self.source_token = (np.cumsum(widths) - widths)[self.pair] + self.i
        self.target_token = (np.cumsum(heights) - heights)[self.pair] + self.j
        empty = np.zeros(0, np.int32)
        self.source_word = np.concatenate([*source, empty])[self.source_token]
        self.target_word = np.concatenate([*target, empty])[self.target_token]
        offset = np.abs((self.i + 0.5) / widths[self.pair] - (self.j + 0.5) / height)
        self.prior = np.exp(-_DIAGONAL_TENSION * offset)


def _posterior(
    layout: _Layout,
    entry: NDArray[np.int64],
    given: NDArray[np.int32],
    given_types: int,
    forward: bool,
    iterations: int,
) -> NDArray[np.float64]:
    """Posterior of each cell when every word of one side picks a word of the other, or none."""
    import numpy as np

    # Forward: each target token picks a source token, p(target word | source word).
    picker = layout.target_token if forward else layout.source_token
    pickers = int(picker.max()) + 1
    prior = layout.prior / np.bincount(picker, layout.prior, pickers)[picker]
    prior *= 1 - _NULL_PROBABILITY
    entries = int(entry.max()) + 1
    first = np.zeros(entries, np.int64)
    first[entry] = given
    words = layout.target_word if forward else layout.source_word
    # The empty word explains each word by its share of the text.
    token_word = np.zeros(pickers, np.int64)
    token_word[picker] = words
    share = np.bincount(token_word) / pickers
    none = (_NULL_PROBABILITY * share[token_word])[picker]
    table: NDArray[np.floating] = np.ones(entries)
    table = table / np.bincount(first, table, given_types)[first]
    posterior = np.zeros(layout.size)
    for _ in range(iterations):
        joint = prior * table[entry]
        total = np.bincount(picker, joint, pickers)[picker] + none
        posterior = joint / total
        table = np.bincount(entry, posterior, entries) + 1e-3
        table = table / np.bincount(first, table, given_types)[first]
    return posterior
