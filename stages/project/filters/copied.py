"""``copied``: translations that are the source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from pydantic import Field

from pipeline.config import ConfigModel
from pipeline.schema import as_stored
from stages.project.filters.base import PairFilter, SentencePair

_LEAST_COPIED: Final = 3  # words that could be copied, at least


class CopiedOptions(ConfigModel):
    """Options of ``copied``."""

    max_copied: float | None = Field(
        0.6, ge=0, le=1, description="largest share of the source's own words that are copied"
    )


class Filter(PairFilter[CopiedOptions]):
    """A measure of copying."""

    about: ClassVar[str] = (
        "share of the source's words (no names, no numbers) that are in the translation as they are"
    )
    reason: ClassVar[str] = "copied_source"
    says: ClassVar[str] = "the translation is a copy of the source"

    @classmethod
    def score(cls, pair: SentencePair) -> float | None:
        """Return the share of words that are copied."""
        names = {i for s in pair.spans for i in range(s["start"], s["end"])}
        return copied(pair.source, pair.target, names)

    def objects(self, score: float) -> bool:
        """Return whether the score is above the threshold."""
        most = self.options.max_copied
        return most is not None and score > as_stored(most)


def copied(source: Sequence[str], target: Sequence[str], names: set[int]) -> float | None:
    """Return the share of plain source words that stand in the target; ``None`` for too few.

    Args:
        source: Its words.
        target: Its words.
        names: The source words that belong to names.
    """
    plain = [w for i, w in enumerate(source) if len(w) > 1 and i not in names and w.isalpha()]
    # Words with a capital may be names that nobody labelled, but for headlines all in capitals.
    plain = [w for w in plain if not w[0].isupper()] or [w for w in plain if w.isupper()]
    if len(plain) < _LEAST_COPIED:
        return None
    both = set(plain).intersection(target)
    return sum(min(plain.count(w), target.count(w)) for w in both) / len(plain)
