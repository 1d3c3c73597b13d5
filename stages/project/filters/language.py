"""``language``: translations in another language."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import ClassVar, Final

from pydantic import Field

from pipeline.config import ConfigModel
from pipeline.schema import as_stored
from stages.language_id import LanguageScorer, language_scorer
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
    reason: ClassVar[str] = "wrong_language"
    says: ClassVar[str] = "language identification says it is another language"

    @classmethod
    def score(cls, pair: SentencePair) -> float | None:
        """Return the probability; ``None`` of short texts and languages that py3langid lacks."""
        return cls.scores([pair])[0]

    @classmethod
    def scores(cls, pairs: Sequence[SentencePair]) -> list[float | None]:
        """Return the probabilities; see :meth:`score`."""
        found: list[float | None] = [None] * len(pairs)
        texts: dict[str, dict[int, str]] = defaultdict(dict)
        for k, pair in enumerate(pairs):
            text = _own_words(pair)
            if len(text) >= LANGUAGE_FROM:
                texts[pair.lang][k] = text
        for lang, of_lang in texts.items():
            scorer = _language_scorer(lang)
            if scorer is not None:
                for k, value in zip(of_lang, scorer.many(list(of_lang.values())), strict=True):
                    found[k] = value
        return found

    def objects(self, score: float) -> bool:
        """Return whether the score is below the threshold."""
        least = self.options.min_language
        return least is not None and score < as_stored(least)


def _own_words(pair: SentencePair) -> str:
    there = set(map(str.casefold, pair.source))
    return " ".join(w for w in pair.target if w.casefold() not in there)


@cache
def _language_scorer(lang: str) -> LanguageScorer | None:
    return language_scorer(lang)
