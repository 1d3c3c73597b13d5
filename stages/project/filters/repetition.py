"""``repetition``: translations that stutter."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
from pydantic import Field

from pipeline.config import ConfigModel
from stages.project.filters.base import AtMost
from stages.project.filters.sentence_pairs import SentencePairs
from stages.project.words import CodedWords, FloatArray

_PERIOD: Final = 8  # words; the longest stretch that a stutter is looked for in


class RepetitionOptions(ConfigModel):
    """Options of ``repetition``."""

    max_repetition: float | None = Field(
        0.2, ge=0, le=1, description="largest share of words that repeat those before them"
    )


class Filter(AtMost[RepetitionOptions]):
    """A measure of stutter."""

    about: ClassVar[str] = (
        "share of words that only repeat the stretch (of 1 to 8 words) before them, over that "
        "share in the source"
    )
    reason: ClassVar[str] = "repetition"
    says: ClassVar[str] = "the text repeats itself"

    @classmethod
    def scores(cls, pairs: SentencePairs) -> FloatArray:
        """Return by how much each translation stutters more than its source."""
        return np.maximum(0.0, stutter(pairs, pairs.target) - stutter(pairs, pairs.source))


def stutter(pairs: SentencePairs, side: CodedWords) -> FloatArray:
    """Return per pair the share of words that only repeat the stretch (1 to 8 words) before them.

    Args:
        pairs: The pairs.
        side: That of which.
    """
    said = np.flatnonzero(pairs.where(side, _is_said))
    rows = side.rows[said]
    word = pairs.in_pair(rows, pairs.vocabulary.cases[side.codes[said]])
    letters = np.cumsum(np.append(0, pairs.where(side, _has_letter)[said]))
    again = np.zeros(len(word), np.bool_)
    for period in range(1, _PERIOD + 1):
        # Whether the stretch of so many words that ends here is the one before it.
        same = np.cumsum(np.append(0, word[period:] == word[:-period]))
        repeats = np.flatnonzero(same[period:] - same[:-period] == period) + period
        # 6-3 6-3 is a result.
        for first in repeats[letters[repeats + period] > letters[repeats]]:
            again[first : first + period] = True  # all of a stretch that comes again is said twice
    n = len(pairs)
    times, total = np.bincount(rows[again], minlength=n), np.bincount(rows, minlength=n)
    # Once is no stutter: "sehr, sehr", "Boutros Boutros".
    return np.where(times > 1, times / np.maximum(total, 1), 0.0)


def _is_said(word: str) -> bool:
    return word.isalnum() or any(map(str.isalnum, word))


def _has_letter(word: str) -> bool:
    return any(map(str.isalpha, word))
