"""A lean training loop with a time or step budget and checkpoints that survive `kill -9`.

Training data comes in *shards*: shard `n` is computed from `(seed, n)` alone, so that a resumed
run sees exactly the batches an uninterrupted one would have seen.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import BaseModel, Field, model_validator

from pipeline.capacity import share
from pipeline.config import ConfigModel
from pipeline.disk import sync_folder, whole_file
from pipeline.errors import ConfigError, DataError, XlnerError
from stages.machine import has_bfloat16, torch_device

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)
BatchT = TypeVar("BatchT")
Progress = Callable[[dict[str, float]], None]


NEUTRAL_OPTIONS = {"checkpoint_minutes", "log_every", "threads"}
"""Fields of `LoopConfig` that do not change the result."""


class LoopConfig(ConfigModel):
    """Budget, optimiser and bookkeeping of a training."""

    max_steps: int | None = Field(
        None, gt=0, description="number of updates; default: until max_minutes"
    )
    max_minutes: float | None = Field(
        None,
        gt=0,
        description="training time, without the preparation; it adds up over interruptions",
    )
    learning_rate: float = Field(7e-4, gt=0, description="peak learning rate")
    warmup_steps: int = Field(600, ge=0, description="updates with rising learning rate")
    final_learning_rate_ratio: float = Field(
        0.05, ge=0, le=1, description="learning rate at the end, as a share of the peak"
    )
    weight_decay: float = Field(0.01, ge=0, description="AdamW weight decay")
    max_grad_norm: float = Field(1.0, gt=0, description="gradient clipping")
    checkpoint_minutes: float = Field(3.0, gt=0, description="minutes between checkpoints")
    log_every: int = Field(100, gt=0, description="updates between lines of the log")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the model is trained")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto",
        description="auto is bf16 on a GPU and on processors with AMX or "
        "AMD's AVX512-bf16, fp32 elsewhere",
    )
    threads: int | None = Field(
        None, gt=0, description="threads of torch; default: as torch sets them"
    )

    @model_validator(mode="after")
    def _has_budget(self) -> LoopConfig:
        if self.max_steps is None and self.max_minutes is None:
            raise ValueError("give a budget: max_steps, max_minutes, or both")
        return self


class TrainingState(BaseModel):
    """Where a training stands."""

    step: int = 0
    shard: int = 0
    batch: int = 0
    """The next batch within the shard."""
    seconds: float = 0.0
    targets: int = 0
    """Positions with a loss, so far."""
    loss_sum: float = 0.0
    loss_count: int = 0
    """Losses since the last entry of `losses`, and their number."""
    losses: list[tuple[int, float]] = []
    """`(step, mean loss since the entry before)`, once every `log_every` steps."""


class CheckpointMismatchError(XlnerError):
    """The checkpoint in the work folder belongs to another configuration."""


def uses_bf16(config: LoopConfig, device: torch.device) -> bool:
    """Whether forward passes run under bf16 autocast."""
    if config.precision != "auto":
        return config.precision == "bf16"
    return has_bfloat16(device.type)


def learning_rate_factor(config: LoopConfig, step: int, seconds: float) -> float:
    """Linear warm-up over steps, then a half cosine over whichever budget is nearer its end."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    done = 0.0
    if config.max_minutes is not None:
        done = seconds / (60 * config.max_minutes)
    if config.max_steps is not None:
        span = max(1, config.max_steps - config.warmup_steps)
        done = max(done, (step - config.warmup_steps) / span)
    floor = config.final_learning_rate_ratio
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def run_training(
    model: torch.nn.Module,
    make_shard: Callable[[int], Sequence[BatchT]],
    loss_of: Callable[[BatchT, torch.device], tuple[torch.Tensor, int]],
    config: LoopConfig,
    *,
    checkpoint: Path,
    fingerprint: str,
    seed: int,
    progress: Progress | None = None,
) -> TrainingState:
    """Trains `model` in place until the budget is used up; continues from `checkpoint` if there.

    Args:
        model: Trained in fp32; the forward pass runs under autocast where bf16 pays.
        make_shard: Gives the batches of shard `n`, deterministically.
        loss_of: Gives the mean loss of a batch and the number of positions it is the mean of.
        config: Budget and optimiser.
        checkpoint: File that holds the state; its folder must exist.
        fingerprint: Of everything that decides the result; kept in the checkpoint.
        seed: For dropout.
        progress: Called with step, loss, rate and learning rate every `log_every` steps.

    Raises:
        ConfigError: If the device is not there, or the loss is no longer a number.
        CheckpointMismatchError: If the checkpoint was made under another fingerprint.
    """
    import torch

    device = torch.device(torch_device(config.device))
    bf16 = uses_bf16(config, device)
    model.to(device).train()
    decayed = [p for p in model.parameters() if p.requires_grad and p.dim() >= 2]
    plain = [p for p in model.parameters() if p.requires_grad and p.dim() < 2]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, config.learning_rate, betas=(0.9, 0.98), fused=True)
    torch.manual_seed(seed)
    state = TrainingState()
    if checkpoint.exists():
        state = _restore(checkpoint, fingerprint, model, optimizer, device)
        logger.info("continuing from step %d (%s)", state.step, checkpoint)

    def save() -> None:
        payload = {
            "fingerprint": fingerprint,
            "state": state.model_dump(),
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if device.type == "cuda" else [],
        }
        with whole_file(checkpoint) as file:
            torch.save(payload, file)
        sync_folder(checkpoint.parent)

    with nullcontext() if config.threads is None else share(config.threads):
        clock = time.monotonic()
        last_saved = state.seconds
        window_start, window_targets = state.seconds, 0
        for batch in _batches(make_shard, state):
            # Time for building shards counts too: it is time the user waits for.
            now = time.monotonic()
            state.seconds += now - clock
            clock = now
            if _spent(config, state):
                break
            factor = learning_rate_factor(config, state.step, state.seconds)
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * factor
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
                loss, targets = loss_of(batch, device)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            state.step += 1
            state.batch += 1
            state.targets += targets
            state.loss_sum += loss.detach().float().item()
            state.loss_count += 1
            window_targets += targets
            if state.step % config.log_every == 0:
                mean = state.loss_sum / state.loss_count
                if not math.isfinite(mean):
                    raise ConfigError(
                        f"loss is {mean} at step {state.step}; lower loop.learning_rate "
                        f"({config.learning_rate:g})"
                    )
                elapsed = state.seconds + time.monotonic() - clock
                state.losses.append((state.step, mean))
                if progress is not None:
                    rate = window_targets / max(1e-9, elapsed - window_start)
                    progress(
                        {
                            "step": state.step,
                            "seconds": elapsed,
                            "loss": mean,
                            "targets_per_second": rate,
                            "learning_rate": config.learning_rate * factor,
                        }
                    )
                state.loss_sum, state.loss_count = 0.0, 0
                window_start, window_targets = elapsed, 0
            if state.seconds - last_saved > 60 * config.checkpoint_minutes:
                save()
                last_saved = state.seconds
        save()
    model.eval()
    return state


def _batches(
    make_shard: Callable[[int], Sequence[BatchT]], state: TrainingState
) -> Iterator[BatchT]:
    while True:
        shard = make_shard(state.shard)
        if not shard:
            raise DataError(f"shard {state.shard} of the training data is empty")
        for index in range(state.batch, len(shard)):
            yield shard[index]
        state.shard, state.batch = state.shard + 1, 0


def _spent(config: LoopConfig, state: TrainingState) -> bool:
    if config.max_steps is not None and state.step >= config.max_steps:
        return True
    return config.max_minutes is not None and state.seconds >= 60 * config.max_minutes


def _restore(
    checkpoint: Path,
    fingerprint: str,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
) -> TrainingState:
    import torch

    payload = torch.load(checkpoint, map_location="cpu", weights_only=True)
    if payload["fingerprint"] != fingerprint:
        raise CheckpointMismatchError(
            f"{checkpoint} was made with another configuration, seed or text; "
            "remove it to start anew, or restore the old configuration to continue"
        )
    model.load_state_dict(payload["model"])
    optimizer.load_state_dict(payload["optimizer"])
    torch.set_rng_state(payload["rng"])
    if device.type == "cuda" and payload["cuda_rng"]:
        torch.cuda.set_rng_state_all(payload["cuda_rng"])
    return TrainingState.model_validate(payload["state"])
