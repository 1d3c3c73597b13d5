"""``partial``: boundaries alone, half for an overlap (SemEval-2013 task 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pipeline.kinded import NoOptions
from stages.evaluate.metrics.base import MatchMetric

if TYPE_CHECKING:
    from pipeline.schema import Span


class Partial(MatchMetric[NoOptions]):
    """F1 of a kind."""

    about: ClassVar[str] = (
        "F1 of boundaries, an overlap counts half, whatever the type (SemEval-2013)"
    )

    def match(self, gold: Span, predicted: Span) -> float:
        """Return 1 for the same words, a half for some of them."""
        if (gold.start, gold.end) == (predicted.start, predicted.end):
            return 1.0
        return 0.5 if gold.start < predicted.end and predicted.start < gold.end else 0.0
