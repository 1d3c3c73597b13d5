"""``type``: types, wherever entities overlap (SemEval-2013 task 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pipeline.kinded import NoOptions
from stages.evaluate.metrics.base import MatchMetric

if TYPE_CHECKING:
    from pipeline.schema import Span


class Type(MatchMetric[NoOptions]):
    """F1 of a kind."""

    about: ClassVar[str] = "F1 of types, where the entities overlap (SemEval-2013)"

    def match(self, gold: Span, predicted: Span) -> float:
        """Return 1 for an overlap of one type."""
        overlap = gold.start < predicted.end and predicted.start < gold.end
        return float(overlap and gold.type == predicted.type)
