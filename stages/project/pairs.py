r"""How far a translation can be trusted: the scores of sentence pairs that pair filters decide on.

Translation models go wrong in ways of their own: they stutter, copy the source, answer in another
language, say something that has nothing to do with the source (hallucinate), or lose and double its
names. What such a pair teaches a tagger is wrong, however well its words are aligned. The scores
are those of the :class:`stages.project.filters.base.PairFilter`\s, by their names; one that is not
there decides nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import pyarrow as pa

from pipeline.schema import SCORE, lists
from stages.project.config import PairFilters
from stages.project.filters.length_ratio import damped_ratios
from stages.project.filters.sentence_pairs import SentencePairs
from stages.project.words import FloatArray

_LEAST_RATIOS: Final = 20  # pairs that a median takes
_FILE: Final = "pairs.json"

Row = Mapping[str, Any]


def pair_scores(pairs: SentencePairs) -> pa.ListArray:
    """Return the scores of each pair as they are stored; none if a side has no words."""
    kinds = PairFilters.members()
    values = np.column_stack([np.array(k.scores(pairs), np.float64) for k in kinds.values()])
    there = pairs.whole[:, None] & ~np.isnan(values)
    names = pa.array(list(kinds)).take(pa.array(np.nonzero(there)[1]))
    return lists(there.sum(axis=1), SCORE, [names, values[there]])


def row_scores(rows: Sequence[Row], usual_ratio: float | None = None) -> list[list[dict[str, Any]]]:
    """Return the scores of rows that have been projected, ``name`` and ``value``.

    Args:
        rows: The rows.
        usual_ratio: The corpus' median of :func:`damped_ratios`, if it is known.
    """
    found = [{span["source"] for span in row["spans"]} for row in rows]
    pairs = SentencePairs.of_rows(rows, found, usual_ratio)
    scores: list[list[dict[str, Any]]] = pair_scores(pairs).to_pylist()
    return scores


def save_usual_ratio(tables: Iterable[pa.Table], folder: Path) -> None:
    """Write the median length ratio of translations, which are read once, into a folder."""
    ratios: list[float] = []
    for data in tables:
        source, target = (_characters(data.column(name)) for name in ("source_words", "words"))
        ratios += damped_ratios(source, target)[(source > 0) & (target > 0)].tolist()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _FILE).write_text(json.dumps({"usual_ratio": usual_ratio(ratios)}), encoding="utf-8")


def _characters(words: pa.ChunkedArray) -> FloatArray:
    """Return the length of each sentence in characters."""
    import pyarrow.compute as pc

    words = words.combine_chunks()
    sentences = pc.list_parent_indices(words).to_numpy()
    letters = pc.utf8_length(words.flatten()).to_numpy()
    return np.bincount(sentences, letters, len(words)).astype(np.float64)


def load_usual_ratio(folder: Path) -> float | None:
    """Read what :func:`save_usual_ratio` wrote; ``None`` where nothing was."""
    path = folder / _FILE
    if not path.exists():
        return None
    found: float | None = json.loads(path.read_text(encoding="utf-8"))["usual_ratio"]
    return found


def usual_ratio(ratios: Sequence[float]) -> float | None:
    """Return the median of :func:`damped_ratios`, if there are enough pairs to tell."""
    return median(ratios) if len(ratios) >= _LEAST_RATIOS else None
