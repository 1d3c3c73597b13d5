"""``length_ratio``: translations far longer or shorter than is usual in the corpus."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
from pydantic import Field

from pipeline.config import ConfigModel
from stages.project.filters.base import PairFilter
from stages.project.filters.sentence_pairs import SentencePairs
from stages.project.words import FloatArray

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
    def scores(cls, pairs: SentencePairs) -> FloatArray:
        """Return the ratios over the corpus' median, not a number where that is not known."""
        return length_ratios(pairs) / (pairs.usual_ratio or np.nan)

    def objects(self, score: float) -> bool:
        """Return whether the ratio is off by more than the factor."""
        most = self.options.max_length_ratio
        return most is not None and not 1 / most <= score <= most


def length_ratios(pairs: SentencePairs) -> FloatArray:
    """Return the length of each target over that of its source, in characters, damped."""
    letters = pairs.vocabulary.letters
    return damped_ratios(*(side.sums(letters[side.codes]) for side in (pairs.source, pairs.target)))


def damped_ratios(source: FloatArray, target: FloatArray) -> FloatArray:
    """Return the length of each target over that of its source, given their characters."""
    return (target + _PADDING) / (source + _PADDING)
