"""``doubled_names``: translations that have a name more often than their source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from pipeline.config import ConfigModel
from pipeline.schema import as_stored
from stages.project.filters.base import PairFilter, Row
from stages.project.filters.sentence_pairs import SentencePair


class DoubledNamesOptions(ConfigModel):
    """Options of ``doubled_names``."""

    max_doubled_names: int | None = Field(
        1, ge=0, description="how often more the translation may have a name than the source"
    )


class Filter(PairFilter[DoubledNamesOptions]):
    """A count of names."""

    about: ClassVar[str] = "how often more the translation has a name of the source than the source"
    reason: ClassVar[str] = "doubled_names"
    says: ClassVar[str] = "the translation has a name more often than the source"

    @classmethod
    def score(cls, pair: SentencePair) -> float | None:
        """Return how often more; ``None`` without a name."""
        if not pair.spans:
            return None
        return float(doubled_names(pair.source, pair.target, pair.spans))

    def objects(self, score: float) -> bool:
        """Return whether the score is above the threshold."""
        most = self.options.max_doubled_names
        return most is not None and score > as_stored(most)


def doubled_names(source: Sequence[str], target: Sequence[str], spans: Sequence[Row]) -> int:
    """Return how often more the target has one of the names than the source, at most."""
    texts = {tuple(source[s["start"] : s["end"]]) for s in spans}
    return max((_count(target, t) - _count(source, t) for t in texts), default=0)


def _count(words: Sequence[str], name: Sequence[str]) -> int:
    first, rest = name[0], tuple(name[1:])
    if not rest:
        return words.count(first)
    places = (i for i, w in enumerate(words, start=1) if w == first)
    return sum(tuple(words[i : i + len(rest)]) == rest for i in places)
