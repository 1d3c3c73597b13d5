"""Adam over the flat weights of a model, which can be stopped and taken up again."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import torch

_WARM = 0.05
"""Share of the training in which the learning rate rises; then it falls along a half cosine."""


def factor(progress: float, warm: float = _WARM) -> float:
    """Of the learning rate, by the share of the training that is over."""
    if progress < warm:
        return progress / warm + 0.002
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warm) / (1 - warm))))


class Trainer:
    """Adam over the flat weights, with their moving mean, and a way back where it diverges.

    Attributes:
        steps: Updates so far, those of earlier legs included.
        norm: Of the last gradient.
        mean: Moving mean of the weights.
    """

    def __init__(self, model: Any, rate: float, fused: bool, warm: float = _WARM) -> None:
        self.model, self._rate, self._scale, self._warm = model, rate, 1.0, warm
        model.master.grad = torch.zeros_like(model.master)
        self._optimizer = torch.optim.Adam(
            [model.master], lr=rate, betas=(0.9, 0.98), eps=1e-9, fused=fused
        )
        self.mean = model.master.clone()
        self._good, self._best = model.master.clone(), float("inf")
        self.steps = 0
        self.norm: Any = None

    def step(self, source: Any, target: Any, progress: float) -> Any:
        """One update; returns the loss."""
        model = self.model
        rate = self._rate * self._scale * factor(progress, self._warm)
        self._optimizer.param_groups[0]["lr"] = rate
        model.grad.zero_()
        loss = model.loss(source, target, 0.1)
        loss.backward()
        with torch.no_grad():
            gradient = model.master.grad
            gradient.copy_(model.grad)
            model.padding(gradient).zero_()
            self.norm = gradient.norm()
            gradient.mul_(torch.clamp(1.0 / (self.norm + 1e-6), max=1.0))
        self._optimizer.step()
        with torch.no_grad():
            model.sync()
            keep = min(0.998, (self.steps + 1) / (self.steps + 10))
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
