"""Some subwords that stand for all in a training step: a third of its products are the last one's.

Sampled softmax (Jean et al. 2015, arXiv:1412.2007): of the subwords, the frequent ones, those of
the batch, and some drawn from the rest; weighed, the sum over them is on average that over all.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Sample(NamedTuple):
    """Subwords of one batch.

    Attributes:
        kept: Their numbers, rising, shape (kept,).
        gold: The place of each gold subword among them, shape (positions,).
        weighed: To be added to a subword's score: the logarithm of how many it stands for,
            shape (kept,).
    """

    kept: Tensor
    gold: Tensor
    weighed: Tensor


class Sampler:
    """Draws by torch's own random state, so that a training taken up again draws the same.

    Args:
        counts: Of each subword in some text, shape (subwords,), the padding left out.
        always: How many of the most frequent are in every sample.
        drawn: How many of the others are drawn for each batch, all alike.
    """

    def __init__(self, counts: Tensor, always: int, drawn: int) -> None:
        self._size, self._drawn = len(counts), drawn
        self._always = counts.argsort(descending=True, stable=True)[:always]

    def draw(self, gold: Tensor) -> Sample:
        """A sample that holds the gold subwords, shape (positions,)."""
        weighed = torch.full((self._size,), torch.nan, device=gold.device)
        weighed[self._always] = weighed[gold] = 0.0
        rest = weighed.isnan().nonzero().flatten()
        some = rest[torch.randperm(len(rest))[: self._drawn].to(rest.device)]
        weighed[some] = math.log(len(rest) / max(1, len(some)))
        kept = weighed.isfinite().nonzero().flatten()
        return Sample(kept, torch.searchsorted(kept, gold), weighed[kept])
