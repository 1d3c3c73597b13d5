"""What another aligner links: pseudo-counts for statistics, beside those of words spelt alike.

Of a few hundred sentence pairs most words occur once or twice, which tells statistics next to
nothing; an encoder that knows both languages has an opinion on them. As a pseudo-count of the
translation it is only a start: position, fertility, and what the other sentences say decide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from stages.word_alignment.aligner import LinkedWords
from stages.word_alignment.statistical.corpus import Floats, Ints


def hinted(
    hints: Sequence[LinkedWords],
    form: Callable[[str], str],
    source: Mapping[str, int],
    target: Mapping[str, int],
    keys: Ints,
) -> Floats:
    """Return how much the hints speak for each pair of words: summed probabilities, at most 1.

    Args:
        hints: Sentence pairs with links; their words may be unknown.
        form: What stands for a word on this granularity.
        source: Numbers of the source forms.
        target: Numbers of the target forms.
        keys: ``source number * (target forms + 1) + target number``, ascending.
    """
    width = len(target) + 1
    total: dict[int, float] = defaultdict(float)
    for (first, second), links in hints:
        for link in links:
            i, j = source.get(form(first[link.source])), target.get(form(second[link.target]))
            if i is not None and j is not None:
                total[i * width + j] += link.prob
    result = np.zeros(len(keys), dtype=np.float32)
    if total and len(keys):
        wanted = np.fromiter(total, dtype=np.int64, count=len(total))
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        there = keys[place] == wanted
        amount = np.fromiter(total.values(), dtype=np.float32, count=len(total))
        result[place[there]] = np.minimum(amount[there], 1)
    return result
