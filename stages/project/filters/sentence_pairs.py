"""Sentence pairs for filters: one by one, or all at once as arrays of the codes of their words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from stages.project.words import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Side:
    """The words of one side of all pairs, end to end.

    Attributes:
        codes: ``(n_words,)``: places in :attr:`SentencePairs.words`.
        offsets: ``(n_pairs + 1,)``: where each pair begins.
        rows: ``(n_words,)``: the pair of each word.
    """

    codes: IntArray
    offsets: IntArray
    rows: IntArray

    @classmethod
    def of(cls, codes: IntArray, lengths: IntArray) -> Side:
        """Return the side of sentences of such lengths."""
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return cls(codes, offsets, np.repeat(np.arange(len(lengths)), lengths))

    def sums(self, values: npt.NDArray[Any]) -> FloatArray:
        """Return per pair the sum of a value per word."""
        n = len(self.offsets) - 1
        return np.bincount(self.rows, values, n).astype(np.float64)


@dataclass(frozen=True, slots=True)
class SentencePair:
    """What pair filters score.

    Attributes:
        source: Words of the source sentence; at least one.
        target: Words of its translation; at least one.
        spans: The entities of the source: ``start`` and ``end``.
        found: The source spans (by index) that have a span in the translation.
        lang: The target language.
        usual_ratio: The corpus' median of the length of target over source, if it is known.
    """

    source: Sequence[str]
    target: Sequence[str]
    spans: Sequence[Row]
    found: frozenset[int]
    lang: str
    usual_ratio: float | None = None


class SentencePairs(Sequence[SentencePair]):
    """Sentence pairs, from the columns of a table.

    Args:
        source: Words of the source sentences, a list column.
        target: Words of their translations.
        spans: The entities of each source.
        found: See :class:`SentencePair`.
        langs: The target language of each.
        usual_ratio: See :class:`SentencePair`.
    """

    def __init__(
        self,
        source: pa.ChunkedArray,
        target: pa.ChunkedArray,
        spans: Sequence[Sequence[Row]],
        found: Sequence[Iterable[int]],
        langs: Sequence[str],
        usual_ratio: float | None = None,
    ) -> None:
        self.words, (self.source, self.target) = _coded(source, target)
        self.spans, self.found, self.langs = spans, found, langs
        self.usual_ratio = usual_ratio

    @classmethod
    def of_table(
        cls, data: pa.Table, found: Sequence[Iterable[int]], usual_ratio: float | None = None
    ) -> SentencePairs:
        """Return the pairs of a table with the columns of ``projected`` that come before spans."""
        spans, langs = data.column("source_spans").to_pylist(), data.column("lang").to_pylist()
        source, target = data.column("source_words"), data.column("words")
        return cls(source, target, spans, found, langs, usual_ratio)

    @classmethod
    def of_rows(
        cls,
        rows: Sequence[Mapping[str, Any]],
        found: Sequence[Iterable[int]],
        usual_ratio: float | None = None,
    ) -> SentencePairs:
        """Return the pairs of rows with ``lang``, ``source_words``, ``source_spans``, ``words``."""
        import pyarrow as pa

        from pipeline.schema import WORDS

        source, target = (
            pa.chunked_array([pa.array([r[name] or [] for r in rows], WORDS)])
            for name in ("source_words", "words")
        )
        spans, langs = [r["source_spans"] or [] for r in rows], [r["lang"] for r in rows]
        return cls(source, target, spans, found, langs, usual_ratio)

    def __len__(self) -> int:
        return len(self.langs)

    @overload
    def __getitem__(self, k: int) -> SentencePair: ...
    @overload
    def __getitem__(self, k: slice) -> list[SentencePair]: ...
    def __getitem__(self, k: int | slice) -> SentencePair | list[SentencePair]:
        if isinstance(k, slice):
            return [self[i] for i in range(len(self))[k]]
        sources, targets = self._sentences
        return SentencePair(
            sources[k],
            targets[k],
            self.spans[k],
            frozenset(self.found[k]),
            self.langs[k],
            self.usual_ratio,
        )

    @cached_property
    def _sentences(self) -> tuple[list[list[str]], list[list[str]]]:
        return self._words_of(self.source), self._words_of(self.target)

    def _words_of(self, side: Side) -> list[list[str]]:
        words = list(map(self.words.__getitem__, side.codes.tolist()))
        return [words[first:last] for first, last in pairwise(side.offsets.tolist())]

    def where(self, holds: Callable[[str], bool]) -> BoolArray:
        """Return of which distinct words something holds."""
        return np.array([holds(word) for word in self.words], np.bool_)

    @cached_property
    def whole(self) -> BoolArray:
        """Which pairs have words on both sides: others are not scored."""
        both: BoolArray = (np.diff(self.source.offsets) > 0) & (np.diff(self.target.offsets) > 0)
        return both

    @cached_property
    def folded(self) -> IntArray:
        """A code per distinct word that is the same where only letter case differs."""
        codes: dict[str, int] = {}
        return np.array([codes.setdefault(w.casefold(), len(codes)) for w in self.words], np.int64)

    @cached_property
    def named(self) -> BoolArray:
        """Which source words belong to entities."""
        out = np.zeros(len(self.source.codes), np.bool_)
        for offset, spans in zip(self.source.offsets.tolist(), self.spans, strict=False):
            for span in spans:
                out[offset + span["start"] : offset + span["end"]] = True
        return out

    def in_pair(self, side: Side, codes: IntArray) -> IntArray:
        """Return a number per word, the same for the same code in the same pair only."""
        return side.rows * (len(self.words) + 1) + codes


def _coded(*columns: pa.ChunkedArray) -> tuple[list[str], list[Side]]:
    """Return the distinct words of list columns, and each column as a side."""
    import pyarrow as pa
    import pyarrow.compute as pc

    words = [column.combine_chunks().flatten() for column in columns]
    coded = pa.concat_arrays(words).dictionary_encode()
    codes = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    sides, first = [], 0
    for column, flat in zip(columns, words, strict=True):
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy().astype(np.int64)
        sides.append(Side.of(codes[first : first + len(flat)], lengths))
        first += len(flat)
    return coded.dictionary.to_pylist(), sides
