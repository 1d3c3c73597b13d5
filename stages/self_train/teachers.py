"""Teachers: one tagger or several, their word-level distributions averaged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.disk import whole_file
from pipeline.errors import ModelError
from pipeline.listed import batched
from pipeline.task import Advance, no_advance
from stages.external.loading import load_tagger
from stages.tagger.labels import LabelSet
from stages.tagger.word_tagger import WordTagger

_CHUNK = 500


class Teachers:
    """An ensemble of taggers with the same labels.

    Args:
        taggers: One or more; the columns are in the order of the first one's labels.

    Attributes:
        softening: The temperature under which their distributions give calibrated scores.

    Raises:
        ModelError: If their labels differ.
    """

    def __init__(self, taggers: Sequence[WordTagger]) -> None:
        self._taggers = list(taggers)
        names = self._taggers[0].labels
        for tagger in self._taggers[1:]:
            if set(tagger.labels) != set(names):
                raise ModelError(
                    f"the teachers have different labels: {names} and {tagger.labels}; set "
                    "labels.types so that all arms share one list"
                )
        self.label_set: LabelSet = self._taggers[0].label_set
        self.softening = float(np.exp(np.mean([np.log(t.as_teacher()) for t in self._taggers])))

    @classmethod
    def load(cls, folders: Sequence[Path], dtype: str = "auto") -> Teachers:
        """Load the taggers from their folders."""
        return cls([load_tagger(folder, dtype=dtype) for folder in folders])

    def distributions(
        self,
        sentences: Iterable[Sequence[str]],
        advance: Advance = no_advance,
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the mean distribution of the words of each sentence, (words, labels), streaming."""
        for chunk in batched(sentences, _CHUNK):
            answers = [self._aligned(tagger, chunk) for tagger in self._taggers]
            for several in zip(*answers, strict=True):
                yield several[0] if len(several) == 1 else np.mean(several, axis=0)
            advance(len(chunk))

    def _aligned(
        self, tagger: WordTagger, sentences: Sequence[Sequence[str]]
    ) -> list[NDArray[np.float32]]:
        order = [tagger.labels.index(name) for name in self.label_set.names]
        return [found[:, order] for found in tagger.distributions(sentences)]


class DistributionStore:
    """Word-level distributions of many sentences on disk, read back one by one.

    Args:
        path: The ``.npy`` file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self, distributions: Iterable[NDArray[np.float32]], labels: int) -> None:
        """Write the distributions, atomically; a file that is there is complete and left alone."""
        if self.path.exists():
            return
        rows = [np.zeros((0, labels), np.float32), *distributions]
        with whole_file(self.path) as file:
            np.save(file, np.concatenate(rows))

    def read(self, lengths: Iterable[int]) -> Iterator[NDArray[np.float32]]:
        """Yield the distributions of sentences with these numbers of words, in the same order."""
        stored = np.load(self.path, mmap_mode="r")
        at = 0
        for length in lengths:
            yield np.array(stored[at : at + length])
            at += length
