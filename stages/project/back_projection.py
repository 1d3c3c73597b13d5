"""From source-language labels of a translation back on to the target sentence it was made from.

Translate-test and CROP go this way: a target sentence was translated to the source language
(``translate``, ``align`` in the direction ``to_source``), a tagger has labelled the translation,
and the projector of the stage ``project`` carries the entities to the words of the target sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from stages.project.config import FilterConfig, ProjectConfig
from stages.tagger.labels import LabelSet

if TYPE_CHECKING:
    import pyarrow as pa

Floats = NDArray[np.float32]


def turned_round(
    translations: pa.Table, alignments: pa.Table, tagged: pa.Table
) -> tuple[pa.Table, pa.Table]:
    """Return translations and alignments as ``project`` reads them, the labelled side the source.

    Args:
        translations: Target sentences (``source_words``) and their translations (``words``).
        alignments: Links between the two.
        tagged: Predictions for the translations, row by row.

    Raises:
        DataError: If the tagger saw other words than were translated.
    """
    from pipeline.schema import table

    columns = ["id", "source_id", "source_lang", "source_words", "lang", "words"]
    rows = []
    labelled = tagged.select(["id", "words", "spans"]).to_pylist()
    for row, label in zip(translations.select(columns).to_pylist(), labelled, strict=True):
        if row["id"] != label["id"] or (row["words"] or []) != (label["words"] or []):
            raise DataError(
                f"translation {row['id']!r} is not what was labelled as {label['id']!r}: predict "
                "again"
            )
        rows.append(
            {
                "id": row["id"],
                "lang": row["source_lang"],
                "source_id": row["source_id"],
                "source_lang": row["lang"],
                "source_words": row["words"] or [],
                "source_spans": label["spans"],
                "text": None,
                "words": row["source_words"] or [],
                "score": None,
                "rank": 0,
                "marked": None,
                "reason": None,
            }
        )
    return table("translations", rows), _turned_links(alignments)


def _turned_links(alignments: pa.Table) -> pa.Table:
    from pipeline.schema import table

    rows = []
    for row in alignments.to_pylist():
        links = [
            {"source": x["target"], "target": x["source"], "prob": x["prob"]} for x in row["links"]
        ]
        links.sort(key=lambda x: (x["source"], x["target"]))
        rows.append({**row, "lang": row["source_lang"], "source_lang": row["lang"], "links": links})
    return table("alignments", rows)


def with_reasons(projected: pa.Table, alignments: pa.Table) -> pa.Table:
    """Return ``projected`` with the reason of rows of which nothing came for want of links.

    That is why they were not translated, or ``unaligned``. A sentence is never left out: it stays
    with no entity, ``kept`` false.
    """
    from pipeline.schema import table

    rows = projected.to_pylist()
    for row, reason in zip(rows, alignments.column("reason").to_pylist(), strict=True):
        if reason is not None and not any(s["kept"] for s in row["spans"]):
            row["kept"], row["reason"] = False, reason
    return table("projected", rows)


def for_test_sentences(options: ProjectConfig) -> ProjectConfig:
    """Return the options of ``project`` without the filters that drop whole sentences.

    Training can do without a sentence, a test set cannot.
    """
    filters = options.filters
    spans_only = FilterConfig(
        min_score=filters.min_score,
        max_length_ratio=filters.max_length_ratio,
        restrict_target=filters.restrict_target,
        pairs=None,
    )
    return options.model_copy(update={"filters": spans_only})


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
        links: From the translation's words (source) to the target words.
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
        source, target = link["source"], link["target"]
        if not taken[target] and not inside[source]:
            found[target] += np.float32(link["prob"]) * probs[source]
            weight[target] += np.float32(link["prob"])
    free = ~taken
    rest = np.maximum(0, 1 - weight[free])[:, None] * outside
    found[free] = (found[free] + rest) / np.maximum(1, weight[free])[:, None]
    return found


def flat_distributions(column: Any) -> list[Floats]:
    """Return the distributions of a ``probs`` column, one (words, labels) array per row."""
    import pyarrow as pa

    joined = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    rows = joined.flatten()
    values = rows.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    words = np.concatenate([[0], np.cumsum(_lengths(joined))])
    width = len(values) // max(int(words[-1]), 1)
    flat = values.reshape(-1, width) if len(values) else np.zeros((0, 0), np.float32)
    return [flat[a:b] for a, b in pairwise(words.tolist())]


def _lengths(column: Any) -> NDArray[np.int64]:
    import pyarrow.compute as pc

    sizes = pc.fill_null(pc.list_value_length(column), 0)
    return np.asarray(sizes.to_numpy(zero_copy_only=False), np.int64)


def mean_distributions(several: Sequence[Floats]) -> Floats:
    """Return the mean of several (words, labels) arrays over the same words and labels."""
    return np.mean(np.stack(several), axis=0, dtype=np.float32)
