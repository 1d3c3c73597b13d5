"""Which few gold sentences of a target language a tagger gets to see."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

_log = logging.getLogger(__name__)


def drawn(
    rows: Iterable[Mapping[str, Any]], count: int, seed: int, name: str = "gold"
) -> list[Mapping[str, Any]]:
    """Draw sentences so that the entity types are as even as can be.

    Sentence by sentence, the type that has the fewest entities so far gets the next one of a seeded
    order that holds it; sentences without entities come last. So the first sentences of a larger
    draw are those of a smaller one.

    Args:
        rows: Labelled rows; those without words are passed over.
        count: How many.
        seed: Decides the order.
        name: Of the input, for the warning if there are fewer.
    """
    filled = [row for row in rows if row["words"]]
    order = np.random.default_rng(seed).permutation(len(filled)).tolist()
    held = [Counter(s["type"] for s in row["spans"]) for row in filled]
    queues = {
        kind: iter([i for i in order if kind in held[i]])
        for kind in sorted({k for counts in held for k in counts})
    }
    totals = Counter(dict.fromkeys(queues, 0))
    chosen: dict[int, None] = {}
    while len(chosen) < count and totals:
        kind = min(totals, key=lambda k: (totals[k], k))
        found = next((i for i in queues[kind] if i not in chosen), None)
        if found is None:  # no more sentences of this type
            del totals[kind]
            continue
        chosen[found] = None
        for other, times in held[found].items():
            if other in totals:
                totals[other] += times
    empty = (i for i in order if i not in chosen)
    for i in empty:
        if len(chosen) >= count:
            break
        chosen[i] = None
    if len(chosen) < count:
        _log.warning(
            "%s: train.gold_sentences asks for %d sentences, there are %d", name, count, len(chosen)
        )
    return [filled[i] for i in chosen]
