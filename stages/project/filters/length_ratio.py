"""``length_ratio``: translations far longer or shorter than is usual in the corpus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from pydantic import Field

from pipeline.config import ConfigModel
from stages.project.filters.base import PairFilter, SentencePair

_PADDING: Final = 10.0  # characters, so that the lengths of short texts may differ more


class LengthRatioOptions(ConfigModel):
    """Options of ``length_ratio``."""

    max_length_ratio: float | None = Field(
        2.0, gt=1, description="largest deviation from the corpus' median length ratio, as a factor"
    )


class Filter(PairFilter[LengthRatioOptions]):
    """A measure of length."""

    about: ClassVar[str] = (
        "length over the source's, over the median of the corpus, as a factor either way"
    )
    reason: ClassVar[str] = "length_ratio"
    says: ClassVar[str] = "far longer or shorter than its source"

    @classmethod
    def score(cls, pair: SentencePair) -> float | None:
        """Return the ratio over the corpus' median; ``None`` where that is not known."""
        if not pair.usual_ratio:
            return None
        return length_ratio(pair.source, pair.target) / pair.usual_ratio

    def objects(self, score: float) -> bool:
        """Return whether the ratio is off by more than the factor."""
        most = self.options.max_length_ratio
        return most is not None and not 1 / most <= score <= most


def length_ratio(source: Sequence[str], target: Sequence[str]) -> float:
    """Return the length of the target over that of the source, in characters, damped."""
    return (sum(map(len, target)) + _PADDING) / (sum(map(len, source)) + _PADDING)
