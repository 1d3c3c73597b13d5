"""What happens during a training beside the updates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import save_model
from transformers import TrainerCallback

from pipeline.disk import written_whole


class BestWeights(TrainerCallback):
    """Keeps the best weights on disk, and stops when nothing has got better for a while.

    Its whole state is the history of evaluations, which is in every checkpoint.

    Args:
        folder: Where the weights go.
        patience: Stop after so many evaluations without gain.
        resumable: Whether there are checkpoints; older weights are then kept until the next one.

    Attributes:
        f1: The best score so far.
        step: The update that it was reached at.
    """

    def __init__(self, folder: Path, patience: int | None, resumable: bool) -> None:
        self._folder = folder
        self._patience = patience
        self._resumable = resumable
        self.f1: float | None = None
        self.step: int | None = None

    def file(self, step: int) -> Path:
        """Return the file of the weights of an update."""
        return self._folder / f"best-{step}.safetensors"

    def needed(self, history: list[dict[str, Any]]) -> list[Path]:
        """Return what a training with this history loads in the end, if it is not bettered."""
        _, step = best_of(history)
        return [] if step is None else [self.file(step)]

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take up where a checkpoint left off."""
        self.f1, self.step = best_of(state.log_history)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep the weights if they are the best; stop if nothing gets better."""
        step, before = int(state.global_step), self.step
        self.f1, self.step = best_of(state.log_history)
        if step == self.step != before and state.is_world_process_zero:
            self._folder.mkdir(parents=True, exist_ok=True)
            with written_whole(self.file(step)) as new:
                save_model(kwargs["model"], str(new))
            if not self._resumable:
                self._tidy()
        evaluated = [e["step"] for e in state.log_history if "eval_f1" in e]
        stale = sum(s > (self.step or 0) for s in evaluated)
        if self._patience is not None and stale >= self._patience:
            control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Delete weights that no checkpoint needs any more."""
        # Only now does a checkpoint know of the newer weights; the older ones may go.
        if state.is_world_process_zero:
            self._tidy()

    def _tidy(self) -> None:
        for path in self._folder.glob("best-*.safetensors"):
            if self.step is None or path != self.file(self.step):
                path.unlink()


def best_of(history: list[dict[str, Any]]) -> tuple[float | None, int | None]:
    """Return the best score of a history of evaluations, and the first update that reached it."""
    scored = [entry for entry in history if entry.get("eval_f1") is not None]
    best = max(scored, key=lambda entry: entry["eval_f1"], default={"eval_f1": None, "step": None})
    return best["eval_f1"], best["step"]
