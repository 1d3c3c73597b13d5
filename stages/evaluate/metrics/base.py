"""What a metric is: counts of a sentence that add up, and what the sums come to.

A new metric is a module with a subclass of :class:`Metric`. As counts add up over sentences, every
metric has bootstrap intervals.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pipeline.kinded import Kind, O_co

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.schema import Span


class Metric(Kind[O_co]):
    """A metric with its options.

    Attributes:
        size: How many counts a sentence has.
    """

    size: ClassVar[int]

    @abstractmethod
    def count(self, gold: Sequence[Span], predicted: Sequence[Span]) -> Sequence[float]:
        """Return the counts of one sentence, ``size`` of them.

        Args:
            gold: Its gold spans.
            predicted: Its predicted spans. Spans of one side do not overlap.
        """

    @abstractmethod
    def value(self, totals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the metric, in [0, 1], of sums of counts.

        Args:
            totals: ``(..., size)``.

        Returns:
            ``(...)``; 0 where it is undefined.
        """


class MatchMetric(Metric[O_co]):
    """F1 of matches: the counts are matches, predicted spans and gold spans."""

    size: ClassVar[int] = 3

    @abstractmethod
    def match(self, gold: Span, predicted: Span) -> float:
        """Return in [0, 1] what a pair of spans is worth as a match."""

    def count(self, gold: Sequence[Span], predicted: Sequence[Span]) -> Sequence[float]:
        """Match every span at most once, the best pairs first, and count."""
        worth = [
            (-self.match(g, p), i, j) for i, g in enumerate(gold) for j, p in enumerate(predicted)
        ]
        taken: tuple[set[int], set[int]] = set(), set()
        matched = 0.0
        for negative, i, j in sorted(worth):
            if negative < 0 and i not in taken[0] and j not in taken[1]:
                taken[0].add(i)
                taken[1].add(j)
                matched -= negative
        return (matched, len(predicted), len(gold))

    def value(self, totals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return F1."""
        from stages.evaluate.grading import f1_of

        return f1_of(totals)
