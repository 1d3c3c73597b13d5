"""States of sentences, kept while aligners learn: they ask for the same sentences several times."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from stages.align.embeddings import Embed, Embedded
from stages.align.subwords import SentenceSubwords, Specials

if TYPE_CHECKING:
    import torch

# 150 MB at width 384. Samples of pairs to learn from have fewer, unless their sentences are short.
_MOST_SUBWORDS: Final = 100_000


class StateMemory:
    """Keeps the states of sentences, by model, until it is full."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, torch.Tensor] = {}
        self._left = _MOST_SUBWORDS

    def of(self, model: Hashable, embed: Embed) -> Embed:
        """Return what embeds as ``embed`` does, each distinct sentence once.

        Args:
            model: Tells whose states they are: which model, and how it is computed.
            embed: Computes what is not kept.
        """
        return partial(self._embedded, model, embed)

    def _embedded(
        self,
        model: Hashable,
        embed: Embed,
        sentences: Sequence[tuple[SentenceSubwords, Specials]],
    ) -> Embedded:
        import torch

        keys = [(model, specials, tuple(subwords.ids)) for subwords, specials in sentences]
        found = {key: self._kept[key] for key in keys if key in self._kept}
        new = {k: sentence for k, sentence in zip(keys, sentences, strict=True) if k not in found}
        computed = embed(list(new.values()))
        for key, start, end in zip(new, computed.starts, computed.starts[1:], strict=False):
            found[key] = computed.states[start:end]
            if end - start <= self._left:
                # A copy, as a part would hold the states of all that was computed with it.
                self._kept[key] = found[key].clone()
                self._left -= end - start
        states = [found[key] for key in keys]
        starts = [0, *accumulate(map(len, states))]
        # The states of nothing have no width.
        full = [s for s in states if len(s)]
        return Embedded(torch.cat(full) if full else computed.states, starts)
