"""Of several translations the one that the others agree with: minimum Bayes risk decoding.

The likeliest translation is often one of a kind, too short or with an odd word. What most of the
likely ones have in common is safer (Kumar and Byrne 2004, N04-1022; Müller and Sennrich 2021,
arXiv:2105.08504). How alike two are is told by chrF (Popović 2015), as sacrebleu computes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

_ORDERS: Final = 6
_BETA: Final = 2.0


def by_agreement(texts: Sequence[str]) -> list[int]:
    """Return the numbers of the texts, from the one that is most like all to the least.

    Each text counts as often as it is there; of equals the earlier one is first.

    Args:
        texts: Translations of one text.
    """
    times = Counter(texts)
    distinct = list(times)
    alike = chrf(distinct) @ np.array([times[text] for text in distinct], dtype=np.float64)
    agreement = dict(zip(distinct, alike.tolist(), strict=True))
    return sorted(range(len(texts)), key=lambda k: -agreement[texts[k]])


def chrf(texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the chrF of every text against every other, from 0 to 1, shape (texts, texts).

    Columns are the references. Spaces do not count.
    """
    bare = ["".join(text.split()) for text in texts]
    precision = np.zeros((len(texts), len(texts)))
    orders = np.zeros_like(precision)
    for order in range(1, _ORDERS + 1):
        grams = [Counter(t[k : k + order] for k in range(len(t) - order + 1)) for t in bare]
        numbers = {gram: n for n, gram in enumerate(set[str]().union(*grams))}
        counts = np.zeros((len(texts), len(numbers)))
        for row, found in zip(counts, grams, strict=True):
            row[[numbers[gram] for gram in found]] = list(found.values())
        total = counts.sum(1)
        there = np.outer(total > 0, total > 0)
        for k, row in enumerate(counts):
            shared = np.minimum(row, counts).sum(1)
            precision[k] += np.where(there[k], shared / max(total[k], 1), 0)
        orders += there
    precision /= np.maximum(orders, 1)
    recall = precision.T  # what two share is the same from both sides
    weighed = np.maximum(_BETA**2 * precision + recall, np.finfo(np.float64).tiny)
    return (1 + _BETA**2) * precision * recall / weighed
