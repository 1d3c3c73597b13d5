"""What every tagger offers, whatever is inside: words or raw text in, entities out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.listed import listed, sentences_of
from pipeline.schema import Span
from pipeline.task import Advance, no_advance
from stages.tagger.labels import LabelSet


@dataclass(frozen=True, slots=True)
class Entity(Span):
    """A span of words with its text, and its place in the raw string where one was given.

    Attributes:
        text: The words joined by spaces, or the stretch of the raw string.
        chars: ``(start, end)``, half-open, in characters of the raw string.
    """

    text: str = ""
    chars: tuple[int, int] | None = None


class WordTagger(ABC):
    """A tagger: distributions over IOB2 labels for words, decoded into entities.

    Attributes:
        label_set: Its labels.
        constrained: Decode into the most probable valid IOB2 sequence.
        seen: What was counted so far: ``words``, and what did not fit.
    """

    label_set: LabelSet
    constrained: bool = True
    seen: Counter[str]

    @property
    def labels(self) -> list[str]:
        """The labels, in the order of the distributions' columns."""
        return self.label_set.names

    def as_teacher(self) -> float:
        """Answer with distributions to learn from; return by what temperature scores are softer.

        Scores are calibrated for languages that the tagger was not trained on. A student that
        learnt from distributions as soft as that would be calibrated for them twice.
        """
        return 1.0

    @abstractmethod
    def flat(
        self, sentences: Sequence[Sequence[str]], advance: Advance = no_advance
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return (words, labels) of all sentences, and (sentences + 1) where each one starts."""

    def distributions(
        self, sentences: Iterable[Iterable[str]], advance: Advance = no_advance
    ) -> list[NDArray[np.float32]]:
        """Return the label distribution of every word: one (words, labels) array per sentence.

        Args:
            sentences: Lists of words; an empty one gives an array of shape (0, labels).
            advance: Called with the number of windows done (one per sentence, as a rule).
        """
        words = sentences_of(sentences, "distributions")
        probs, starts = self.flat(words, advance)
        return [probs[a:b] for a, b in pairwise(starts.tolist())]

    def decode(self, distributions: Iterable[NDArray[np.float32]]) -> list[list[Span]]:
        """Decode word-level distributions into spans."""
        given = listed(distributions, "decode: the distributions")
        return self.label_set.decode_each(given, constrained=self.constrained)

    def predict(
        self, sentences: Iterable[str] | Iterable[Iterable[str]], *, lang: str = "en"
    ) -> list[list[Entity]]:
        """Find the entities of sentences.

        Args:
            sentences: Raw strings (the lines of a file, say), or lists of words.
            lang: ISO 639 code of raw strings, for splitting them into words.

        Returns:
            The entities of each sentence, in order; with character offsets for raw strings.

        Raises:
            ConfigError: If raw strings are of a language that there is not.
            DataError: If one string is given instead of a list, or strings and lists are mixed.
        """
        given = listed(sentences, "predict: the sentences")
        raw = [isinstance(s, str) for s in given]
        if any(raw) and not all(raw):
            raise DataError(
                f"predict takes raw strings or lists of words, not both at once: sentence "
                f"{raw.index(not raw[0])} is {'no string' if raw[0] else 'a string'}"
            )
        if any(raw):
            return self._predict_texts([str(text) for text in given], lang)
        words = sentences_of(given, "predict")
        return [
            [
                Entity(s.start, s.end, s.type, s.score, " ".join(sentence[s.start : s.end]))
                for s in found
            ]
            for sentence, found in zip(words, self._spans(words), strict=True)
        ]

    def _predict_texts(self, texts: Sequence[str], lang: str) -> list[list[Entity]]:
        word_ranges = word_splitter(lang)
        ranges = [word_ranges(text) for text in texts]
        words = [[text[a:b] for a, b in r] for text, r in zip(texts, ranges, strict=True)]
        return [
            [_with_characters(s, text, where) for s in found]
            for text, where, found in zip(texts, ranges, self._spans(words), strict=True)
        ]

    def _spans(self, words: Sequence[Sequence[str]]) -> list[list[Span]]:
        probs, starts = self.flat(words)
        return self.label_set.decode(probs, starts, constrained=self.constrained)


def word_splitter(lang: str) -> Callable[[str], Sequence[tuple[int, int]]]:
    """Return a function that gives the character ranges of the words of a text.

    The words are those of :func:`stages.tokenise.tokenise`, as in translated training
    data.
    """
    from pipeline.formats import offsets_by
    from stages.tokenise import tokenise

    return offsets_by(partial(tokenise, lang=lang))


def _with_characters(span: Span, text: str, words: Sequence[tuple[int, int]]) -> Entity:
    start, end = words[span.start][0], words[span.end - 1][1]
    return Entity(span.start, span.end, span.type, span.score, text[start:end], (start, end))
