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
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stages.project.config import PairFilters
from stages.project.filters.length_ratio import length_ratios
from stages.project.filters.sentence_pairs import SentencePairs

if TYPE_CHECKING:
    import pyarrow as pa

_LEAST_RATIOS: Final = 20  # pairs that a median takes
_FILE: Final = "pairs.json"

Row = Mapping[str, Any]


Scores = list[dict[str, Any]]
"""The scores of a pair as they are stored: ``name`` and ``value``."""


class PairScorer:
    """Scores sentence pairs, in the language of each.

    Args:
        usual_ratio: The corpus' median of :func:`length_ratios`, if it is known.
    """

    def __init__(self, usual_ratio: float | None = None) -> None:
        self.usual_ratio = usual_ratio

    def __call__(self, pairs: SentencePairs) -> list[Scores]:
        """Return the scores of each pair; none if a side has no words."""
        found: list[Scores] = [[] for _ in pairs.langs]
        for name, kind in PairFilters.members().items():
            values = np.array(kind.scores(pairs), np.float64)
            there = np.flatnonzero(pairs.whole & ~np.isnan(values))
            for k, value in zip(there.tolist(), values[there].tolist(), strict=True):
                found[k].append({"name": name, "value": value})
        return found

    def of_rows(self, rows: Sequence[Row]) -> list[Scores]:
        """Return the scores of rows that have been projected."""
        found = [{span["source"] for span in row["spans"]} for row in rows]
        return self(SentencePairs.of_rows(rows, found, self.usual_ratio))


def save_usual_ratio(tables: Iterable[pa.Table], folder: Path) -> None:
    """Write the median length ratio of translations, which are read once, into a folder."""
    ratios: list[float] = []
    for data in tables:
        nothing: list[Any] = [()] * data.num_rows
        source, target = data.column("source_words"), data.column("words")
        pairs = SentencePairs(source, target, nothing, nothing, nothing)
        ratios += length_ratios(pairs)[pairs.whole].tolist()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _FILE).write_text(json.dumps({"usual_ratio": usual_ratio(ratios)}), encoding="utf-8")


def load_usual_ratio(folder: Path) -> float | None:
    """Read what :func:`save_usual_ratio` wrote; ``None`` where nothing was."""
    path = folder / _FILE
    if not path.exists():
        return None
    found: float | None = json.loads(path.read_text(encoding="utf-8"))["usual_ratio"]
    return found


def usual_ratio(ratios: Sequence[float]) -> float | None:
    """Return the median of :func:`length_ratios`, if there are enough pairs to tell."""
    return median(ratios) if len(ratios) >= _LEAST_RATIOS else None
