"""Contextual embeddings of the subwords of many sentences.

Sentences are cut into windows, windows sorted by length and batched under a bound on tokens, so
that hardly any padding is computed; the attention mask keeps what there is out of the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stages.align.layers import Layers
from stages.align.pieces import Pieces, Specials, Window, windows

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

    def __call__(self, sentences: Sequence[tuple[Pieces, Specials]]) -> Embedded:
        """Return the embeddings of sentences, each with the special tokens it wants."""
        import torch

        lengths = [len(pieces) for pieces, _ in sentences]
        starts = [0, *np.cumsum(lengths).tolist()]
        states: torch.Tensor | None = None
        for batch in self._batches(list(windows(lengths, self.limit)), sentences):
            ids = [
                [*specials.before, *pieces.ids[w.start : w.end], *specials.after]
                for w in batch
                for pieces, specials in [sentences[w.sentence]]
            ]
            hidden = self.layers(ids)
            if states is None:
                states = torch.empty(
                    (starts[-1], hidden.shape[-1]), dtype=torch.float32, device=hidden.device
                )
            for row, window in enumerate(batch):
                skipped = len(sentences[window.sentence][1].before) - window.start
                target = starts[window.sentence]
                states[target + window.first : target + window.last] = hidden[
                    row, window.first + skipped : window.last + skipped
                ]
        if states is None:
            states = torch.empty((0, 1))
        return Embedded(states, starts)

    def _batches(
        self, todo: list[Window], sentences: Sequence[tuple[Pieces, Specials]]
    ) -> Iterator[list[Window]]:
        def tokens(window: Window) -> int:
            specials = sentences[window.sentence][1]
            return window.end - window.start + len(specials.before) + len(specials.after)

        # The longest first: if memory does not suffice, it shows at once.
        todo.sort(key=lambda w: (-tokens(w), w.sentence, w.start))
        batch: list[Window] = []
        for window in todo:
            if batch and tokens(batch[0]) * (len(batch) + 1) > self.batch_tokens:
                yield batch
                batch = []
            batch.append(window)
        if batch:
            yield batch
