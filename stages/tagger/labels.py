"""The label set of a tagger: IOB2 labels over entity types, and decoding them into spans.

BIO labels exist in here and in the files that people exchange; everywhere else a label is a span.
Nothing in this module needs torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError, ModelError
from pipeline.listed import each
from pipeline.schema import Span
from stages.ranges import offsets

if TYPE_CHECKING:
    from pipeline.artifacts import Artifact
    from pipeline.config import RunConfig
    from pipeline.inputs import Inputs


class LabelSet:
    """An ordered list of IOB2 labels.

    Args:
        names: ``O``, and ``B-``/``I-`` labels, in the order of the model's outputs. A type that has
            only an ``I-`` label (an IO scheme) is accepted: its entities start with ``I-``.

    Attributes:
        names: The names.
        types: The entity types, sorted.
        outside: The id of ``O``.

    Raises:
        ModelError: If there is no ``O``, or a name is not of that kind.
    """

    def __init__(self, names: Sequence[str]) -> None:
        odd = [n for n in names if n != "O" and not (n[:2] in ("B-", "I-") and len(n) > 2)]
        if odd or "O" not in names or len(set(names)) != len(names):
            raise ModelError(
                f"the labels {list(names)} are not IOB2 labels of a named-entity tagger "
                "(expected O, and B-… and I-… for each type)"
            )
        self.names = list(names)
        self.types = sorted({n[2:] for n in names if n != "O"})
        index = {t: i for i, t in enumerate(self.types)}
        self.outside = self.names.index("O")
        self._is_begin = np.array([n.startswith("B-") for n in names])
        self._is_inside = np.array([n.startswith("I-") for n in names])
        self._type = np.array([-1 if n == "O" else index[n[2:]] for n in names])
        self._ids = {n: i for i, n in enumerate(names)}

    @classmethod
    def of_types(cls, types: Iterable[str]) -> LabelSet:
        """Return the label set ``O, B-X, I-X, B-Y, …`` in the order of ``types``."""
        return cls(["O", *(f"{p}-{t}" for t in types for p in "BI")])

    def __len__(self) -> int:
        return len(self.names)

    def encode(
        self, spans: Iterable[Span], length: int, where: str = "sentence"
    ) -> NDArray[np.int64]:
        """Return the label id of every word.

        Args:
            spans: Spans that do not overlap.
            length: Number of words.
            where: The sentence, for the error message.

        Raises:
            DataError: If a span's type is not in the label set, or it reaches beyond the sentence.
        """
        ids = np.full(length, self.outside, dtype=np.int64)
        for span in spans:
            if span.type not in self.types:
                raise DataError(
                    f"{where}: entity type {span.type!r} is not one of the tagger's types "
                    f"({', '.join(self.types)}); map it with labels.map or add it to labels.types"
                )
            if not 0 <= span.start < span.end <= length:
                raise DataError(
                    f"{where}: span [{span.start}, {span.end}) does not fit its {length} words"
                )
            ids[span.start : span.end] = self._ids.get(f"I-{span.type}", -1)
            if f"B-{span.type}" in self._ids:
                ids[span.start] = self._ids[f"B-{span.type}"]
        return ids

    @cached_property
    def allowed(self) -> NDArray[np.bool_]:
        """(labels + 1, labels): may the label follow? The last row is the start of a sentence."""
        size = len(self)
        allowed = np.ones((size + 1, size), dtype=bool)
        for to in np.flatnonzero(self._is_inside):
            if f"B-{self.names[to][2:]}" in self._ids:
                allowed[:, to] = np.append(self._type == self._type[to], False)
        return allowed

    @cached_property
    def neutral(self) -> NDArray[np.float32]:
        """The distribution of a word that the model cannot see (it has no subwords).

        Half is ``O``; the other half goes to the ``I-`` labels, so that constrained decoding lets
        such a word continue the entity it stands in, and never lets it start one.
        """
        inside = np.flatnonzero(self._is_inside)
        probs = np.zeros(len(self), dtype=np.float32)
        probs[inside] = 0.5 / max(1, len(inside))
        probs[self.outside] = 1 - probs.sum()
        return probs

    def decode(
        self, probs: NDArray[np.float32], starts: NDArray[np.int64], *, constrained: bool = True
    ) -> list[list[Span]]:
        """Decode the word-level distributions of many sentences into spans.

        Args:
            probs: (words of all sentences, labels).
            starts: (sentences + 1), where each sentence starts in ``probs``.
            constrained: Find the most probable valid IOB2 sequence (Viterbi). Otherwise every word
                gets its most probable label, and an ``I-`` that continues nothing starts an entity.

        Returns:
            The spans of each sentence; a span's score is the mean probability of its labels.
        """
        ids = probs.argmax(1)
        if constrained:
            for first, end in self._invalid(ids, starts):
                ids[first:end] = self.viterbi(probs[first:end])
        return self.spans(ids, starts, probs)

    def decode_each(
        self, distributions: Sequence[NDArray[np.float32]], *, constrained: bool = True
    ) -> list[list[Span]]:
        """Decode the (words, labels) arrays of sentences into spans, see :meth:`decode`."""
        return self.decode(*end_to_end(distributions, len(self)), constrained=constrained)

    def _invalid(
        self, ids: NDArray[np.int64], starts: NDArray[np.int64]
    ) -> Iterable[tuple[int, int]]:
        # A valid sequence of the most probable labels is the best valid one: no search needed.
        if not len(ids):
            return
        before = np.concatenate(([len(self)], ids[:-1]))
        before[starts[:-1][np.diff(starts) > 0]] = len(self)
        bad = np.flatnonzero(~self.allowed[before, ids])
        for sentence in np.unique(np.searchsorted(starts, bad, side="right") - 1):
            yield int(starts[sentence]), int(starts[sentence + 1])

    def viterbi(self, probs: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the most probable valid labels of a sentence: (words, labels) → (words)."""
        length = len(probs)
        if not length:
            return np.zeros(0, dtype=np.int64)
        scores = np.log(np.maximum(probs.astype(np.float64), 1e-30))
        barrier = np.where(self.allowed, 0.0, -1e9)
        best = scores[0] + barrier[-1]
        back = np.zeros((length, len(self)), dtype=np.int64)
        for word in range(1, length):
            paths = best[:, None] + barrier[:-1]
            back[word] = paths.argmax(0)
            best = paths[back[word], np.arange(len(self))] + scores[word]
        ids = np.empty(length, dtype=np.int64)
        ids[-1] = best.argmax()
        for word in range(length - 1, 0, -1):
            ids[word - 1] = back[word, ids[word]]
        return ids

    def spans(
        self,
        ids: NDArray[np.int64],
        starts: NDArray[np.int64],
        probs: NDArray[np.float32] | None = None,
    ) -> list[list[Span]]:
        """Turn label ids into spans; an ``I-`` that continues nothing starts an entity."""
        result: list[list[Span]] = [[] for _ in range(len(starts) - 1)]
        kinds = self._type[ids]
        if not (kinds >= 0).any():
            return result
        first = np.zeros(len(ids) + 1, dtype=bool)
        first[starts] = True
        inside = kinds >= 0
        previous = np.concatenate(([-1], kinds[:-1]))
        opens = inside & (self._is_begin[ids] | (previous != kinds) | first[:-1])
        begins = np.flatnonzero(opens)
        # An entity ends where the next one opens, where it is outside, or with its sentence.
        stops = np.append(opens | ~inside | first[:-1], True)
        stop_at = np.flatnonzero(stops)
        ends = stop_at[np.searchsorted(stop_at, begins, side="right")]
        sentences = np.searchsorted(starts, begins, side="right") - 1
        if probs is None:
            scores = [None] * len(begins)
        else:
            chosen = np.append(0.0, np.cumsum(probs[np.arange(len(ids)), ids], dtype=np.float64))
            scores = ((chosen[ends] - chosen[begins]) / (ends - begins)).tolist()
        for begin, end, sentence, score in zip(
            begins.tolist(), ends.tolist(), sentences.tolist(), scores, strict=True
        ):
            offset = int(starts[sentence])
            name = self.types[kinds[begin]]
            result[sentence].append(Span(begin - offset, end - offset, name, score))
        return result


def end_to_end(
    distributions: Sequence[NDArray[np.float32]], labels: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return (words, labels) of all sentences, and (sentences + 1) where each one starts."""
    starts = offsets([len(d) for d in distributions])
    return np.concatenate([np.zeros((0, labels), np.float32), *distributions]), starts


def entity_types(config: RunConfig, inputs: Inputs[Artifact]) -> list[str]:
    """Return the types to learn: those of ``labels.types``, or all in the training data, sorted.

    Those of ``labels.ignore`` are not among them.
    """
    if config.labels.types is not None:
        return list(config.labels.types)
    found: set[str] = set()
    for artifact in inputs.only("train", "gold", "projected").values():
        for data in artifact.tables():
            for spans in data.column("spans").to_pylist():
                found.update(s["type"] for s in spans)
    return sorted(found - set(config.labels.ignore))


def span_f1(
    predicted: Iterable[Iterable[Span]], gold: Iterable[Iterable[Span]]
) -> dict[str, float]:
    """Exact-match precision, recall and F1 over spans (micro); seqeval's strict IOB2 score.

    Raises:
        ValueError: If the numbers of sentences differ.
    """
    right = found = wanted = 0
    pairs = zip(
        each(predicted, "span_f1: the predicted spans"),
        each(gold, "span_f1: the gold spans"),
        strict=True,
    )
    for ours, theirs in ((list(a), list(b)) for a, b in pairs):
        have = {(s.start, s.end, s.type) for s in ours}
        want = {(s.start, s.end, s.type) for s in theirs}
        right += len(have & want)
        found += len(have)
        wanted += len(want)
    precision = right / found if found else 0.0
    recall = right / wanted if wanted else 0.0
    f1 = 2 * right / (found + wanted) if found + wanted else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}
