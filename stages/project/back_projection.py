"""From source-language labels of a translation back on to the target sentence it was made from.

Translate-test and CROP go this way: a target sentence was translated to the source language
(``translate``, ``align`` in the direction ``to_source``), a tagger has labelled the translation,
and the projector of the stage ``project`` carries the entities to the words of the target sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.schema import table
from stages.tagger.labels import LabelSet

Floats = NDArray[np.float32]


def with_reasons(projected: pa.Table, alignments: pa.Table) -> pa.Table:
    """Return ``projected`` with the reason of rows of which nothing came for want of links.

    That is why they were not translated, or ``unaligned``. A sentence is never left out: it stays
    with no entity, ``kept`` false.
    """
    rows = projected.to_pylist()
    for row, reason in zip(rows, alignments.column("reason").to_pylist(), strict=True):
        if reason is not None and not any(s["kept"] for s in row["spans"]):
            row["kept"], row["reason"] = False, reason
    return table("projected", rows)


def moved_labels(labels: LabelSet) -> tuple[Floats, Floats]:
    """Return what turns a distribution into that of an entity's first word, and of a later one.

    Both are (labels, labels): ``dist @ first`` moves the probability of ``I-X`` to ``B-X``,
    ``dist @ later`` that of ``B-X`` to ``I-X``.
    """
    size = len(labels)
    first, later = np.zeros((size, size), np.float32), np.zeros((size, size), np.float32)
    index = {name: i for i, name in enumerate(labels.names)}
    for name, i in index.items():
        kind = name[2:]
        first[i, index.get(f"B-{kind}", i)] = 1
        later[i, index.get(f"I-{kind}", i)] = 1
    return first, later


def word_distributions(
    row: Mapping[str, Any],
    links: Iterable[Mapping[str, Any]],
    probs: Floats,
    labels: LabelSet,
) -> Floats:
    """Return the distribution of every target word, projected from the translation's words.

    - A word of a kept span has the mean distribution over the words of the entity that it was
      projected from, on ``B-`` labels for the first word and ``I-`` labels for the others.
    - Any other word has the mean of the words linked to it, weighted by the links' probabilities,
      where those are not part of an entity (an entity's probability goes where it was projected);
      what the links leave of 1 goes to ``O``. So a word that nothing is linked to is ``O``.

    Args:
        row: A ``projected`` row; its source side is the translation.
        links: From the target words (source) to the translation's words, as they were aligned.
        probs: (translation words, labels).
        labels: The labels.

    Returns:
        (target words, labels); every row sums to 1.
    """
    first, later = moved_labels(labels)
    size = len(row["words"])
    found = np.zeros((size, len(labels)), np.float32)
    outside = np.zeros(len(labels), np.float32)
    outside[labels.outside] = 1
    taken = np.zeros(size, bool)
    for span in row["spans"]:
        if not span["kept"]:
            continue
        entity = row["source_spans"][span["source"]]
        mean = probs[entity["start"] : entity["end"]].mean(0)
        found[span["start"]] = mean @ first
        found[span["start"] + 1 : span["end"]] = mean @ later
        taken[span["start"] : span["end"]] = True
    inside = np.zeros(len(probs), bool)
    for entity in row["source_spans"]:
        inside[entity["start"] : entity["end"]] = True
    weight = np.zeros(size, np.float32)
    for link in links:
        source, target = link["target"], link["source"]
        if not taken[target] and not inside[source]:
            found[target] += np.float32(link["prob"]) * probs[source]
            weight[target] += np.float32(link["prob"])
    free = ~taken
    rest = np.maximum(0, 1 - weight[free])[:, None] * outside
    found[free] = (found[free] + rest) / np.maximum(1, weight[free])[:, None]
    return found
