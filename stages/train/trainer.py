"""The Trainer of a tagger: planned batches, span F1 on words for choosing the weights."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_model
from torch.utils.data import DataLoader
from transformers import Trainer
from transformers.trainer_callback import PrinterCallback

from pipeline.capacity import environment
from pipeline.engine.memory import libraries_aside
from pipeline.progress import Progress
from pipeline.schema import Span
from stages.hf_training import (
    ProgressBar,
    last_checkpoint,
    training_arguments,
)
from stages.quiet import quiet
from stages.tagger.calibration import fit_temperature
from stages.tagger.encoding import WordEncoder
from stages.tagger.inference import tokens_per_batch, word_distributions
from stages.tagger.labels import LabelSet, span_f1
from stages.tagger.modeling import LayerFusedForTokenClassification
from stages.train.callbacks import BestWeights
from stages.train.config import TaggerOptions
from stages.train.data import IGNORED, TrainingSet, plan_batches
from stages.train.frozen import FrozenPrefix
from stages.train.loss import tagging_loss
from stages.train.optimisation import parameter_groups
from stages.train.trackers import close_trackers


@dataclass(slots=True)
class TrainingResult:
    """What a training did.

    Attributes:
        steps: Updates done.
        planned_steps: Updates planned; more than ``steps`` after early stopping.
        best_step: The update whose weights were kept.
        best_f1: Span F1 on the selection set there; ``None`` without one.
        history: What was logged: losses, learning rates, evaluations.
        counts: Counters of the training data.
        precision: ``float32`` or ``bfloat16``.
        device: Where it ran.
        processes: How many trained together.
        learning_rate: Peak rate of the encoder.
        layer_decay: Factor per layer downwards.
        temperature: What calibrates the scores: fitted on the selection set, and no less than
            ``least_temperature`` if that is of the source language.
    """

    steps: int
    planned_steps: int
    best_step: int
    best_f1: float | None
    history: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    precision: str = "float32"
    device: str = "cpu"
    processes: int = 1
    learning_rate: float = 0.0
    layer_decay: float = 1.0
    temperature: float = 1.0


class DevSet:
    """The sentences that weights are chosen on, encoded once.

    Args:
        dev: Words and gold spans.
        words: What encodes them.
        label_set: The labels.
        all_subwords: Average over the subwords of a word instead of taking its first.
    """

    def __init__(
        self,
        dev: Sequence[tuple[Sequence[str], Sequence[Span]]],
        words: WordEncoder,
        label_set: LabelSet,
        all_subwords: bool,
    ) -> None:
        self._words = words
        self._label_set = label_set
        self._all_subwords = all_subwords
        self._gold = [spans for _, spans in dev]
        self._subwords = words.encode([w for w, _ in dev])
        self._windows = words.windows(self._subwords)

    def score(self, model: torch.nn.Module, autocast: torch.dtype | None) -> dict[str, float]:
        """Return precision, recall and F1 of a model, in that precision if one is given."""
        probs = self._distributions(model, autocast)
        return span_f1(self._label_set.decode(probs, self._subwords.sentences), self._gold)

    def temperature(self, model: torch.nn.Module, autocast: torch.dtype | None) -> float:
        """Return the temperature that calibrates the scores of a model."""
        probs = self._distributions(model, autocast)
        return fit_temperature(probs, self._subwords.sentences, self._gold, self._label_set)

    def _distributions(
        self, model: torch.nn.Module, autocast: torch.dtype | None
    ) -> NDArray[np.float32]:
        device = next(model.parameters()).device
        training = model.training
        model.eval()
        probs = word_distributions(
            model,
            self._words,
            self._subwords,
            self._windows,
            neutral=self._label_set.neutral,
            all_subwords=self._all_subwords,
            batch_tokens=tokens_per_batch(device),
            batch_size=256,
            autocast=autocast,
        )
        model.train(training)
        return probs


class TaggerTrainer(Trainer):
    """A Trainer whose batches are planned ahead and whose evaluation is span F1 on words.

    Args:
        model: The tagger.
        data: Training data.
        selection: What to evaluate on, if anything.
        options: Hyper-parameters.
        work_dir: For checkpoints.
        seed: For order and dropout.
        temperature: For soft labels.
        title: Name of the run in trackers.
    """

    control: Any
    optimizer: Any

    def __init__(
        self,
        model: LayerFusedForTokenClassification,
        data: TrainingSet,
        selection: DevSet | None,
        options: TaggerOptions,
        work_dir: Path,
        *,
        seed: int,
        temperature: float = 1.0,
        title: str = "train",
    ) -> None:
        if options.learning_rate is None or options.layer_decay is None:
            raise ValueError("the learning rates must be settled first: presets.resolved")
        self._options = options
        self._rate, self._decay = options.learning_rate, options.layer_decay
        self._data = data
        self._net = model
        self._selection = selection
        self._temperature = temperature
        self._checkpoints = work_dir / "checkpoints"
        self._seed = seed
        per_update = options.batch_size * options.gradient_accumulation
        world = int(os.environ.get("WORLD_SIZE", "1"))
        self.planned = options.max_steps or math.ceil(
            options.epochs * len(data) / (per_update * world)
        )
        evaluate_every = max(1, math.ceil(self.planned / options.evaluations))
        save_every = options.checkpoint_steps
        if save_every is None:
            save_every = evaluate_every
        arguments = training_arguments(
            self._checkpoints,
            self.planned,
            seed,
            save_steps=save_every,
            warmup=options.warmup,
            precision=options.precision,
            per_device_train_batch_size=options.batch_size,
            gradient_accumulation_steps=options.gradient_accumulation,
            learning_rate=self._rate,
            weight_decay=options.weight_decay,
            lr_scheduler_type=(
                "constant_with_warmup" if options.schedule == "constant" else options.schedule
            ),
            max_grad_norm=options.max_grad_norm,
            eval_strategy="steps" if selection else "no",
            eval_steps=evaluate_every if selection else None,
            report_to=list(options.report_to) or "none",
            run_name=title,
            remove_unused_columns=False,
        )
        # Each training has a folder of its own, which the library reads from there.
        with environment({"TENSORBOARD_LOGGING_DIR": str(Path(options.report_dir) / title)}):
            super().__init__(
                model=model,
                args=arguments,
                train_dataset=data,
                eval_dataset=data if selection else None,  # asked for, never used: see evaluate()
            )
        self.remove_callback(PrinterCallback)
        # Batches come with their number of labelled subwords, over which the loss is averaged.
        self.model_accepts_loss_kwargs = True
        self.best = BestWeights(work_dir, options.patience, bool(save_every))
        self.add_callback(self.best)

    def run(self, progress: Progress) -> TrainingResult:
        """Train, from the last checkpoint if there is one, and load the chosen weights."""
        data = self._data
        with progress.task(str(self.args.run_name), total=self.planned, unit="updates") as bar:
            self.add_callback(ProgressBar(bar))
            try:
                with quiet(), libraries_aside(), self._above_frozen_layers():
                    begun = last_checkpoint(self._checkpoints, self.best.needed)
                    self.train(resume_from_checkpoint=begun)
            finally:
                close_trackers(self._options.report_to)
        steps = int(self.state.global_step)
        best_f1: float | None = None
        best_step = steps
        if self._selection and self.best.step is not None:
            best_f1, best_step = self.best.f1, self.best.step
            self.accelerator.wait_for_everyone()  # the first process writes the file
            load_model(self._net, self.best.file(best_step))  # copied to where the model is
        return TrainingResult(
            steps=steps,
            planned_steps=self.planned,
            best_step=best_step,
            best_f1=best_f1,
            history=[_without_times(e) for e in self.state.log_history if "train_loss" not in e],
            counts={**data.counts, "windows": len(data)},
            precision="bfloat16" if self.args.bf16 else "float32",
            device=describe_device(self.args.device),
            processes=self.args.world_size,
            learning_rate=self._rate,
            layer_decay=self._decay,
        )

    def _above_frozen_layers(self) -> contextlib.AbstractContextManager[None]:
        """Have layers that do not learn computed once per sentence, if there are any."""
        layers = self._options.freeze_layers
        if not layers:
            return contextlib.nullcontext()
        batch = self._data.batch(range(min(2, len(self._data))))
        device = self.args.device
        sample = {k: batch[k].to(device) for k in ("input_ids", "attention_mask")}
        prefix = FrozenPrefix(self._net, layers, sample)
        return prefix.replaced(torch.bfloat16 if self.args.bf16 else None)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the planned batches of the whole training."""
        data = self._data
        batches = (
            self.planned * self.args.gradient_accumulation_steps * max(1, self.args.world_size)
        )
        plan = plan_batches(data.lengths, self._options.batch_size, batches, self._seed)
        loader: Any = DataLoader(
            range(len(data)),  # type: ignore[arg-type]
            batch_sampler=_Plan(plan, self._options.batch_size),
            collate_fn=data.batch,
            pin_memory=self.args.dataloader_pin_memory,
        )
        prepared: DataLoader[Any] = self.accelerator.prepare(loader)
        return prepared

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Return the loss per labelled subword of the update (see ``stages.train.loss``)."""
        labels = inputs.pop("labels")
        weights, soft = inputs.pop("weights", None), inputs.pop("soft", None)
        outputs = model(**inputs)
        loss = tagging_loss(outputs.logits, labels, weights, soft, self._temperature)
        items = (labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
        loss = loss / torch.as_tensor(items, device=loss.device).clamp(min=1)
        if num_items_in_batch is not None and self.args.average_tokens_across_devices:
            loss = loss * max(1, self.args.world_size)  # gradients are averaged over processes
        return (loss, outputs) if return_outputs else loss

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Score the model on the selection set: precision, recall and F1, with ``eval_``."""
        if self._selection is None:
            return {}
        autocast = torch.bfloat16 if self.args.bf16 else None
        scores = self._selection.score(self._net, autocast)
        metrics = {f"eval_{k}": v for k, v in scores.items()}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """Build the optimiser with learning rates by depth."""
        if self.optimizer is None:
            target: Any = self.model if model is None else model
            kind, kwargs = self.get_optimizer_cls_and_kwargs(self.args, target)
            kwargs.pop("lr", None)
            rate = self._rate
            groups = parameter_groups(
                target,
                set(self.get_decay_parameter_names(target)),
                learning_rate=rate,
                head_learning_rate=self._options.head_learning_rate or rate,
                layer_decay=self._decay,
                weight_decay=self._options.weight_decay,
            )
            self.optimizer = kind(groups, lr=rate, **kwargs)
        return self.optimizer

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Return 0: counting walks over all parameters at every step, and nobody reads it."""
        return 0


class _Plan:
    """A batch sampler that yields planned batches."""

    def __init__(self, plan: Sequence[Any], batch_size: int) -> None:
        self._plan = plan
        self.batch_size = batch_size
        self.drop_last = False

    def __len__(self) -> int:
        return len(self._plan)

    def __iter__(self) -> Any:
        return (batch.tolist() for batch in self._plan)


def describe_device(device: torch.device | str) -> str:
    """Return the name of a device for a manifest."""
    where = torch.device(device)
    return torch.cuda.get_device_name(where) if where.type == "cuda" else where.type


_TIMES = ("runtime", "per_second", "total_flos")


def _without_times(entry: Mapping[str, Any]) -> dict[str, Any]:
    # The same training must write the same file.
    return {k: v for k, v in entry.items() if not any(word in k for word in _TIMES)}
