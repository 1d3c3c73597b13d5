"""``exact``: boundaries alone (SemEval-2013 task 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pipeline.kinded import NoOptions
from stages.evaluate.metrics.base import MatchMetric

if TYPE_CHECKING:
    from pipeline.schema import Span


class Exact(MatchMetric[NoOptions]):
    """F1 of a kind."""

    about: ClassVar[str] = "F1 of boundaries, whatever the type (SemEval-2013)"

    def match(self, gold: Span, predicted: Span) -> float:
        """Return 1 for the same words."""
        return float((gold.start, gold.end) == (predicted.start, predicted.end))
