"""Words to the subwords of a model, and windows for sentences that the model cannot take whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.formats.encoding import without_halves
from pipeline.formats.words import composed
from stages.tagger.encoding import special_subwords

Cut = Callable[[list[str]], list[list[int]]]
"""Gives the subword ids of each word, without special tokens."""

_CACHED_WORDS: Final = 500_000
# Windows overlap by this share of the limit; each subword is read from the window where it is
# further from the edge.
_OVERLAP: Final = 0.5


@dataclass(frozen=True, slots=True)
class Specials:
    """The special tokens that a model wants around the subwords of a sentence."""

    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SentenceSubwords:
    """A sentence in subwords.

    Attributes:
        ids: Vocabulary ids, without special tokens.
        words: Index of the word that each subword belongs to, ascending. A word without subwords
            (zero-width characters only, say) does not occur: no other word moves.
        marks: Which subwords stand for a space alone, in words that have others as well.
    """

    ids: list[int]
    words: npt.NDArray[np.intp]
    marks: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of subwords."""
        return len(self.ids)


class SubwordCutter:
    """Cuts sentences into subwords word by word, each distinct word once.

    Word by word is what a tokenizer does with text that is split into words already, so nothing is
    lost, and the words of a corpus repeat.

    Args:
        cut: The tokenizer.
        marks: Subwords that stand for a space alone (SentencePiece's ``▁``): cut word by word, a
            word whose first subword holds no space begins with one, a comma for example.
    """

    def __init__(self, cut: Cut, marks: Sequence[int] = ()) -> None:
        self._cut = cut
        self._marks = list(marks)
        self._known: dict[str, list[int]] = {}

    def __call__(self, sentences: Sequence[Sequence[str]]) -> list[SentenceSubwords]:
        """Return the subwords of each sentence."""
        new = list(dict.fromkeys(w for s in sentences for w in s if w not in self._known))
        if len(self._known) + len(new) > _CACHED_WORDS:
            self._known = {}
            new = list(dict.fromkeys(w for s in sentences for w in s))
        if new:
            cut = self._cut([without_halves(composed(w)) for w in new])
            self._known.update(zip(new, cut, strict=True))
        return [self._subwords(s) for s in sentences]

    def _subwords(self, words: Sequence[str]) -> SentenceSubwords:
        cut = [self._known[w] for w in words]
        owners = np.repeat(np.arange(len(cut)), [len(c) for c in cut])
        ids = list(chain.from_iterable(cut))
        several = np.repeat([len(c) > 1 for c in cut], [len(c) for c in cut]).astype(bool)
        return SentenceSubwords(ids, owners, np.isin(ids, self._marks) & several)


def transformers_cut(tokenizer: Any) -> Cut:
    """Return the cutting function of a tokenizer of transformers."""
    if tokenizer.is_fast:

        def cut(words: list[str]) -> list[list[int]]:
            batch = tokenizer(
                [[w] for w in words],
                is_split_into_words=True,
                add_special_tokens=False,
                truncation=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,
            )
            ids: list[list[int]] = batch["input_ids"]
            return ids

        return cut

    def cut_slowly(words: list[str]) -> list[list[int]]:
        return [tokenizer.convert_tokens_to_ids(tokenizer.tokenize(w)) for w in words]

    return cut_slowly


def space_marks(tokenizer: Any) -> list[int]:
    """Return the subwords of a tokenizer of transformers that stand for a space alone."""
    vocabulary = tokenizer.get_vocab()
    return [vocabulary[mark] for mark in ("▁", "Ġ") if mark in vocabulary]


def transformers_specials(tokenizer: Any) -> Specials:
    """Return the special tokens that a tokenizer of transformers puts around one sentence."""
    before, after = special_subwords(tokenizer)
    return Specials(tuple(before), tuple(after))


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a sentence that the model takes in one go.

    Attributes:
        sentence: Index of the sentence.
        start: First subword that the model sees.
        end: One after the last subword that it sees.
        first: First subword whose embedding is taken from this window.
        last: One after the last such subword.
    """

    sentence: int
    start: int
    end: int
    first: int
    last: int


def windows(lengths: Sequence[int], limit: int) -> Iterator[Window]:
    """Cut sentences of the given lengths into overlapping windows of at most ``limit`` subwords.

    Every subword is taken from exactly one window. A sentence without subwords has no window.
    """
    overlap = int(limit * _OVERLAP)
    for index, length in enumerate(lengths):
        if length <= limit:
            if length:
                yield Window(index, 0, length, 0, length)
            continue
        step = limit - overlap
        starts = [*range(0, length - limit, step), length - limit]
        borders = [0]
        borders += [(b + a + limit) // 2 for a, b in pairwise(starts)]
        borders.append(length)
        for start, first, last in zip(starts, borders, borders[1:], strict=False):
            yield Window(index, start, start + limit, first, last)
