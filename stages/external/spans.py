"""From stretches of text, as other taggers find them, to labels of our words.

Words are ours: they are joined into natural text, the tagger reads that as it likes, and what it
finds is carried back by character offsets. Where a stretch begins or ends within a word, the whole
word is taken; such are counted, and so are stretches that hold no word or overlap a surer one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.formats.words import joined as spaced
from pipeline.formats.words import locate_words
from pipeline.listed import batched
from pipeline.schema import Span
from pipeline.task import Advance
from stages.tagger.labels import LabelSet
from stages.tokenise import detokenise

Ranges = list[tuple[int, int]]
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class FoundSpan:
    """What a tagger found.

    Attributes:
        start: First character.
        end: End, exclusive.
        label: The type, as the tagger calls it.
        score: Its probability; ``None`` where the tagger has none.
    """

    start: int
    end: int
    label: str
    score: float | None = None


def joined(words: Sequence[str], lang: str, natural: bool = True) -> tuple[str, Ranges]:
    """Return words as a text, and where each of them stands in it.

    Args:
        words: The words of a sentence.
        lang: Its language, for the joints between words.
        natural: As people write; else, and where a word cannot be found again in that, with a space
            between every two.
    """
    if natural:
        text = detokenise(words, lang)
        if (ranges := locate_words(text, words)) is not None:
            return text, ranges
    return spaced(words)


def to_words(found: Iterable[FoundSpan], ranges: Ranges, counts: Counter[str]) -> list[Span]:
    """Carry what was found over to words; of what overlaps, the surest stays, then the longest.

    Args:
        found: Stretches of the text.
        ranges: Where the words stand in it.
        counts: Gets ``spans_widened``, ``spans_without_words``, ``spans_overlapping``.
    """
    spans: list[Span] = []
    for each in sorted(
        found,
        key=lambda f: (-1.0 if f.score is None else -f.score, f.start - f.end, f.start, f.label),
    ):
        inside = [i for i, (a, b) in enumerate(ranges) if a < each.end and each.start < b]
        if not inside or each.start >= each.end:
            counts["spans_without_words"] += 1
            continue
        first, last = inside[0], inside[-1]
        if any(s.start <= last and first < s.end for s in spans):
            counts["spans_overlapping"] += 1
            continue
        if (each.start, each.end) != (ranges[first][0], ranges[last][1]):
            counts["spans_widened"] += 1
        spans.append(Span(first, last + 1, each.label, each.score))
    return sorted(spans, key=lambda s: s.start)


def as_distribution(spans: Iterable[Span], length: int, labels: LabelSet) -> NDArray[np.float32]:
    """Return word-level distributions that decode into these spans, with their scores.

    The label of a span's word has the span's score (1 where it has none), and ``O`` what is left;
    where that would be more, ``O`` stays just below and the others share the rest. A score that no
    distribution over so many labels can have at its top is raised to the least that one can.
    """
    size = len(labels)
    probs = np.zeros((length, size), np.float32)
    probs[:, labels.outside] = 1.0
    for span in spans:
        least = 1.02 / size
        top = min(1.0, max(least, 1.0 if span.score is None else span.score))
        outside = min(1.0 - top, 0.999 * top)
        shared = (1.0 - top - outside) / max(1, size - 2)
        ids = labels.encode([span], length)[span.start : span.end]
        rows = np.arange(span.start, span.end)
        probs[rows] = shared
        probs[rows, labels.outside] = outside
        probs[rows, ids] = top
    return probs


class SpanTagger:
    """A tagger of text as one of words.

    Args:
        find: Returns what is found in each text; every text has something in it.
        types: The entity types, as the tagger calls them.
        lang: The language, for joining words.
        natural: Join words as people write, or with a space between every two.
    """

    def __init__(
        self,
        find: Callable[[Sequence[str]], Iterable[list[FoundSpan]]],
        types: Iterable[str],
        lang: str,
        natural: bool = True,
    ) -> None:
        self._find = find
        self._lang = lang
        self._natural = natural
        self.types = list(types)
        self.seen: Counter[str] = Counter()
        self._labels = LabelSet.of_types(self.types)

    def distributions(
        self, sentences: Sequence[Sequence[str]], advance: Advance
    ) -> list[NDArray[np.float32]]:
        """Return (words, 1 + 2 · types) for each sentence."""
        result: list[NDArray[np.float32]] = []
        for chunk in batched(sentences, _CHUNK):
            texts, ranges = zip(
                *(joined(words, self._lang, self._natural) for words in chunk), strict=True
            )
            filled = [text for text in texts if text.strip()]
            answers = iter(self._find(filled) if filled else ())
            for words, where, text in zip(chunk, ranges, texts, strict=True):
                found = next(answers) if text.strip() else []
                known = [f for f in found if f.label in self.types]
                self.seen["spans_of_other_labels"] += len(found) - len(known)
                spans = to_words(known, where, self.seen)
                self.seen["words"] += len(words)
                result.append(as_distribution(spans, len(words), self._labels))
            advance(len(chunk))
        return result
