"""``span_length``: spans far longer or shorter than what they stand for."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pipeline.config import ConfigModel
from stages.project.filters.base import Row, SpanFilter


class SpanLengthOptions(ConfigModel):
    """Options of ``span_length``."""

    max_length_ratio: float | None = Field(
        None,
        gt=1,
        description="drop spans that have more than this times as many characters as their source "
        "span, or fewer by the same factor (reason length_ratio)",
    )


class Filter(SpanFilter[SpanLengthOptions]):
    """Drops spans far longer or shorter than their source span."""

    about: ClassVar[str] = "drops spans far longer or shorter than their source span"
    reason: ClassVar[str] = "length_ratio"
    says: ClassVar[str] = "far longer or shorter than its source"

    def objects(self, row: Row, span: Row, source: Row) -> bool:
        """Return whether the characters of the two differ too much."""
        most = self.options.max_length_ratio
        assert most is not None, "a filter that is off is not asked"
        left = sum(map(len, row["source_words"][source["start"] : source["end"]]))
        right = sum(map(len, row["words"][span["start"] : span["end"]]))
        return bool(max(left, right) > most * max(1, min(left, right)))
