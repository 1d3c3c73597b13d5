"""Training data of a tagger in memory: flat arrays of subwords, batches planned ahead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.listed import batched
from pipeline.schema import Span
from stages.tagger.encoding import EncodedSentences, Windows, WordEncoder
from stages.tagger.labels import LabelSet

if TYPE_CHECKING:
    import torch

_CHUNK = 2000
IGNORED = -100


@dataclass(frozen=True, slots=True)
class TrainingSentence:
    """A training sentence, or one that teachers have labelled.

    Attributes:
        words: Its words.
        spans: Its entities; not learnt where ``probs`` is given.
        weight: Weight of its loss.
        probs: (words, labels) soft labels, in the order of the label set.
        mask: (words) ``False`` for words that teach nothing.
        id: For error messages.
    """

    words: Sequence[str]
    spans: Sequence[Span] = ()
    weight: float = 1.0
    probs: NDArray[np.float32] | None = None
    mask: NDArray[np.bool_] | None = None
    id: str = "sentence"


@dataclass(slots=True)
class TrainingSet:
    """Windows with the labels of the words that each of them owns.

    Attributes:
        encoder: What made the subwords.
        subwords: All sentences.
        windows: Windows over them.
        lengths: (windows) input lengths.
        labels: (words) label ids; :data:`IGNORED` for words that teach nothing.
        weights: (words) loss weights.
        soft_rows: (words) row of ``soft``, or -1.
        soft: (soft words, labels).
        all_subwords: Whether every subword of a word carries its label, or the first only.
        counts: What was read: sentences, words, windows of long sentences, cut words …
    """

    encoder: WordEncoder
    subwords: EncodedSentences
    windows: Windows
    lengths: NDArray[np.int64]
    labels: NDArray[np.int64]
    weights: NDArray[np.float32]
    soft_rows: NDArray[np.int64]
    soft: NDArray[np.float32]
    all_subwords: bool
    counts: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.windows)

    @classmethod
    def build(
        cls,
        examples: Iterable[TrainingSentence],
        encoder: WordEncoder,
        label_set: LabelSet,
        *,
        all_subwords: bool = False,
    ) -> TrainingSet:
        """Encode examples, streaming.

        Raises:
            DataError: If a label is unknown or a span does not fit its sentence.
        """
        chunks: list[EncodedSentences] = []
        labels: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        weights: list[NDArray[np.float32]] = [np.zeros(0, np.float32)]
        soft_rows: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        soft: list[NDArray[np.float32]] = [np.zeros((0, len(label_set)), np.float32)]
        softened = 0
        for chunk in batched(examples, _CHUNK):
            chunks.append(encoder.encode([e.words for e in chunk]))
            for example in chunk:
                size = len(example.words)
                rows = np.full(size, -1, np.int64)
                if example.probs is not None:
                    ids = example.probs.argmax(1).astype(np.int64)
                    rows = np.arange(softened, softened + size)
                    softened += size
                    soft.append(np.asarray(example.probs, np.float32))
                else:
                    ids = label_set.encode(example.spans, size, example.id)
                if example.mask is not None:
                    ids = np.where(example.mask, ids, IGNORED)
                labels.append(ids)
                weights.append(np.full(size, example.weight, np.float32))
                soft_rows.append(rows)
        subwords = _join(chunks)
        windows = encoder.windows(subwords)
        sentences = len(subwords.sentences) - 1
        sizes = np.diff(subwords.sentences)
        counts = {
            "sentences": sentences,
            "words": len(subwords.words) - 1,
            "subwords": len(subwords.ids),
            "empty_sentences": int((sizes == 0).sum()),
            "extra_windows": len(windows) - int((sizes > 0).sum()),
            "words_cut_to_window": subwords.cut_words,
            "words_respelt": subwords.respelt_words,
            "words_unknown": subwords.unknown_words,
            "words_without_subwords": int((np.diff(subwords.words) == 0).sum()),
            "soft_words": softened,
        }
        return cls(
            encoder=encoder,
            subwords=subwords,
            windows=windows,
            lengths=encoder.lengths(subwords, windows),
            labels=np.concatenate(labels),
            weights=np.concatenate(weights),
            soft_rows=np.concatenate(soft_rows),
            soft=np.concatenate(soft),
            all_subwords=all_subwords,
            counts=counts,
        )

    def batch(self, chosen: Sequence[int]) -> dict[str, torch.Tensor]:
        """Return the tensors of a batch of windows.

        ``labels`` (B, T) int64 with -100 where there is none; ``weights`` (B, T) unless all are 1;
        ``soft`` (B, T, labels) with zeros where the label is hard, unless all are.
        """
        import torch

        index = np.asarray(chosen, dtype=np.int64)
        ids, mask = self.encoder.pad_batch(self.subwords, self.windows, index)
        places = self.encoder.places(self.subwords, self.windows, index, self.all_subwords)
        words, counts, rows, columns = places
        if self.all_subwords:
            words = np.repeat(words, counts)
        labels = np.full(ids.shape, IGNORED, np.int64)
        labels[rows, columns] = self.labels[words]
        arrays: dict[str, NDArray[Any]] = {
            "input_ids": ids,
            "attention_mask": mask,
            "labels": labels,
        }
        given = self.weights[words]
        if (given != 1).any():
            weights = np.ones(ids.shape, np.float32)
            weights[rows, columns] = given
            arrays["weights"] = weights
        at = self.soft_rows[words]
        if (at >= 0).any():
            soft = np.zeros((*ids.shape, self.soft.shape[1]), np.float32)
            here = at >= 0
            soft[rows[here], columns[here]] = self.soft[at[here]]
            arrays["soft"] = soft
        return {k: torch.from_numpy(v) for k, v in arrays.items()}


def plan_batches(
    lengths: NDArray[np.int64], batch_size: int, batches: int, seed: int
) -> list[NDArray[np.int64]]:
    """Plan the batches of a whole training: shuffled passes, similar lengths together.

    Each pass is shuffled, cut into stretches of 50 batches, sorted by length within a stretch, and
    the batches shuffled again. The plan depends on the arguments alone, so a resumed training goes
    on with the batches that it would have seen.

    Args:
        lengths: (windows) input lengths.
        batch_size: Windows in a batch; the last one of a pass may be smaller.
        batches: How many to plan; passes are repeated as needed.
        seed: Decides the order.

    Raises:
        ValueError: If there is nothing to train on.
    """
    if not len(lengths):
        raise ValueError("there are no training sentences")
    generator = np.random.default_rng(seed)
    plan: list[NDArray[np.int64]] = []
    stretch = 50 * batch_size
    while len(plan) < batches:
        order = generator.permutation(len(lengths))
        single: list[NDArray[np.int64]] = []
        for start in range(0, len(order), stretch):
            part = order[start : start + stretch]
            part = part[np.argsort(lengths[part], kind="stable")]
            single += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
        plan += [single[i] for i in generator.permutation(len(single))]
    return plan[:batches]


def repeat_examples(
    examples: Iterable[TrainingSentence], times: float, seed: int
) -> Iterator[TrainingSentence]:
    """Yield each example ``times`` times; the fraction is a seeded draw per example."""
    whole, fraction = int(times), times - int(times)
    generator = np.random.default_rng(seed)
    for example in examples:
        extra = int(fraction > 0 and generator.random() < fraction)
        for _ in range(whole + extra):
            yield example


def _join(chunks: Sequence[EncodedSentences]) -> EncodedSentences:
    words, sentences = [np.zeros(1, np.int64)], [np.zeros(1, np.int64)]
    for chunk in chunks:
        words.append(chunk.words[1:] + words[-1][-1])
        sentences.append(chunk.sentences[1:] + sentences[-1][-1])
    return EncodedSentences(
        np.concatenate([np.zeros(0, np.int32), *(c.ids for c in chunks)]),
        np.concatenate(words),
        np.concatenate(sentences),
        sum(c.cut_words for c in chunks),
        sum(c.respelt_words for c in chunks),
        sum(c.unknown_words for c in chunks),
    )
