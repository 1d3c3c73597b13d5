"""What every translator gives: hypotheses, for texts of one direction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from pipeline.listed import texts_of
from pipeline.task import Advance, no_advance
from stages.translate.cleaning import QUOTES


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One translation of a text.

    Attributes:
        text: The translation; as far as it came where ``reason`` is ``too_long``.
        score: Mean log-probability per target token, the end included; ``None`` without one.
        reason: Why it is of no use: ``empty_source``, ``empty_translation``, ``too_long`` (the
            source is longer than the limit and was not to be split, or the translation had not
            ended at the limit), or ``translator_failed``; ``None`` if it is.
        tokens: Number of target tokens that the score is a mean over.
    """

    text: str
    score: float | None = None
    reason: str | None = None
    tokens: int = 0

    def with_text(self, text: str) -> Hypothesis:
        """The hypothesis with another text."""
        return replace(self, text=text)


class BaseTranslator(ABC):
    """A translator for one direction, loaded.

    Attributes:
        source: ISO code of the language that it reads.
        target: ISO code of the language that it writes.
        hypotheses: How many translations it gives of a text.
    """

    source: str
    target: str
    hypotheses: int = 1

    @property
    def seen(self) -> Counter[str]:
        """What it counted so far, for the manifest; nothing, as a rule."""
        return Counter()

    @property
    def knows_slots(self) -> bool:
        """Whether it has learnt to carry numbered slots (`translate.mend` with names)."""
        return False

    def unknown(self, text: str) -> list[str]:
        """Return what the model cannot read of a text; none where that cannot be told."""
        return []

    def unknown_words(self, text: str, source: str) -> int:
        """Return how many words of a translation are none; 0 where that cannot be told."""
        return 0

    @cached_property
    def unknown_quotes(self) -> frozenset[str]:
        """The quotation marks that the model does not know: it is given plain ones."""
        return frozenset(mark for mark in QUOTES if self.unknown(mark))

    def n_best(self, size: int, repetition_penalty: float | None = None) -> BaseTranslator | None:
        """Return the same model, searching for several translations; ``None`` if it cannot."""
        return None

    @abstractmethod
    def stream(self, texts: Iterable[str], seed: int = 0) -> Iterator[tuple[int, list[Hypothesis]]]:
        """Yield the number of each text with its hypotheses, as they come.

        The order is the same every time. See :meth:`translate`.
        """

    def translate(
        self,
        texts: Iterable[str],
        seed: int = 0,
        advance: Advance = no_advance,
    ) -> list[list[Hypothesis]]:
        """Translate texts.

        Args:
            texts: Sentences or longer texts, not tokenised.
            seed: Decides what is sampled; without effect on a search.
            advance: Called with numbers of finished texts.

        Returns:
            For each text its hypotheses, best first; at least one, which has a ``reason`` where
            there is no translation.
        """
        texts = texts_of(texts, "translate: the texts")
        results: list[list[Hypothesis]] = [[] for _ in texts]
        for index, hypotheses in self.stream(texts, seed):
            results[index] = hypotheses
            advance(1)
        return results
