"""``language``: translations in another language."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar, Final

import numpy as np
from pydantic import Field

from pipeline.config import ConfigModel
from pipeline.schema import as_stored
from stages.language_id import language_scorer
from stages.project.filters.base import PairFilter
from stages.project.filters.sentence_pairs import SentencePairs
from stages.project.words import FloatArray

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
    def scores(cls, pairs: SentencePairs) -> FloatArray:
        """Return the probabilities; none of short texts and languages that py3langid lacks."""
        found = np.full(len(pairs), np.nan)
        texts: dict[str, dict[int, str]] = defaultdict(dict)
        for k, text in enumerate(_own_words(pairs)):
            if len(text) >= LANGUAGE_FROM:
                texts[pairs.langs[k]][k] = text
        for lang, of_lang in texts.items():
            scorer = language_scorer(lang)
            if scorer is not None:
                found[list(of_lang)] = scorer.many(list(of_lang.values()))
        return found

    def objects(self, score: float) -> bool:
        """Return whether the score is below the threshold."""
        least = self.options.min_language
        return least is not None and score < as_stored(least)


def _own_words(pairs: SentencePairs) -> Iterator[str]:
    """Yield the words of each translation that its source does not have."""
    source, target = (pairs.vocabulary.cases[side.codes] for side in (pairs.source, pairs.target))
    shared = np.flatnonzero(pairs.among(source)[target])
    same = np.flatnonzero(pairs.among(target[shared])[source])
    theirs = pairs.in_pair(pairs.target.rows[shared], target[shared])
    others = np.isin(theirs, pairs.in_pair(pairs.source.rows[same], source[same]))
    own = np.delete(np.arange(len(target)), shared[others])
    words = list(map(pairs.vocabulary.words.__getitem__, pairs.target.codes[own].tolist()))
    offsets = np.searchsorted(own, pairs.target.offsets).tolist()
    for first, last in pairwise(offsets):
        yield " ".join(words[first:last])
