"""Labels that others have projected, in the form of our own: for the arms of rivals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.errors import DataError
from pipeline.schema import table
from pipeline.stage import Part
from stages.project.config import PairFilters
from stages.project.decide import settled
from stages.project.pairs import load_usual_ratio, row_scores

Spans = Sequence[Mapping[str, Any]]


class RivalWorker:
    """Turns labelled translations into ``projected`` rows.

    Every label is kept: what is dropped are sentences whose translation went wrong, by the same
    scores and thresholds as ours.

    Args:
        rival: Who made the labels.
        source: Language of the labelled source.
        filters: What a translation has to be like to be trained on; ``None``: anything.
        collected: Folder with the corpus' usual ratio of lengths.
    """

    def __init__(
        self, rival: str, source: str, filters: PairFilters | None, collected: Path
    ) -> None:
        self._rival, self._source, self._filters = rival, source, filters
        self._usual_ratio = load_usual_ratio(collected)

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        """Return a row for each row of ``source`` and ``labelled``.

        Raises:
            DataError: If these are not the same sentences.
        """
        rows = []
        sources, given = inputs["source"].to_pylist(), inputs["labelled"].to_pylist()
        for source, labelled in zip(sources, given, strict=True):
            if source["id"] != labelled["id"]:
                raise DataError(
                    f"part {part.index}: sentence {source['id']!r} stands beside "
                    f"{labelled['id']!r} of {self._rival}"
                )
            rows.append(self._row(source, labelled))
        for row, scores in zip(rows, row_scores(rows, self._usual_ratio), strict=True):
            row["scores"] = scores
            reason = settled(row, self._filters)
            row |= {"kept": reason is None, "reason": reason}
        part.advance(len(rows))
        return table("projected", rows)

    def _row(self, source: Mapping[str, Any], labelled: Mapping[str, Any]) -> dict[str, Any]:
        origin = origins(source["spans"], labelled["spans"])
        return {
            "id": labelled["id"],
            "lang": labelled["lang"],
            "source_id": source["id"],
            "source_lang": self._source,
            "source_words": source["words"],
            "source_spans": source["spans"],
            "words": labelled["words"],
            "lost": [],
            "spans": [
                {**span, "method": self._rival, "source": index, "kept": True, "reason": None}
                for span, index in zip(labelled["spans"], origin, strict=True)
            ],
        }


def origins(source: Spans, target: Spans) -> list[int | None]:
    """Return which source span each target span is of: the n-th of a type is that of the n-th.

    ``None`` where the two sides have different numbers of a type, as then it is not known.
    """
    by_type: dict[str, list[int]] = defaultdict(list)
    for index, span in enumerate(source):
        by_type[span["type"]].append(index)
    found: list[int | None] = [None] * len(target)
    for kind, indices in by_type.items():
        places = [i for i, span in enumerate(target) if span["type"] == kind]
        if len(places) == len(indices):
            for place, index in zip(places, indices, strict=True):
                found[place] = index
    return found
