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

from stages.project.config import PairFilters
from stages.project.filters.base import SentencePair
from stages.project.filters.length_ratio import length_ratio

if TYPE_CHECKING:
    import pyarrow as pa

_LEAST_RATIOS: Final = 20  # pairs that a median takes
_FILE: Final = "pairs.json"

Row = Mapping[str, Any]


class PairScorer:
    """Scores projected rows, in the language of each.

    Args:
        usual_ratio: The corpus' median of :func:`length_ratio`, if it is known.
    """

    def __init__(self, usual_ratio: float | None = None) -> None:
        self._usual_ratio = usual_ratio

    def __call__(self, rows: Sequence[Row]) -> list[list[dict[str, Any]]]:
        """Return, for each row that has been projected, its scores as they are stored."""
        found = [{span["source"] for span in row["spans"]} for row in rows]
        pairs = [
            sentence_pair(row, there, row["lang"], self._usual_ratio)
            for row, there in zip(rows, found, strict=True)
        ]
        return [
            [{"name": name, "value": value} for name, value in scores.items()]
            for scores in pair_scores(pairs)
        ]


def save_usual_ratio(tables: Iterable[pa.Table], folder: Path) -> None:
    """Write the median length ratio of translations, which are read once, into a folder."""
    ratios = [
        length_ratio(source, target)
        for data in tables
        for source, target in zip(
            data.column("source_words").to_pylist(), data.column("words").to_pylist(), strict=True
        )
        if source and target
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _FILE).write_text(json.dumps({"usual_ratio": usual_ratio(ratios)}), encoding="utf-8")


def load_usual_ratio(folder: Path) -> float | None:
    """Read what :func:`save_usual_ratio` wrote; ``None`` where nothing was."""
    path = folder / _FILE
    if not path.exists():
        return None
    found: float | None = json.loads(path.read_text(encoding="utf-8"))["usual_ratio"]
    return found


def sentence_pair(
    row: Row, found: Iterable[int], lang: str, usual_ratio: float | None = None
) -> SentencePair:
    """Return what pair filters score.

    Args:
        row: ``source_words``, ``source_spans`` and ``words``.
        found: The source spans (by index) that have a span in the translation.
        lang: The target language.
        usual_ratio: The corpus' median of :func:`length_ratio`, if it is known.
    """
    source, spans = row["source_words"], row["source_spans"]
    return SentencePair(source, row["words"], spans, frozenset(found), lang, usual_ratio)


def pair_scores(pairs: Sequence[SentencePair]) -> list[dict[str, float]]:
    """Return the scores of sentence pairs by name; none if a side has no words."""
    places = [k for k, pair in enumerate(pairs) if pair.source and pair.target]
    whole = [pairs[k] for k in places]
    found: list[dict[str, float]] = [{} for _ in pairs]
    for name, kind in PairFilters.members().items():
        for k, score in zip(places, kind.scores(whole), strict=True):
            if score is not None:
                found[k][name] = score
    return found


def usual_ratio(ratios: Sequence[float]) -> float | None:
    """Return the median of :func:`length_ratio`, if there are enough pairs to tell."""
    return median(ratios) if len(ratios) >= _LEAST_RATIOS else None
