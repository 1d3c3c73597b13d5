"""``copied``: translations that are the source."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
from pydantic import Field

from pipeline.config import ConfigModel
from stages.project.filters.base import AtMost
from stages.project.filters.sentence_pairs import SentencePairs
from stages.project.words import BoolArray, CodedWords, FloatArray, IntArray

_LEAST_COPIED: Final = 3  # words that could be copied, at least


class CopiedOptions(ConfigModel):
    """Options of ``copied``."""

    max_copied: float | None = Field(
        0.6, ge=0, le=1, description="largest share of the source's own words that are copied"
    )


class Filter(AtMost[CopiedOptions]):
    """A measure of copying."""

    about: ClassVar[str] = (
        "share of the source's words (no names, no numbers) that are in the translation as they are"
    )
    reason: ClassVar[str] = "copied_source"
    says: ClassVar[str] = "the translation is a copy of the source"

    @classmethod
    def scores(cls, pairs: SentencePairs) -> FloatArray:
        """Return the share of plain source words that stand in the target."""
        source, target, n = pairs.source, pairs.target, len(pairs)
        plain = pairs.where(source, _is_plain) & ~pairs.named
        # Words with a capital may be names that nobody labelled, but for headlines all in capitals.
        usual = plain & ~pairs.where(source, _has_capital)
        headline = source.sums(usual)[source.rows] == 0
        plain = usual | (plain & headline & pairs.where(source, str.isupper))
        words, times = _counted(pairs, source, plain & pairs.among(target.codes)[source.codes])
        others, there = _counted(pairs, target, pairs.among(source.codes[plain])[target.codes])
        both, at, at_there = np.intersect1d(words, others, assume_unique=True, return_indices=True)
        found = np.bincount(pairs.pair_of(both), np.minimum(times[at], there[at_there]), n)
        total = source.sums(plain)
        return np.where(total < _LEAST_COPIED, np.nan, found / np.maximum(total, 1.0))


def _counted(pairs: SentencePairs, side: CodedWords, where: BoolArray) -> tuple[IntArray, IntArray]:
    """Return which words there are in each pair, and how often each."""
    return np.unique(pairs.in_pair(side.rows[where], side.codes[where]), return_counts=True)


def _is_plain(word: str) -> bool:
    return len(word) > 1 and word.isalpha()


def _has_capital(word: str) -> bool:
    return word[:1].isupper()
