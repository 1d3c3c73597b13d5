"""States of frozen layers, computed once per sentence and kept.

A training with frozen lower layers starts at the first layer that moves: what the embeddings and
the frozen layers make of a sentence is the same in every epoch, and for every seed and arm that
starts from the same encoder. On the CPU sentences are computed in batches whose shape goes by their
own length alone, filled up where there are too few, so that a sentence's states depend on nothing
that is computed beside it or was computed before: a training that is resumed, or that comes after
others, sees the same bits.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Final

import torch
from torch import Tensor, nn

from stages.encoder_layers import layer_stack
from stages.tagger.modeling import LayerFusedForTokenClassification

LIMIT: Final = 192 * 2**20
"""Bytes of states that are kept; what comes after is computed every time. Some 5,000 sentences of
an encoder 384 wide: a larger corpus comes round too seldom to be worth the memory."""
_TOKENS: Final = 512  # in a batch on the CPU, padding included
_STEP: Final = 8  # lengths are padded to a multiple of it

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class StateStore:
    """States by sentence.

    Attributes:
        rows: By the ids of a sentence, its states: (levels, T, H).
        size: Bytes.
        hits: Sentences that were found.
        misses: Sentences that were computed.
    """

    rows: dict[bytes, Tensor] = field(default_factory=dict)
    size: int = 0
    hits: int = 0
    misses: int = 0

    def keep(self, key: bytes, states: Tensor) -> None:
        """Keep the states of a sentence, if there is room."""
        size = states.nbytes
        if self.size + size <= LIMIT:
            self.rows[key] = states
            self.size += size


@lru_cache(maxsize=2)  # encoders (or precisions) whose states are kept at a time
def _store(name: str) -> StateStore:
    return StateStore()


class _Reached(Exception):
    """The last frozen layer is done; what lies above is not needed."""


class FrozenPrefix:
    """The embeddings and frozen layers of a tagger, replaced by what they gave before.

    Works for encoders whose layers stand in one list and hand their states from one to the next;
    where that is not so, or does not give the same, ``possible`` is false and nothing is replaced.

    Args:
        model: The tagger, its lower layers frozen (``optimisation.freeze_layers``).
        layers: How many layers are frozen beside the embeddings.
        sample: ``input_ids`` and ``attention_mask`` of a few sentences to compare on.

    Attributes:
        possible: Whether it works for this encoder.
        store: The states.
    """

    def __init__(
        self,
        model: LayerFusedForTokenClassification,
        layers: int,
        sample: Mapping[str, Tensor],
    ) -> None:
        found = layer_stack(model.encoder)
        stack = found[1] if found else nn.ModuleList()
        self._model, self._layers = model, layers
        self._modules = [getattr(model.encoder, "embeddings", None), *stack[:layers]]
        self._levels = sorted({k for k in model.fusion.lower if k < layers} | {layers})
        self._beside: dict[int, tuple[None, ...]] = {}  # what else a module returns, if a tuple
        self._autocast: torch.dtype | None = None
        self.store = StateStore()
        self.possible = 0 < layers < len(stack) and self._modules[0] is not None
        self.possible = self.possible and self._same(sample)

    @contextlib.contextmanager
    def replaced(self, autocast: torch.dtype | None = None) -> Iterator[None]:
        """Have the tagger start above the frozen layers while the block runs.

        Args:
            autocast: The precision that it is called in, if not that of the weights.
        """
        if not self.possible:
            yield
            return
        self._autocast = autocast
        self.store = _store(self._name(autocast))
        before = self.store.hits, self.store.misses
        with self._replaced():
            yield
        logger.info(
            "%d frozen layers: the states of %d sentences computed, found %d times",
            self._layers,
            self.store.misses - before[1],
            self.store.hits - before[0],
        )

    @contextlib.contextmanager
    def _replaced(self) -> Iterator[None]:
        hooks = [
            self._model.register_forward_pre_hook(self._before, with_kwargs=True),
            self._model.register_forward_hook(self._after, always_call=True),
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _before(self, module: nn.Module, args: Any, kwargs: Mapping[str, Tensor]) -> None:
        """Have the frozen modules return what is known of a batch."""
        states = self.look_up(kwargs["input_ids"], kwargs["attention_mask"])
        for level, frozen in enumerate(self._modules):
            # Of a level that nobody reads, any states of the right shape do.
            given: Any = states[bisect_left(self._levels, level)]
            if level in self._beside:
                given = (given, *self._beside[level])
            frozen.forward = partial(_given, given)

    def _after(self, module: nn.Module, args: Any, output: Any) -> None:
        for frozen in self._modules:
            vars(frozen).pop("forward", None)

    def _name(self, autocast: torch.dtype | None) -> str:
        digest = hashlib.sha256(
            f"{self._layers} {self._levels} {autocast} {self._model.config.window}".encode()
        )
        for module in self._modules:
            for tensor in module.state_dict().values():
                flat = tensor.detach().cpu().contiguous().view(-1)
                digest.update(flat.view(torch.uint8).numpy())
        return digest.hexdigest()

    def _same(self, sample: Mapping[str, Tensor]) -> bool:
        """Whether the tagger gives the same with the frozen layers replaced."""
        training = self._model.training
        self._model.eval()
        try:
            with torch.no_grad():
                wanted = self._model(**sample).logits
            with self._replaced():
                # What all layers share (DeBERTa's relative positions) moves, and they with it.
                if any(s.requires_grad for s in self._below(**sample)):
                    return False
                with torch.no_grad():
                    found = self._model(**sample).logits
        finally:
            self._model.train(training)
            self.store = StateStore()
        real = sample["attention_mask"].bool()
        return bool(torch.allclose(wanted[real], found[real], rtol=1e-3, atol=1e-3))

    def look_up(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the states of a batch, (levels, B, T, H), computing what is not known yet."""
        lengths = mask.sum(1).tolist()
        keys = [row[:n].tobytes() for row, n in zip(ids.cpu().numpy(), lengths, strict=True)]
        missing = [k for k, key in enumerate(keys) if key not in self.store.rows]
        self.store.hits += len(keys) - len(missing)
        self.store.misses += len(missing)
        new = self._computed(ids, lengths, missing)
        for k, states in new.items():
            self.store.keep(keys[k], states)
        found = [new[k] if k in new else self.store.rows[key] for k, key in enumerate(keys)]
        levels, _, width = found[0].shape
        padded = found[0].new_zeros(levels, len(keys), ids.shape[1], width)
        for k, states in enumerate(found):
            padded[:, k, : states.shape[1]] = states
        return padded.to(ids.device)

    def _computed(
        self, ids: Tensor, lengths: Sequence[int], missing: Sequence[int]
    ) -> dict[int, Tensor]:
        """Return (levels, T, H) for each of the rows ``missing``."""
        found: dict[int, Tensor] = {}
        for group, (rows, width) in self._batches(lengths, missing, ids.is_cuda):
            inputs = ids.new_zeros(rows, width)
            mask = torch.zeros_like(inputs)
            for row in range(rows):
                k = group[row] if row < len(group) else group[0]
                inputs[row, : lengths[k]] = ids[k, : lengths[k]]
                mask[row, : lengths[k]] = 1
            kind, dtype = ids.device.type, self._autocast
            # States that were made for a prediction serve a training as well.
            with (
                torch.inference_mode(False),
                torch.no_grad(),
                torch.autocast(kind, dtype, enabled=dtype is not None),
            ):
                outputs = self._below(inputs, mask)
            for row, k in enumerate(group):
                found[k] = torch.stack([o[row, : lengths[k]] for o in outputs]).cpu()
        return found

    def _batches(
        self, lengths: Sequence[int], missing: Sequence[int], together: bool
    ) -> Iterator[tuple[list[int], tuple[int, int]]]:
        """Yield which rows to compute together, and how many rows and columns their batch has.

        On the CPU the shape depends on the lengths of these rows alone, and there is padding in
        every row, so that the same operations are done on each. On a GPU, where bits are never the
        same, all rows go ``together``.
        """
        if together:
            if missing:
                yield list(missing), (len(missing), max(lengths[k] for k in missing))
            return
        by_width: dict[int, list[int]] = {}
        for k in missing:
            by_width.setdefault((lengths[k] // _STEP + 1) * _STEP, []).append(k)
        for width, members in by_width.items():
            rows = _TOKENS // width
            if rows < 2 or width > (self._model.config.window or 0):
                yield from (([k], (1, lengths[k])) for k in members)  # no room, or no use
                continue
            for start in range(0, len(members), rows):
                yield members[start : start + rows], (rows, width)

    def _below(self, input_ids: Tensor, attention_mask: Tensor) -> list[Tensor]:
        """Run the embeddings and the frozen layers alone; return (B, T, H) per level."""
        recorded: list[Tensor] = []

        def record(module: nn.Module, args: Any, output: Any) -> None:
            if isinstance(output, tuple):
                self._beside[len(recorded)] = (None,) * (len(output) - 1)
                output = output[0]
            recorded.append(output)
            if len(recorded) > self._layers:
                raise _Reached

        hooks = [module.register_forward_hook(record) for module in self._modules]
        try:
            self._model.encoder(input_ids=input_ids, attention_mask=attention_mask)
        except _Reached:
            pass
        finally:
            for hook in hooks:
                hook.remove()
        return [recorded[level] for level in self._levels]


def _given(states: Any, *args: Any, **kwargs: Any) -> Any:
    """Stand in for the forward of a module whose output is known."""
    return states
