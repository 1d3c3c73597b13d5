"""Trains several taggers at once on one device.

One training of a 12 x 384 encoder leaves a large GPU idle: its kernels are small and its launches
slow. So the updates of a whole stack of taggers are captured into one CUDA graph, each tagger on
a stream of its own, and replayed. Every tagger has its own weights, optimiser, learning rate,
batches and dropout; nothing is shared but the launch. Without CUDA the same code runs eagerly.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sets import CLS, LABELS, PAD, SEP, Pool
from torch import nn
from trials import Trial

from stages.tagger.modeling import LayerFusedConfig, LayerFusedForTokenClassification
from stages.train.data import IGNORED, plan_batches
from stages.train.loss import tagging_loss
from stages.train.optimisation import parameter_groups

BUCKETS = (16, 32, 48, 64, 96, 128, 192, 256)
CHUNK = 50  # updates within which the batches of a stack are matched by length


@dataclass(slots=True)
class Slot:
    """One tagger of a stack with its optimiser.

    Attributes:
        model: The tagger.
        optimizer: AdamW over groups by depth.
        heights: Of every group: how many layers above it (``None``: the head).
        rates: (groups) learning rates before the schedule, on the device.
        now: (groups) what the optimiser reads.
        params: What is trained.
    """

    model: Any
    optimizer: Any
    heights: list[float]
    rates: torch.Tensor
    now: torch.Tensor
    params: list[nn.Parameter]


def shape_of(trial: Trial) -> tuple[Any, ...]:
    """Return what decides the kernels of a trial: stacks of the same shapes share graphs."""
    layer = trial.layer if trial.fusion != "none" else 0
    return trial.fusion, layer, trial.frozen, trial.weight_decay


class Stack:
    """The taggers of several trials.

    Args:
        classifier: ``BertForTokenClassification`` with the encoder's weights, on the CPU.
        pool: Training windows.
        trials: What decides the shapes; :meth:`load` sets the rest.
        device: Where to train.
        graphs: Whether to capture CUDA graphs.
        batch_size: Windows in a batch.
        bfloat16: Whether to compute in bfloat16; weights and optimiser stay in float32.
    """

    def __init__(
        self,
        classifier: Any,
        pool: Pool,
        trials: Sequence[Trial],
        device: torch.device,
        *,
        graphs: bool,
        batch_size: int,
        bfloat16: bool = False,
    ) -> None:
        self.bfloat16 = bfloat16
        self.shapes = [shape_of(t) for t in trials]
        self.device = device
        self.graphs = graphs
        self._classifier = classifier
        self._pool = pool
        self._batch = batch_size
        self._ids = torch.from_numpy(pool.ids).to(device)
        self._labels = torch.from_numpy(pool.labels).to(device)
        self._slots = [self._slot(t) for t in trials]
        size = len(trials)
        cuda = device.type == "cuda"
        self._streams = [torch.cuda.Stream(device) for _ in trials] if cuda else []
        # What a replay reads: (taggers, windows, start and length), the factor of the schedule.
        self._where = torch.zeros(size, batch_size, 2, dtype=torch.int64, device=device)
        self._factor = torch.zeros(size, device=device)
        self._loss = torch.zeros(size, device=device)
        self.problems: list[str] = []
        self.capture_seconds = 0.0
        self._seed = 0
        self._captured: dict[int, Any] = {}
        self._memory: Any = None

    def _slot(self, trial: Trial) -> Slot:
        config = LayerFusedConfig(
            encoder=self._classifier.config.to_dict(),
            id2label=dict(enumerate(LABELS.names)),
            label2id={name: k for k, name in enumerate(LABELS.names)},
            fusion=trial.fusion,
            fusion_layer=trial.layer,
        )
        ready = copy.deepcopy(self._classifier)
        config.encoder = ready.config
        model: Any = LayerFusedForTokenClassification(config, ready)
        model.train().to(self.device)
        if trial.frozen:
            for name, parameter in model.named_parameters():
                if "embeddings" in name.split("."):
                    parameter.requires_grad_(False)
        decayed = {
            name
            for name, _ in model.named_parameters()
            if not name.endswith("bias") and "norm" not in name.lower().split(".")[-2]
        }
        # A decay that no trial has keeps the groups of the layers apart; rates are set by load().
        mark = 0.5
        groups = parameter_groups(
            model, decayed, learning_rate=1.0, head_learning_rate=2.0, layer_decay=mark,
            weight_decay=trial.weight_decay,
        )  # fmt: skip
        heights = [
            -1.0 if g["lr"] == 2.0 else float(np.log(g["lr"]) / np.log(mark)) for g in groups
        ]
        now = torch.zeros(len(groups), device=self.device)
        for k, group in enumerate(groups):
            group["lr"] = now[k]
        cuda = self.device.type == "cuda"
        optimizer = torch.optim.AdamW(groups, fused=True, capturable=cuda)
        params = [p for g in optimizer.param_groups for p in g["params"]]
        return Slot(model, optimizer, heights, torch.zeros_like(now), now, params)

    def load(self, trials: Sequence[Trial]) -> None:
        """Set every tagger to the start of its trial: weights, optimiser, rates.

        Raises:
            ValueError: If a trial is of another shape than its place.
        """
        if [shape_of(t) for t in trials] != self.shapes:
            raise ValueError("these trials are of other shapes than this stack")
        for slot, trial in zip(self._slots, trials, strict=True):
            self._reset(slot, trial)
            rates = [
                trial.rate * (1.0 if height < 0 else trial.decay**height) for height in slot.heights
            ]
            slot.rates.copy_(torch.tensor(rates))

    def _reset(self, slot: Slot, trial: Trial) -> None:
        """Encoder as it was, fresh head: the same for the same seed, wherever it stands."""
        torch.manual_seed(trial.seed)
        width = self._classifier.config.hidden_size
        head = nn.Linear(width, len(LABELS))
        nn.init.normal_(head.weight, std=0.02)
        nn.init.zeros_(head.bias)
        fusion = copy.deepcopy(slot.model.fusion).cpu()
        for module in fusion.modules():
            fusion.reset_module(module, 0.02)
        with torch.no_grad():
            base = self._classifier.base_model.state_dict()
            for name, value in slot.model.encoder.state_dict().items():
                value.copy_(base[name])
            slot.model.classifier.load_state_dict(head.state_dict())
            slot.model.fusion.load_state_dict(fusion.state_dict())
            for state in slot.optimizer.state.values():
                for value in state.values():
                    value.zero_()

    def train(
        self,
        trials: Sequence[Trial],
        stop: Callable[[], bool],
        at: Callable[[int], None],
    ) -> float:
        """Train from the start; return the seconds that the updates took.

        Args:
            trials: All with the same number of updates.
            stop: Asked now and then; ``True`` ends the training early.
            at: Called with the number of updates after each of ``trials[0].evaluations`` and at
                the end; not called if stopped.
        """
        plan, longest = self._plan(trials)
        schedule = torch.tensor([[t.factor(k) for t in trials] for k in range(len(longest))])
        plan, schedule = plan.to(self.device), schedule.to(self.device)
        pauses = {*trials[0].evaluations, len(longest)}
        self._seed = trials[0].seed
        if self.device.type == "cuda":
            torch.cuda.manual_seed(self._seed)
        spent, begin = 0.0, time.time()
        for k, length in enumerate(longest):
            self._where.copy_(plan[k])
            self._factor.copy_(schedule[k])
            self._update(length)
            if k + 1 in pauses:
                self._wait()
                spent += time.time() - begin
                at(k + 1)
                begin = time.time()
            elif k % 50 == 49 and stop():
                break
        self._wait()
        return spent

    def losses(self) -> list[float]:
        """Return the loss of each tagger's last update."""
        values: list[float] = self._loss.tolist()
        return values

    @property
    def models(self) -> list[Any]:
        """The taggers."""
        return [slot.model for slot in self._slots]

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def _plan(self, trials: Sequence[Trial]) -> tuple[torch.Tensor, list[int]]:
        """Return starts and lengths (updates, taggers, windows, 2), and the length of each update.

        Each tagger's batches are planned by its own seed; within 50 updates they are put into the
        order of lengths of the first tagger's, so that the taggers of an update pad to one length.
        """
        updates = trials[0].updates
        where = np.zeros((updates, len(trials), self._batch, 2), np.int64)
        for place, trial in enumerate(trials):
            starts, lengths = self._pool.windows(trial.data)
            batches = plan_batches(lengths, self._batch, updates, trial.seed)
            for k, batch in enumerate(batches):
                where[k, place, : len(batch), 0] = starts[batch]
                where[k, place, : len(batch), 1] = lengths[batch]
        top = where[..., 1].max(-1)
        for first in range(0, updates, CHUNK):
            part = slice(first, first + CHUNK)
            rank = np.argsort(np.argsort(top[part, 0], kind="stable"), kind="stable")
            for place in range(1, len(trials)):
                order = np.argsort(top[part, place], kind="stable")[rank]
                where[part, place] = where[part, place][order]
        needed = where[..., 1].max((1, 2)) + 2
        longest = [next(b for b in BUCKETS if b >= n) for n in needed.tolist()]
        return torch.from_numpy(where), longest

    def _update(self, length: int) -> None:
        if not self.graphs:
            for place in range(len(self._slots)):
                self._step(place, length)
            return
        if not self._captured:
            self._warm_up(length)
        if length not in self._captured:
            self._captured[length] = self._capture(length)
        if self._captured[length] is None:
            for place in range(len(self._slots)):
                self._step(place, length)
        else:
            self._captured[length].replay()

    def _warm_up(self, length: int) -> None:
        """Run once eagerly, as CUDA asks for before a capture, and undo it."""
        kept = [[p.detach().clone() for p in slot.params] for slot in self._slots]
        torch.cuda.synchronize()
        for place, stream in enumerate(self._streams):
            with torch.cuda.stream(stream):
                self._step(place, length)
        torch.cuda.synchronize()
        with torch.no_grad():
            for slot, weights in zip(self._slots, kept, strict=True):
                for parameter, value in zip(slot.params, weights, strict=True):
                    parameter.copy_(value)
                for state in slot.optimizer.state.values():
                    for value in state.values():
                        value.zero_()
        torch.cuda.manual_seed(self._seed)

    def _capture(self, length: int) -> Any:
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        begin = time.time()
        try:
            with torch.cuda.graph(graph, pool=self._memory):
                current = torch.cuda.current_stream()
                for place, stream in enumerate(self._streams):
                    stream.wait_stream(current)
                    with torch.cuda.stream(stream):
                        self._step(place, length)
                for stream in self._streams:
                    current.wait_stream(stream)
        except RuntimeError as error:  # then this length is trained without a graph
            self.problems.append(f"length {length}: {str(error)[:300]}")
            torch.cuda.synchronize()
            return None
        self._memory = self._memory or graph.pool()
        self.capture_seconds += time.time() - begin
        return graph

    def _step(self, place: int, length: int) -> None:
        """One update of one tagger."""
        slot = self._slots[place]
        start, size = self._where[place, :, :1], self._where[place, :, 1:]
        column = torch.arange(length, device=self.device)
        index = (start + column - 1).clamp(0, len(self._ids) - 1)
        inner = (column > 0) & (column <= size)
        ids = self._ids[index].masked_fill(~inner, PAD)
        ids = ids.masked_fill(column == 0, CLS).masked_fill(column == size + 1, SEP)
        mask = (column < size + 2).long()
        labels = self._labels[index].masked_fill(~inner, IGNORED)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            logits = slot.model(input_ids=ids, attention_mask=mask).logits
        loss = tagging_loss(logits, labels) / (labels != IGNORED).sum().clamp(min=1)
        grads = torch.autograd.grad(loss, slot.params)
        for parameter, grad in zip(slot.params, grads, strict=True):
            parameter.grad = grad
        nn.utils.clip_grad_norm_(slot.params, 1.0, foreach=True)
        torch.mul(slot.rates, self._factor[place], out=slot.now)
        slot.optimizer.step()
        self._loss[place].copy_(loss.detach())
