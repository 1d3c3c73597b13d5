"""``repetition``: translations that stutter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import eq
from typing import ClassVar, Final

from pydantic import Field

from pipeline.config import ConfigModel
from pipeline.schema import as_stored
from stages.project.filters.base import PairFilter, SentencePair

_PERIOD: Final = 8  # words; the longest stretch that a stutter is looked for in


class RepetitionOptions(ConfigModel):
    """Options of ``repetition``."""

    max_repetition: float | None = Field(
        0.2, ge=0, le=1, description="largest share of words that repeat those before them"
    )


class Filter(PairFilter[RepetitionOptions]):
    """A measure of stutter."""

    about: ClassVar[str] = (
        "share of words that only repeat the stretch (of 1 to 8 words) before them, over that "
        "share in the source"
    )
    reason: ClassVar[str] = "repetition"
    says: ClassVar[str] = "the text repeats itself"

    @classmethod
    def score(cls, pair: SentencePair) -> float | None:
        """Return by how much the translation stutters more than the source."""
        return max(0.0, stutter(pair.target) - stutter(pair.source))

    def objects(self, score: float) -> bool:
        """Return whether the score is above the threshold."""
        most = self.options.max_repetition
        return most is not None and score > as_stored(most)


def stutter(words: Sequence[str]) -> float:
    """Return the share of words that only repeat the stretch (of 1 to 8 words) before them."""
    said = [w.casefold() for w in words if w.isalnum() or any(map(str.isalnum, w))]
    again: set[int] = set()
    # All words of a stretch that comes again are said twice.
    longest = min(_PERIOD, len(said) - len(set(said)))
    for period in range(1, longest + 1):
        same = list(map(eq, said[period:], said))
        if same.count(True) >= period:
            again.update(_repeated(said, same, period))
    # Once is no stutter: "sehr, sehr", "Boutros Boutros".
    return len(again) / len(said) if len(again) > 1 else 0.0


def _repeated(said: Sequence[str], same: Sequence[bool], period: int) -> Iterator[int]:
    """Yield the words of stretches that are the stretch before, ``same`` word by word."""
    run = 0
    for i, repeats in enumerate(same, start=period):
        run = run + 1 if repeats else 0
        stretch = range(i - period + 1, i + 1)
        if run >= period and any(_has_letter(said[k]) for k in stretch):  # 6-3 6-3 is a result
            yield from stretch


def _has_letter(word: str) -> bool:
    return any(map(str.isalpha, word))
