"""States of sentences, kept because aligners ask for the same sentences several times.

They do while they learn; then what they have learnt from is aligned; and the next target language
comes with the same source sentences.
"""

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
    """Keeps the states of the sentences that aligners learn from, by model, until it is full."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, torch.Tensor] = {}
        self._before: dict[Hashable, torch.Tensor] = {}
        self._left = _MOST_SUBWORDS

    def take_over(self, before: StateMemory) -> None:
        """Take what was kept for another corpus; it goes where room is wanted."""
        if before is self:
            return
        found = {**self._before, **before._before, **before._kept}
        self._before = {key: states for key, states in found.items() if key not in self._kept}
        held = sum(map(len, self._kept.values())) + sum(map(len, self._before.values()))
        self._left = _MOST_SUBWORDS - held

    def keeping(self, model: Hashable, embed: Embed) -> Embed:
        """Return what embeds as ``embed`` does, each distinct sentence once.

        Args:
            model: Tells whose states they are: which model, and how it is computed.
            embed: Computes what is not kept.
        """
        return partial(self._embedded, model, embed, True)

    def looking(self, model: Hashable, embed: Embed) -> Embed:
        """Return what embeds as ``embed`` does all that is not kept, and keeps none of it."""
        return partial(self._embedded, model, embed, False)

    def _embedded(
        self,
        model: Hashable,
        embed: Embed,
        keep: bool,
        sentences: Sequence[tuple[SentenceSubwords, Specials]],
    ) -> Embedded:
        import torch

        keys = [(model, specials, tuple(subwords.ids)) for subwords, specials in sentences]
        found = {key: states for key in keys if (states := self._states(key)) is not None}
        new = {k: sentence for k, sentence in zip(keys, sentences, strict=True) if k not in found}
        computed = embed(list(new.values()))
        for key, start, end in zip(new, computed.starts, computed.starts[1:], strict=False):
            found[key] = computed.states[start:end]
        if keep:
            for key, states in found.items():
                self._keep(key, states)
        states_of_all = [found[key] for key in keys]
        starts = [0, *accumulate(map(len, states_of_all))]
        # The states of nothing have no width.
        full = [s for s in states_of_all if len(s)]
        return Embedded(torch.cat(full) if full else computed.states, starts)

    def _states(self, key: Hashable) -> torch.Tensor | None:
        kept = self._kept.get(key)
        return self._before.get(key) if kept is None else kept

    def _keep(self, key: Hashable, states: torch.Tensor) -> None:
        if key in self._kept:
            return
        if key in self._before:
            self._kept[key] = self._before.pop(key)
            return
        while self._left < len(states) and self._before:
            self._left += len(self._before.pop(next(iter(self._before))))
        if len(states) <= self._left:
            # A copy, as a part would hold the states of all that was computed with it.
            self._kept[key] = states.clone()
            self._left -= len(states)
