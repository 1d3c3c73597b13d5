"""Contextual embeddings of the subwords of many sentences.

Sentences are cut into windows, windows sorted by length and batched under a bound on tokens, so
that hardly any padding is computed; the attention mask keeps what there is out of the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stages.align.layers import Layers
from stages.align.subwords import SentenceSubwords, Specials, Window, windows

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Embedded:
    """The embeddings of a list of sentences.

    Attributes:
        states: ``(subwords of all sentences, width)``, float32, on the device of the model.
        starts: Row of the first subword of each sentence, and one more entry for the end.
    """

    states: torch.Tensor
    starts: list[int]


Embed = Callable[[Sequence[tuple[SentenceSubwords, Specials]]], Embedded]
"""Returns the embeddings of sentences, each with the special tokens it wants."""


class Embedder:
    """Embeds sentences with one layer of one model.

    Args:
        layers: The model.
        limit: The most subwords that a window may have, without special tokens.
        batch_tokens: The most tokens (padding included) that the model gets at once.
    """

    def __init__(self, layers: Layers, limit: int, batch_tokens: int) -> None:
        self.layers = layers
        self.limit = limit
        self.batch_tokens = batch_tokens

    def __call__(self, sentences: Sequence[tuple[SentenceSubwords, Specials]]) -> Embedded:
        """Return the embeddings of sentences, each with the special tokens it wants."""
        import torch

        lengths = [len(subwords) for subwords, _ in sentences]
        starts = [0, *np.cumsum(lengths).tolist()]
        states: torch.Tensor | None = None
        for batch in self._batches(list(windows(lengths, self.limit)), sentences):
            ids = [
                [*specials.before, *subwords.ids[w.start : w.end], *specials.after]
                for w in batch
                for subwords, specials in [sentences[w.sentence]]
            ]
            hidden = self.layers(ids)
            if states is None:
                states = torch.empty(
                    (starts[-1], hidden.shape[-1]), dtype=torch.float32, device=hidden.device
                )
            ends = np.cumsum([len(row) for row in ids])
            taken = [range(w.first, w.last) for w in batch]
            into = [starts[w.sentence] for w in batch]
            out_of = [
                end - len(row) + len(sentences[w.sentence][1].before) - w.start
                for w, row, end in zip(batch, ids, ends.tolist(), strict=True)
            ]
            states[_rows(taken, into)] = hidden[_rows(taken, out_of)]
        if states is None:
            states = torch.empty((0, 1))
        return Embedded(states, starts)

    def _batches(
        self, todo: list[Window], sentences: Sequence[tuple[SentenceSubwords, Specials]]
    ) -> Iterator[list[Window]]:
        def tokens(window: Window) -> int:
            specials = sentences[window.sentence][1]
            return window.end - window.start + len(specials.before) + len(specials.after)

        # The longest first: if memory does not suffice, it shows at once.
        todo.sort(key=lambda w: (-tokens(w), w.sentence, w.start))
        most = min(self.batch_tokens, self.layers.rows or self.batch_tokens)
        batch: list[Window] = []
        size = 0
        for window in todo:
            more = tokens(batch[0]) if batch and self.layers.padded else tokens(window)
            if batch and size + more > most:
                yield batch
                batch, size = [], 0
                more = tokens(window)
            batch.append(window)
            size += more
        if batch:
            yield batch


def _rows(taken: Sequence[range], offsets: Sequence[int]) -> torch.Tensor:
    """Return the rows ``offset + i`` for every ``i`` that is taken."""
    import torch

    return torch.from_numpy(
        np.concatenate(
            [np.arange(r.start, r.stop) + o for r, o in zip(taken, offsets, strict=True)]
        )
    )
