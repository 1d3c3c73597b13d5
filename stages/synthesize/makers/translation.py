"""Sampled translation of source-language text."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from stages.synthesize.makers.base import Made, Maker, Request
from stages.translate.tokenise import detokenise, tokenise

if TYPE_CHECKING:
    from stages.translate.translator import Translator


class TranslationMaker(Maker):
    """Samples translations; every source sentence is used once before any is used again.

    Args:
        translator: A translator that samples (or gives n-best lists).
        chunk_size: Sentences per chunk.
    """

    name: ClassVar[str] = "translation"

    def __init__(self, translator: Translator, chunk_size: int = 4000) -> None:
        self._translator = translator
        self.chunk_size = chunk_size

    def make(
        self, request: Request, chunk: int, advance: Callable[[int], None] = lambda n: None
    ) -> list[Made]:
        """See :meth:`Maker.make`."""
        each = self._translator.config.num_hypotheses
        first = -(-chunk * self.chunk_size // each)
        wanted = self.size(request, chunk)
        order = list(range(len(request.source)))
        random.Random(request.seed).shuffle(order)
        if not order:
            return []
        # Past the last source sentence it begins again, with other samples: the seed has changed.
        chosen = [
            request.source[order[(first + i) % len(order)]] for i in range(-(-wanted // each))
        ]
        texts = [detokenise(s.words, request.source_lang) for s in chosen]
        results = self._translator.translate(
            texts, seed=request.chunk_seed(chunk), advance=lambda n: advance(n * each)
        )
        made = []
        for sentence, text, hypotheses in zip(chosen, texts, results, strict=True):
            for hypothesis in hypotheses:
                usable = hypothesis.reason is None
                words = tokenise(hypothesis.text, request.lang) if usable else []
                scores = {}
                if hypothesis.score is not None:
                    scores["translation"] = hypothesis.score
                if words:
                    scores["length_ratio"] = letters(hypothesis.text) / max(letters(text), 1)
                reason = hypothesis.reason or (None if words else "empty_translation")
                made.append(Made(words, sentence.id, scores=scores, reason=reason))
        return made[:wanted]


def letters(text: str) -> int:
    """Return the number of letters and digits of a text."""
    return sum(c.isalnum() for c in text)
