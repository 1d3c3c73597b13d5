"""Round-trip similarity: does a sentence, translated back, say what it was made from?

A sampled translation is translated to the source language and compared with its source. Text from
elsewhere has no source: it is translated there and back, and compared with itself. The second
journey adds noise of its own, so that a threshold for one is not one for the other; scores are
stored, and the decision can be made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stages.synthesize.makers.base import Made
from stages.tokenise import detokenise
from stages.translate.base import BaseTranslator
from stages.translate.cleaning import clean_words

TRANSLATED = "translation"
"""The maker whose sentences have a source text to come back to."""


class RoundTrip:
    """Scores sentences by translating them back.

    Args:
        lang: Language of the sentences.
        back: Builds the translator to the source language.
        forth: Builds the translator from the source language.
        sources: Text by id, of what was translated.
    """

    def __init__(
        self,
        lang: str,
        back: Callable[[], BaseTranslator],
        forth: Callable[[], BaseTranslator],
        sources: Mapping[str, str],
    ) -> None:
        self._lang = lang
        self._build_back, self._build_forth = back, forth
        self._sources = sources
        self._back: BaseTranslator | None = None
        self._forth: BaseTranslator | None = None

    def similarities(self, sentences: Sequence[Made], maker: str) -> list[float]:
        """Return how alike each sentence and its round trip are, in [0, 1].

        What could not be translated has come back as nothing: 0.
        """
        if not sentences:
            return []
        self._back = self._back or self._build_back()
        texts = [detokenise(clean_words(s.words), self._lang) for s in sentences]
        came = _best(self._back, texts)
        if maker == TRANSLATED:
            expected = [self._sources.get(s.source_id or "", "") for s in sentences]
        else:
            self._forth = self._forth or self._build_forth()
            expected, came = texts, _best(self._forth, came)
        return [similarity(a, b) for a, b in zip(expected, came, strict=True)]


def similarity(first: str, second: str) -> float:
    """Return how alike two texts are, in [0, 1], whatever the order of their words and the case."""
    from rapidfuzz import fuzz, utils

    if not first or not second:
        return 0.0
    ratio: float = fuzz.token_sort_ratio(first, second, processor=utils.default_process)
    return ratio / 100


def _best(translator: BaseTranslator, texts: Sequence[str]) -> list[str]:
    found = translator.translate(list(texts))
    return [h[0].text if h[0].reason is None else "" for h in found]
