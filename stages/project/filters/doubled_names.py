"""``doubled_names``: translations that have a name more often than their source."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from pipeline.config import ConfigModel
from stages.project.filters.base import AtMost
from stages.project.filters.sentence_pairs import SentencePairs
from stages.project.words import FloatArray


class DoubledNamesOptions(ConfigModel):
    """Options of ``doubled_names``."""

    max_doubled_names: int | None = Field(
        1, ge=0, description="how often more the translation may have a name than the source"
    )


class Filter(AtMost[DoubledNamesOptions]):
    """A count of names."""

    about: ClassVar[str] = "how often more the translation has a name of the source than the source"
    reason: ClassVar[str] = "doubled_names"
    says: ClassVar[str] = "the translation has a name more often than the source"

    @classmethod
    def scores(cls, pairs: SentencePairs) -> FloatArray:
        """Return how often more, at most; none without a name."""
        out = np.full(len(pairs), -np.inf)
        np.maximum.at(out, pairs.names.rows, pairs.said(pairs.target) - pairs.said(pairs.source))
        return np.where(np.isinf(out), np.nan, out)
