"""Translations that are given (``data.parallel`` and the like) instead of made by a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.errors import DataError
from pipeline.schema import table
from pipeline.stage import Part
from stages.tokenise import detokenise
from stages.translate.worker import translation_row


@dataclass(frozen=True, slots=True)
class GivenWorker:
    """Takes the translations of sentences from other inputs.

    Those of several systems stand side by side, as the hypotheses of one do: the first has rank 0.

    Attributes:
        source: Language of the sentences.
        target: Language of their translations.
        keep_spans: Whether the labels of the sentences go with them.
    """

    source: str
    target: str
    keep_spans: bool = True

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        """Return the inputs beside ``source``, in their order, as its translations.

        Raises:
            DataError: If they do not have the same rows.
        """
        rows = inputs["source"].select(["id", "words", "spans"]).to_pylist()
        given = [data for name, data in inputs.items() if name != "source"]
        out: list[list[dict[str, Any]]] = [[] for _ in rows]
        for rank, data in enumerate(given):
            others = data.select(["id", "words"]).to_pylist()
            if len(rows) != len(others):
                raise DataError(
                    f"part {part.index}: {len(rows)} {self.source} sentences but {len(others)} "
                    f"{self.target} ones"
                )
            for number, (row, other) in enumerate(zip(rows, others, strict=True)):
                if row["id"] != other["id"]:
                    raise DataError(
                        f"part {part.index}: {self.source} sentence {row['id']!r} stands beside "
                        f"{self.target} sentence {other['id']!r}"
                    )
                out[number].append(self._row(row, other["words"], rank))
        part.advance(len(rows))
        return table("translations", [row for found in out for row in found])

    def _row(self, row: dict[str, Any], words: list[str], rank: int) -> dict[str, Any]:
        reason = "empty_source" if not row["words"] else None
        if reason is None and not words:
            reason = "empty_translation"
        words = words if reason is None else []
        return translation_row(
            row if self.keep_spans else {**row, "spans": []},
            self.source,
            self.target,
            text=detokenise(words, self.target),
            words=words,
            score=None,
            rank=rank,
            reason=reason,
        )
