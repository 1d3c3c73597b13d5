"""Alignment from contextual embeddings: SimAlign's methods and awesome-align's softmax, batched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from pipeline.schema import Link
from pipeline.task import Advance
from stages.align import matching
from stages.align.embeddings import Embed, Embedded
from stages.align.subwords import SentenceSubwords, Specials, SubwordCutter
from stages.ranges import offsets
from stages.word_alignment.aligner import ASSERTED, Aligner, WordPair
from stages.word_alignment.pair_source import PairSource, sample

ExtractionMethod = Literal[
    "inter", "itermax", "match", "forward", "reverse", "softmax", "posterior"
]
TokenType = Literal["bpe", "word"]

Means = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
"""Mean states ``(width,)`` of the source and the target language."""

# A chunk of pairs is embedded at once: at most about this many subwords (100 MB at width 768).
_CHUNK_SUBWORDS: Final = 32_768
_CHUNK_PAIRS: Final = 4_096
_MEANS: Final = "means.npz"
# Pairs of words that means are taken over: some 500 sentence pairs of 20 words.
_MEAN_CELLS: Final = 200_000
# With few states the mean is that of their content as well, and less of it is taken off.
_MEAN_STRENGTH: Final = 100.0
# Similarity matrices are filled and matched in batches of at most this many cells.
_BATCH_CELLS: Final = 262_144


@dataclass(frozen=True, slots=True)
class Extraction:
    """How links are read off the similarity of embeddings.

    Attributes:
        method: The matching method; ``posterior`` takes the mean of both directions' softmax over
            cosines for a link's probability, and links from 0.5 on.
        token_type: ``bpe`` matches subwords, and words are linked if any of their subwords are;
            ``word`` matches words, each the mean of its subwords.
        distortion: SimAlign's damping of links far from the diagonal; 0 for none.
        threshold: ``softmax`` only: the least probability in both directions.
        marks: Whether subwords that stand for a space alone are matched, as simalign does.
        centre: What is taken off the states of either side: ``(width,)`` each; ``None`` for none.
        temperature: What cosine similarities are divided by to make probabilities (the softmax of
            awesome-align takes dot products as they are).
        floor: The least probability of a link that was considered but not chosen; ``ASSERTED``
            for none of those.
    """

    method: ExtractionMethod = "inter"
    token_type: TokenType = "bpe"
    distortion: float = 0.0
    threshold: float = 0.001
    marks: bool = True
    centre: Means | None = None
    temperature: float = 0.05
    floor: float = ASSERTED


class EmbeddingAligner(Aligner):
    """Aligns by the similarity of contextual embeddings.

    In float32 the links of ``inter``, ``itermax``, ``match``, ``forward`` and ``reverse`` are those
    of simalign 0.4 (Jalili Sabet et al. 2020); ``softmax`` follows awesome-align (Dou and Neubig
    2021).

    The probability of a link is ``(1 + p) / 2``, where ``p`` is the mean (for ``softmax`` the
    harmonic mean) of the two directions' softmax, at its largest over the subwords of both words.

    Args:
        name: For the ``aligner`` column.
        embed: Makes the embeddings.
        source: Subwords and special tokens of the source side.
        target: The same for the target side.
        extraction: How links are read off.
    """

    def __init__(
        self,
        name: str,
        embed: Embed,
        source: tuple[SubwordCutter, Specials],
        target: tuple[SubwordCutter, Specials],
        extraction: Extraction,
    ) -> None:
        self.name = name
        self._embed = embed
        self._sides = (source, target)
        self._how = extraction

    def _align(self, pairs: Sequence[WordPair], advance: Advance) -> list[list[Link]]:
        """Align sentence pairs (see :meth:`Aligner.align`)."""
        links: list[list[Link]] = []
        for chunk in self._chunks(pairs):
            links.extend(self._align_chunk(chunk))
            advance(len(chunk))
        return links

    def learn_means(self, own: PairSource, extra: PairSource, folder: Path) -> None:
        """Write the mean states of both languages over a sample of the pairs.

        They are what an encoder says of the language rather than of the word: states of one
        language lie around a point of their own (Libovický et al. 2020); with it taken off, words
        of two languages are compared by what is left.

        Args:
            own: The pairs that will be aligned.
            extra: Further pairs.
            folder: Where to write, for :func:`read_means`.
        """
        by_word = self._how.token_type == "word"
        totals: list[Any] = [0.0, 0.0]
        counts = [0, 0]
        for chunk in self._chunks(sample(own, extra, _MEAN_CELLS).pairs):
            for side, (_, specials) in enumerate(self._sides):
                sentences = [(pair[side], specials) for pair in chunk]
                vectors = _Vectors(self._embed(sentences), replace(self._how, method="softmax"))
                for index, (subwords, _) in enumerate(sentences):
                    if len(_units(subwords, by_word, self._how.marks)):
                        found = vectors.of(index, subwords, side)
                        totals[side] = totals[side] + found.sum(axis=0, dtype=np.float64)
                        counts[side] += len(found)
        source, target = (
            np.asarray(total / max(n, 1), np.float32) * np.float32(n / (n + _MEAN_STRENGTH))
            for total, n in zip(totals, counts, strict=True)
        )
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / _MEANS, source=source, target=target)

    def _chunks(
        self, pairs: Sequence[WordPair]
    ) -> Iterator[list[tuple[SentenceSubwords, SentenceSubwords]]]:
        for start in range(0, len(pairs), _CHUNK_PAIRS):
            part = pairs[start : start + _CHUNK_PAIRS]
            sources = self._sides[0][0]([p[0] for p in part])
            targets = self._sides[1][0]([p[1] for p in part])
            chunk: list[tuple[SentenceSubwords, SentenceSubwords]] = []
            size = 0
            for source, target in zip(sources, targets, strict=True):
                if chunk and size + len(source) + len(target) > _CHUNK_SUBWORDS:
                    yield chunk
                    chunk, size = [], 0
                chunk.append((source, target))
                size += len(source) + len(target)
            yield chunk

    def _align_chunk(
        self, chunk: Sequence[tuple[SentenceSubwords, SentenceSubwords]]
    ) -> list[list[Link]]:
        links: list[list[Link]] = [[] for _ in chunk]
        distinct: dict[tuple[Specials, tuple[int, ...]], int] = {}
        sentences: list[tuple[SentenceSubwords, Specials]] = []
        places: list[tuple[int, int]] = []
        for pair in chunk:
            place = []
            for subwords, (_, specials) in zip(pair, self._sides, strict=True):
                key = (specials, tuple(subwords.ids))
                if key not in distinct:
                    distinct[key] = len(sentences)
                    sentences.append((subwords, specials))
                place.append(distinct[key])
            places.append((place[0], place[1]))
        todo = [i for i, (source, target) in enumerate(chunk) if len(source) and len(target)]
        if not todo:
            return links
        embedded = self._embed(sentences)
        vectors = _Vectors(embedded, self._how)
        by_word = self._how.token_type == "word"
        owners = [
            tuple(_units(subwords, by_word, self._how.marks) for subwords in chunk[i]) for i in todo
        ]
        sizes = np.array([(len(a), len(b)) for a, b in owners])
        for batch in _by_size(sizes):
            rows, cols = sizes[batch, 0], sizes[batch, 1]
            units = [
                (
                    vectors.of(places[todo[k]][0], chunk[todo[k]][0], 0),
                    vectors.of(places[todo[k]][1], chunk[todo[k]][1], 1),
                )
                for k in batch
            ]
            scores = _products(units, rows, cols)
            found = self._extract(scores, rows, cols)
            of_words = _word_links([owners[k] for k in batch], *found)
            for k, pair_links in zip(batch, of_words, strict=True):
                links[todo[k]] = pair_links
        return links

    def _extract(
        self, scores: npt.NDArray[np.float32], rows: matching.Ints, cols: matching.Ints
    ) -> tuple[matching.Indices, matching.Floats]:
        """Return the linked subwords of a batch and the probability of each link."""
        how = self._how
        if how.method == "posterior":
            there, back = matching.directions(scores / np.float32(how.temperature), rows, cols)
            prob = (there + back) / 2
            index = matching.where(prob >= how.floor)
            return index, prob[index]
        if how.method == "softmax":
            there, back = matching.directions(scores, rows, cols)
            index = matching.where((there > how.threshold) & (back > how.threshold))
            total = there + back
            prob = 2 * there * back / np.where(total > 0, total, 1)
        else:
            # Step by step as simalign computes it, so that single precision rounds alike.
            sim = (scores + np.float32(1)) / np.float32(2)
            _pad(sim, rows, cols)
            sim = matching.distort(sim, rows, cols, how.distortion)
            index = matching.METHODS[how.method](sim, rows, cols)
            there, back = matching.directions(scores / np.float32(how.temperature), rows, cols)
            prob = (there + back) / 2
        chosen = ASSERTED + (1 - ASSERTED) * prob[index]
        if how.floor >= ASSERTED:
            return index, chosen
        rest = np.where(prob * ASSERTED >= how.floor, prob, 0)
        rest[index] = 0
        more = np.nonzero(rest)
        return (
            tuple(np.concatenate(p) for p in zip(index, more, strict=True)),  # type: ignore[return-value]
            np.concatenate([chosen, ASSERTED * rest[more]]),
        )


def read_means(folder: Path) -> Means:
    """Return what :meth:`EmbeddingAligner.learn_means` wrote."""
    with np.load(folder / _MEANS) as arrays:
        return arrays["source"], arrays["target"]


class _Vectors:
    """The embeddings of a chunk, ready to be multiplied."""

    def __init__(self, embedded: Embedded, how: Extraction) -> None:
        self._states: Any = embedded.states.cpu().numpy()
        self._starts = embedded.starts
        self._by_word = how.token_type == "word"
        self._normalise = how.method != "softmax"
        self._marks = how.marks
        self._centre = how.centre
        # By sentence, and by side where something else is taken off each.
        self._done: dict[tuple[int, int], npt.NDArray[np.float32]] = {}

    def of(self, sentence: int, subwords: SentenceSubwords, side: int) -> npt.NDArray[np.float32]:
        key = (sentence, side if self._centre is not None else 0)
        if key not in self._done:
            start, end = self._starts[sentence], self._starts[sentence + 1]
            vectors: npt.NDArray[np.float32] = self._states[start:end]
            words = subwords.words
            if not self._marks and subwords.marks.any():
                vectors, words = vectors[~subwords.marks], words[~subwords.marks]
            if self._by_word:
                vectors = _word_means(vectors, words)
            if self._centre is not None:
                vectors = vectors - self._centre[side]
            self._done[key] = _unit_length(vectors) if self._normalise else vectors
        return self._done[key]


def _word_means(
    states: npt.NDArray[np.float32], words: npt.NDArray[np.intp]
) -> npt.NDArray[np.float32]:
    firsts = np.flatnonzero(np.diff(words, prepend=-1))
    counts = np.diff(firsts, append=len(words)).astype(np.float32)
    means: npt.NDArray[np.float32] = (
        np.add.reduceat(states, firsts, axis=0) / counts[:, None]
    ).astype(np.float32, copy=False)
    return means


def _unit_length(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    norms[norms == 0] = 1
    result: npt.NDArray[np.float32] = vectors / norms[:, None]
    return result


def _units(subwords: SentenceSubwords, by_word: bool, marks: bool) -> npt.NDArray[np.intp]:
    """Return the word of each unit that is matched: of each subword, or each word that has any."""
    if by_word:
        return np.unique(subwords.words)
    return subwords.words if marks else subwords.words[~subwords.marks]


def _by_size(sizes: npt.NDArray[np.intp]) -> Iterator[list[int]]:
    """Group pairs of like size into batches of bounded area."""
    order = np.lexsort((sizes[:, 1], sizes[:, 0]))[::-1]
    batch: list[int] = []
    rows = cols = 0
    for k in order.tolist():
        more_rows, more_cols = max(rows, int(sizes[k, 0])), max(cols, int(sizes[k, 1]))
        if batch and more_rows * more_cols * (len(batch) + 1) > _BATCH_CELLS:
            yield batch
            batch, more_rows, more_cols = [], int(sizes[k, 0]), int(sizes[k, 1])
        batch.append(k)
        rows, cols = more_rows, more_cols
    if batch:
        yield batch


def _products(
    units: Sequence[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]],
    rows: matching.Ints,
    cols: matching.Ints,
) -> npt.NDArray[np.float32]:
    scores = np.zeros((len(units), int(rows.max()), int(cols.max())), dtype=np.float32)
    for index, (source, target) in enumerate(units):
        scores[index, : len(source), : len(target)] = source @ target.T
    return scores


def _pad(sim: npt.NDArray[np.float32], rows: matching.Ints, cols: matching.Ints) -> None:
    sim[np.arange(sim.shape[1]) >= rows[:, None]] = matching.PAD
    sim.transpose(0, 2, 1)[np.arange(sim.shape[2]) >= cols[:, None]] = matching.PAD


def _word_links(
    owners: Sequence[tuple[npt.NDArray[np.intp], ...]],
    index: matching.Indices,
    prob: matching.Floats,
) -> list[list[Link]]:
    """Return the links of words per pair, given the word of each unit and the linked units."""
    links: list[list[Link]] = [[] for _ in owners]
    pair, *units = index
    if not len(pair):
        return links
    words = []
    for side, unit in enumerate(units):
        first = offsets([len(of_pair[side]) for of_pair in owners])
        words.append(np.concatenate([of_pair[side] for of_pair in owners])[first[pair] + unit])
    # The most probable link between two words comes first, and stands for them.
    order = np.lexsort((-prob, words[1], words[0], pair))
    columns = np.stack([pair, *words])[:, order]
    new = np.append(True, np.any(np.diff(columns) != 0, axis=0))
    for (p, i, j), q in zip(columns[:, new].T.tolist(), prob[order][new].tolist(), strict=True):
        links[p].append(Link(i, j, q))
    return links
