"""Adam over the flat weights of a model, which can be stopped and taken up again."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, NamedTuple

import torch

_WARM = 0.05


class Schedule(NamedTuple):
    """The learning rate.

    Attributes:
        rate: At its highest.
        warm: Share of the training in which it rises.
        hold: Whether it then stays; otherwise it falls along a half cosine.
        slow_rate: Of a pretrained encoder and its embeddings, against the others'.
        slow_wait: Share of the training after which these begin to learn, rising as long.
    """

    rate: float
    warm: float = _WARM
    hold: bool = False
    slow_rate: float = 1.0
    slow_wait: float = 0.0

    def factor(self, progress: float) -> float:
        """Of the rate, by the share of the training that is over."""
        if progress < self.warm:
            return progress / self.warm + 0.002
        if self.hold:
            return 1.0
        over = min(1.0, (progress - self.warm) / (1 - self.warm))
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * over))

    def slow(self, progress: float) -> float:
        """Factor of the pretrained part, besides :meth:`factor`."""
        if not self.slow_wait:
            return self.slow_rate
        return self.slow_rate * min(1.0, max(0.0, progress / self.slow_wait - 1))


class Trainer:
    """Adam over the flat weights, with their moving mean, and a way back where it diverges.

    Attributes:
        steps: Updates so far, those of earlier legs included.
        norm: Of the last gradient.
        mean: Moving mean of the weights.
    """

    def __init__(self, model: Any, schedule: Schedule, fused: bool, keep: float = 0.998) -> None:
        self.model, self._schedule, self._scale, self._keep = model, schedule, 1.0, keep
        self._gradient = torch.zeros_like(model.master)
        slow = model.slow()
        # Views of the one buffer: those of a pretrained encoder first, then the others.
        self._parts = [model.master[:slow], model.master[slow:]] if slow else [model.master]
        for part, gradient in zip(
            self._parts, self._gradient.split([len(p) for p in self._parts]), strict=True
        ):
            part.grad = gradient
        self._optimizer = torch.optim.Adam(
            [{"params": [part]} for part in self._parts],
            lr=schedule.rate,
            betas=(0.9, 0.98),
            eps=1e-9,
            fused=fused,
        )
        self.mean = model.master.clone()
        self._good, self._best = model.master.clone(), float("inf")
        self.steps = 0
        self.norm: Any = None

    def step(self, source: Any, target: Any, progress: float, cooled: float = 0.0) -> Any:
        """One update, with the share of a cool-down that is over; returns the loss."""
        model, schedule = self.model, self._schedule
        rate = schedule.rate * self._scale * schedule.factor(progress) * (1 - cooled)
        groups = self._optimizer.param_groups
        groups[-1]["lr"] = rate
        if len(groups) > 1:
            groups[0]["lr"] = rate * schedule.slow(progress)
        model.grad.zero_()
        loss = model.loss(source, target, 0.1)
        loss.backward()
        with torch.no_grad():
            gradient = self._gradient
            gradient.copy_(model.grad)
            model.padding(gradient).zero_()
            self.norm = gradient.norm()
            gradient.mul_(torch.clamp(1.0 / (self.norm + 1e-6), max=1.0))
        self._optimizer.step()
        with torch.no_grad():
            model.sync()
            keep = min(self._keep, (self.steps + 1) / (self.steps + 10))
            self.mean.lerp_(model.master, 1 - keep)
        self.steps += 1
        return loss.detach()

    def judge(self, loss: float, held: float) -> bool:
        """Whether all is well; if not, the last good weights are back, and half the rate."""
        if math.isfinite(loss) and not (held > self._best + 1.5 and self.steps > 300):
            if held < self._best:
                self._best = held
                self._good.copy_(self.model.master)
            return True
        self._scale *= 0.5
        with torch.no_grad():
            self.model.master.copy_(self._good)
            self.mean.copy_(self._good)
            self.model.sync()
        self._optimizer.state.clear()
        return False

    def state(self) -> dict[str, Any]:
        """All that :meth:`restore` needs to go on as if nothing had happened."""
        return {
            "master": self.model.master.detach(),
            "mean": self.mean,
            "good": self._good,
            "best": self._best,
            "scale": self._scale,
            "steps": self.steps,
            "optimizer": self._optimizer.state_dict(),
            "random": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state`."""
        with torch.no_grad():
            self.model.master.copy_(state["master"])
            self.mean.copy_(state["mean"])
            self._good.copy_(state["good"])
            self.model.sync()
        self._best, self._scale, self.steps = state["best"], state["scale"], state["steps"]
        self._optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state; the one before is there until this one is whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)  # noqa: PTH105


def read_state(path: Path) -> dict[str, Any] | None:
    """Read what :func:`write_state` wrote, if it did."""
    if not path.is_file():
        return None
    found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return found
