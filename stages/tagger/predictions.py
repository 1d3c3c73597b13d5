"""The dataset ``predictions``: what a tagger says of sentences, as rows and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.schema import Span, labels_of, span_row, table
from stages.ranges import list_lengths, offsets
from stages.tagger.labels import LabelSet

Floats = NDArray[np.float32]


def predictions(
    rows: Iterable[Mapping[str, Any]],
    spans: Iterable[Iterable[Span]],
    probs: Iterable[Floats],
    labels: LabelSet,
) -> pa.Table:
    """Return ``predictions``.

    Args:
        rows: Have ``id``, ``lang`` and ``words``.
        spans: The entities of each.
        probs: (words, labels) of each.
        labels: The labels.
    """
    made = (
        {
            "id": row["id"],
            "lang": row["lang"],
            "words": row["words"],
            "spans": [span_row(s) for s in found],
            "probs": said.tolist(),
        }
        for row, found, said in zip(rows, spans, probs, strict=True)
    )
    return table("predictions", made, labels.names)


def distributions_of(data: pa.Table) -> list[Floats]:
    """Return the distributions of ``predictions``, one (words, labels) array per row."""
    column = data.column("probs").combine_chunks()
    values = column.flatten().flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    flat = values.reshape(-1, len(labels_of(data.schema)))
    return [flat[a:b] for a, b in pairwise(offsets(list_lengths(column)).tolist())]
