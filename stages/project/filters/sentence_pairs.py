"""Sentence pairs for filters: one by one, or all at once as arrays of the codes of their words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from stages.project.words import BoolArray, CodedWords, IntArray, Vocabulary
from stages.ranges import ranges

if TYPE_CHECKING:
    from stages.project.batch import Batch

Row = Mapping[str, Any]


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


@dataclass(frozen=True, slots=True)
class Names:
    """The entities of the sources, those of a pair side by side, in the order of their spans.

    Attributes:
        rows: The pair of each, ascending.
        start: Flat source position of its first word.
        end: Flat source position after its last word.
        found: Whether it has a span in the translation.
    """

    rows: IntArray
    start: IntArray
    end: IntArray
    found: BoolArray


@dataclass(slots=True, eq=False)
class SentencePairs(Sequence[SentencePair]):
    """Sentence pairs.

    Attributes:
        vocabulary: What the codes of words stand for.
        source: Words of the source sentences.
        target: Words of their translations.
        names: The entities of the sources.
        langs: The target language of each pair.
        usual_ratio: See :class:`SentencePair`.
    """

    vocabulary: Vocabulary
    source: CodedWords
    target: CodedWords
    names: Names
    langs: Sequence[str]
    usual_ratio: float | None = None

    @classmethod
    def of_batch(
        cls,
        batch: Batch,
        found: IntArray,
        langs: Sequence[str],
        usual_ratio: float | None = None,
    ) -> SentencePairs:
        """Return the pairs of a batch; ``found`` are the entities that have been projected."""
        there = np.zeros(batch.n_entities, np.bool_)
        there[found] = True
        order = np.lexsort((batch.entity_index, batch.entity_row))
        names = Names(
            batch.entity_row[order],
            batch.entity_start[order],
            batch.entity_end[order],
            there[order],
        )
        source, target = batch.source, batch.target_tokens
        return cls(batch.vocabulary, source, target, names, langs, usual_ratio)

    @classmethod
    def of_rows(
        cls,
        rows: Sequence[Mapping[str, Any]],
        found: Sequence[Iterable[int]],
        usual_ratio: float | None = None,
    ) -> SentencePairs:
        """Return the pairs of rows with ``lang``, ``source_words``, ``source_spans``, ``words``."""
        vocabulary = Vocabulary()
        source, target = (
            CodedWords.of_sentences([row[side] or [] for row in rows], vocabulary)
            for side in ("source_words", "words")
        )
        spans = [
            (k, span["start"], span["end"], index in mine)
            for k, (row, mine) in enumerate(zip(rows, map(set, found), strict=True))
            for index, span in enumerate(row["source_spans"] or [])
        ]
        of_pair, start, end, there = np.array(spans, np.int64).reshape(-1, 4).T
        first = source.offsets[of_pair]
        names = Names(of_pair, start + first, end + first, there.astype(np.bool_))
        return cls(vocabulary, source, target, names, [r["lang"] for r in rows], usual_ratio)

    def __len__(self) -> int:
        return len(self.langs)

    @overload
    def __getitem__(self, k: int) -> SentencePair: ...
    @overload
    def __getitem__(self, k: slice) -> list[SentencePair]: ...
    def __getitem__(self, k: int | slice) -> SentencePair | list[SentencePair]:
        if isinstance(k, slice):
            return [self[i] for i in range(len(self))[k]]
        names, first = self.names, self.source.offsets[k]
        mine = slice(*np.searchsorted(names.rows, [k, k + 1]).tolist())
        edges = zip(*((x[mine] - first).tolist() for x in (names.start, names.end)), strict=True)
        return SentencePair(
            self.source.words(k, self.vocabulary.words),
            self.target.words(k, self.vocabulary.words),
            [{"start": start, "end": end} for start, end in edges],
            frozenset(np.flatnonzero(names.found[mine]).tolist()),
            self.langs[k],
            self.usual_ratio,
        )

    @property
    def whole(self) -> BoolArray:
        """Which pairs have words on both sides: others are not scored."""
        both: BoolArray = (self.source.lengths > 0) & (self.target.lengths > 0)
        return both

    def where(self, side: CodedWords, holds: Callable[[str], bool]) -> BoolArray:
        """Return of which words of a side something holds: see :meth:`Vocabulary.where`."""
        return self.vocabulary.where(holds)[side.codes]

    @property
    def named(self) -> BoolArray:
        """Which source words belong to entities."""
        out = np.zeros(len(self.source.codes), np.bool_)
        out[ranges(self.names.start, self.names.end - self.names.start)] = True
        return out

    def in_pair(self, rows: IntArray, codes: IntArray) -> IntArray:
        """Return a number per word, the same for the same code in the same pair only."""
        return rows * len(self.vocabulary) + codes

    def pair_of(self, numbers: IntArray) -> IntArray:
        """Return the pair of each of the numbers of :meth:`in_pair`."""
        return numbers // max(1, len(self.vocabulary))

    def among(self, codes: IntArray) -> BoolArray:
        """Return per code whether it is one of these: most words are not worth a closer look."""
        out = np.zeros(len(self.vocabulary), np.bool_)
        out[codes] = True
        return out

    def said(self, side: CodedWords) -> IntArray:
        """Return how often each entity stands on a side of its pair, letter for letter."""
        names, theirs = self.names, self.source.codes
        first = theirs[names.start]
        place = np.flatnonzero(self.among(first)[side.codes])
        keys = self.in_pair(side.rows[place], side.codes[place])
        order = np.argsort(keys, kind="stable")
        wanted = self.in_pair(names.rows, first)
        lowest = np.searchsorted(keys[order], wanted)
        times = np.searchsorted(keys[order], wanted, side="right") - lowest
        name, at = np.repeat(np.arange(len(first)), times), place[order[ranges(lowest, times)]]
        for step in range(1, int((names.end - names.start).max(initial=0))):
            longer = names.start[name] + step < names.end[name]
            room = at + step < side.offsets[names.rows[name] + 1]
            same = ~longer
            both = np.flatnonzero(longer & room)
            same[both] = side.codes[at[both] + step] == theirs[names.start[name[both]] + step]
            name, at = name[same], at[same]
        return np.bincount(name, minlength=len(first))
