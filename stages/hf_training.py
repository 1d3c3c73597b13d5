"""What all trainings with transformers' Trainer share: progress, checkpoints, precision."""

from __future__ import annotations

import json
import logging
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from transformers import TrainerCallback, TrainingArguments

from stages.machine import fastest_precision

_log = logging.getLogger(__name__)
_NEEDED: Final = ("model.safetensors", "optimizer.pt", "scheduler.pt")
"""Without the last two the Trainer would go on with a new optimiser, and say nothing."""


class ProgressBar(TrainerCallback):
    """Moves a progress bar.

    Args:
        bar: The bar.
    """

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._remarks: dict[str, str] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take up where a checkpoint left off."""
        self._bar.advance(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Count an update."""
        self._bar.advance(1)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Show loss and score beside the bar."""
        logs: Mapping[str, float] = kwargs.get("logs") or {}
        for key, name in (("loss", "loss"), ("eval_f1", "dev F1")):
            if key in logs:
                self._remarks[name] = f"{logs[key]:.3f}"
        self._bar.note(", ".join(f"{k} {v}" for k, v in self._remarks.items()))


def last_checkpoint(
    folder: Path, beside: Callable[[list[dict[str, Any]]], list[Path]] = lambda history: []
) -> str | None:
    """Return the newest complete checkpoint in ``folder``, or ``None``; others are deleted.

    ``trainer_state.json`` is written last; a checkpoint whose state does not parse was cut short.
    One of which a power cut or a copy has cut or lost a file is warned of: it was complete.

    Args:
        folder: Where the checkpoints are.
        beside: Says which other files one needs, by its history.
    """
    complete: list[tuple[int, Path]] = []
    for path in sorted(folder.glob("checkpoint-*")):
        try:
            state = json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
            files = {*path.iterdir(), *(path / name for name in _NEEDED)}
            files |= set(beside(state["log_history"]))
            cut = next((f for f in sorted(files) if not _is_whole(f)), None)
            if cut is not None:
                _log.warning(
                    "%s is damaged or missing: training does not go on from this checkpoint", cut
                )
        except (FileNotFoundError, ValueError):
            cut = path
        if cut is None:
            complete.append((int(state["global_step"]), path))
        else:  # the Trainer would keep it and delete new ones, whose numbers are smaller
            shutil.rmtree(path, ignore_errors=True)
    return str(max(complete)[1]) if complete else None


def _is_whole(path: Path) -> bool:
    """Whether a file is there, and one of weights or of torch has its end."""
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, "pt"):
                return True
        except (FileNotFoundError, SafetensorError):
            return False
    return path.suffix not in (".pt", ".pth", ".bin") or zipfile.is_zipfile(path)


def training_arguments(
    folder: Path,
    steps: int,
    seed: int,
    *,
    save_steps: int,
    warmup: float,
    precision: str,
    **more: Any,
) -> TrainingArguments:
    """Return the arguments of a training.

    Args:
        folder: For checkpoints.
        steps: Updates.
        seed: For order and dropout.
        save_steps: Updates between checkpoints; 0: none.
        warmup: Share of the updates with rising rate.
        precision: ``float32``, ``bfloat16``, or ``auto``: the latter where the machine has it.
        **more: Arguments of this training.
    """
    if precision == "auto":
        precision = fastest_precision("auto")
    on_gpu = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        warmup_steps=round(warmup * steps),
        seed=seed,
        bf16=precision == "bfloat16",
        use_cpu=not on_gpu,
        save_strategy="steps" if save_steps else "no",
        save_steps=save_steps or 1,
        save_total_limit=1,
        logging_steps=max(1, steps // 20),
        disable_tqdm=True,
        dataloader_pin_memory=on_gpu,
        **more,
    )
