"""The texts of the kit: windows for training and scoring, and gold spans."""

from __future__ import annotations

import io
import lzma
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.tagger.labels import LabelSet
from stages.train.data import IGNORED

CLS, PAD, SEP = 0, 1, 2
TYPES = ("LOC", "ORG", "PER")
LABELS = LabelSet.of_types(TYPES)
Ints = NDArray[np.int64]


@dataclass(slots=True)
class TextSet:
    """One set of sentences.

    Attributes:
        ids: (subwords) without special ones.
        words: (words + 1) where the subwords of each word start.
        sentences: (sentences + 1) where the words of each sentence start.
        labels: (words) label numbers.
        windows: (windows, 4) first and end word, first and end word of its own.
    """

    ids: Ints
    words: Ints
    sentences: Ints
    labels: Ints
    windows: Ints

    @property
    def starts(self) -> Ints:
        """(windows) where each one's subwords start."""
        return self.words[self.windows[:, 0]]

    @property
    def lengths(self) -> Ints:
        """(windows) subwords with the two special ones."""
        return self.words[self.windows[:, 1]] - self.starts + 2

    def flat(self) -> tuple[Ints, Ints]:
        """Return subwords and labels of all windows, one after the other.

        A word's label is on its first subword, in the window whose own the word is.
        """
        counts = np.diff(self.words)
        marks = np.full(len(self.ids), IGNORED, np.int64)
        marks[self.words[:-1][counts > 0]] = self.labels[counts > 0]
        owner = np.repeat(np.arange(len(counts)), counts)
        lengths = self.lengths - 2
        ends = np.cumsum(lengths)
        index = np.arange(int(lengths.sum())) + np.repeat(self.starts - (ends - lengths), lengths)
        labels, owner = marks[index], owner[index]
        own, own_end = (np.repeat(self.windows[:, k], lengths) for k in (2, 3))
        labels[(owner < own) | (owner >= own_end)] = IGNORED
        return self.ids[index], labels

    def head(self, sentences: int | None) -> TextSet:
        """Return the first sentences only."""
        if sentences is None or sentences >= len(self.sentences) - 1:
            return self
        last = self.sentences[sentences]
        return TextSet(
            self.ids[: self.words[last]],
            self.words[: last + 1],
            self.sentences[: sentences + 1],
            self.labels[:last],
            self.windows[self.windows[:, 1] <= last],
        )


def read_sets(file: Path) -> dict[str, TextSet]:
    """Read ``texts.npz.xz``."""
    arrays: dict[str, dict[str, np.ndarray]] = {}
    with np.load(io.BytesIO(lzma.decompress(file.read_bytes()))) as stored:
        for key in stored.files:
            name, _, part = key.partition("|")
            arrays.setdefault(name, {})[part] = stored[key]
    sets: dict[str, TextSet] = {}
    for name, parts in arrays.items():
        text = arrays[str(parts["as"])] if "as" in parts else parts
        words, sentences = _offsets(text["words"]), _offsets(text["sentences"])
        sets[name] = TextSet(
            text["ids"].astype(np.int64),
            words,
            sentences,
            parts["labels"].astype(np.int64),
            _windows(sentences, text["windows"].astype(np.int64)),
        )
    return sets


def _offsets(counts: np.ndarray) -> Ints:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def _windows(sentences: Ints, long: Ints) -> Ints:
    """Return a window per sentence, and those of ``long`` for the sentences that they cut up."""
    first, end = sentences[:-1], sentences[1:]
    whole = np.stack([first, end, first, end], 1)
    broken = np.searchsorted(sentences, long[:, 0], side="right") - 1
    rows = np.concatenate([np.delete(whole, np.unique(broken), 0), long])
    return rows[np.argsort(rows[:, 0], kind="stable")]


@dataclass(slots=True)
class Pool:
    """The training windows of several sets in flat arrays.

    Attributes:
        ids: Subwords of all windows, one after the other.
        labels: The label of each, or ``IGNORED``.
        starts: By set: (windows) where each one starts.
        lengths: By set: (windows) subwords without the special ones.
    """

    ids: Ints
    labels: NDArray[np.int64]
    starts: dict[str, Ints]
    lengths: dict[str, Ints]

    @classmethod
    def of(cls, sets: dict[str, TextSet], names: list[str]) -> Pool:
        """Gather sets."""
        ids, labels = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        starts: dict[str, Ints] = {}
        lengths: dict[str, Ints] = {}
        at = 0
        for name in names:
            text = sets[name]
            lengths[name] = text.lengths - 2
            starts[name] = at + np.cumsum(lengths[name]) - lengths[name]
            these, marks = text.flat()
            ids.append(these)
            labels.append(marks)
            at += int(lengths[name].sum())
        return cls(np.concatenate(ids), np.concatenate(labels), starts, lengths)

    def windows(self, names: tuple[str, ...]) -> tuple[Ints, Ints]:
        """Return starts and lengths of the windows of some sets, one after the other."""
        return (
            np.concatenate([self.starts[n] for n in names]),
            np.concatenate([self.lengths[n] for n in names]),
        )
