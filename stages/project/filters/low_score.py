"""``low_score``: spans whose projection is unsure."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pipeline.config import ConfigModel
from pipeline.schema import as_stored
from stages.project.filters.base import Row, SpanFilter


class LowScoreOptions(ConfigModel):
    """Options of ``low_score``."""

    min_score: float = Field(
        0.2, ge=0, le=1, description="drop spans that score less (reason low_score)"
    )


class Filter(SpanFilter[LowScoreOptions]):
    """Drops spans that score less than a threshold."""

    about: ClassVar[str] = "drops spans that score less than a threshold"
    reason: ClassVar[str] = "low_score"
    says: ClassVar[str] = "below the minimum score"

    def objects(self, row: Row, span: Row, source: Row) -> bool:
        """Return whether the span scores less; one without a score is kept."""
        score = span["score"]
        return score is not None and as_stored(score) < as_stored(self.options.min_score)
