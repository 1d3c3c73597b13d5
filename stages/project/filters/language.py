"""``language``: translations in another language."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import ClassVar, Final

from pydantic import Field

from pipeline.config import ConfigModel
from pipeline.schema import as_stored
from stages.language_id import language_scorer
from stages.project.filters.base import PairFilter, SentencePair

LANGUAGE_FROM: Final = 50
"""Characters; language identification is a guess below."""


class LanguageOptions(ConfigModel):
    """Options of ``language``."""

    min_language: float | None = Field(
        0.1, ge=0, le=1, description="least probability of the target language (py3langid)"
    )


class Filter(PairFilter[LanguageOptions]):
    """Language identification."""

    about: ClassVar[str] = (
        "probability of the target language, by the words that the source does not have (50 "
        "characters or more)"
    )
    Options: ClassVar[type[LanguageOptions]] = LanguageOptions
    reason: ClassVar[str] = "wrong_language"
    says: ClassVar[str] = "language identification says it is another language"

    @classmethod
    def score(cls, pair: SentencePair) -> float | None:
        """Return the probability; ``None`` of short texts and languages that py3langid lacks."""
        probability = _language_scorer(pair.lang)
        if probability is None:
            return None
        there = {w.casefold() for w in pair.source}
        text = " ".join(w for w in pair.target if w.casefold() not in there)
        return probability(text) if len(text) >= LANGUAGE_FROM else None

    def objects(self, score: float) -> bool:
        """Return whether the score is below the threshold."""
        least = self.options.min_language
        return least is not None and score < as_stored(least)


@cache
def _language_scorer(lang: str) -> Callable[[str], float] | None:
    return language_scorer(lang)
