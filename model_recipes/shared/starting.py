"""What a training starts from: a vocabulary and weights, its own or those of a saved model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from transformers import PreTrainedModel

from model_recipes.shared.config import PretrainingConfig
from pipeline.disk import write_atomic
from pipeline.errors import ModelError


def keep_vocabulary(
    path: Path, config: PretrainingConfig, file: str, learn: Callable[[], bytes]
) -> None:
    """Puts the vocabulary of a training where a later call finds it; what is there stays.

    Args:
        path: Where.
        config: If it starts from a saved model, the vocabulary is that model's.
        file: Its name in the folder of a saved model.
        learn: Makes a new one.

    Raises:
        ModelError: If the saved model has no such file.
    """
    if path.exists():
        return
    if config.start_from is None:
        data = learn()
    else:
        try:
            data = (config.start_from / file).read_bytes()
        except OSError as error:
            raise ModelError(
                f"start_from: the vocabulary in {config.start_from} cannot be read: {error}"
            ) from error
    write_atomic(path, data)


def start_model(
    model: PreTrainedModel,
    config: PretrainingConfig,
    checkpoint: Path,
    embeddings: Callable[[], None],
) -> None:
    """Gives the model its first weights, unless a checkpoint is about to replace them.

    Args:
        model: The model, with random weights.
        config: Says where they come from.
        checkpoint: Of an earlier call.
        embeddings: Puts co-occurrence vectors in place of random embeddings.

    Raises:
        ModelError: If ``start_from`` holds no model of the same class and shape.
    """
    if checkpoint.exists():
        return
    if config.start_from is not None:
        _take_over(model, config.start_from)
    elif config.embeddings == "cooccurrence":
        embeddings()


def _take_over(model: PreTrainedModel, folder: Path) -> None:
    try:
        saved = type(model).from_pretrained(str(folder), dtype=torch.float32).state_dict()
    except (OSError, ValueError) as error:
        raise ModelError(f"start_from: {folder} cannot be loaded: {error}") from error
    fresh = model.state_dict()
    differing = [
        f"{name} is {tuple(saved[name].shape) if name in saved else 'missing'}, "
        f"not {tuple(value.shape)}"
        for name, value in fresh.items()
        if name not in saved or saved[name].shape != value.shape
    ]
    if differing:
        raise ModelError(
            f"start_from: {folder} has another shape than the configuration asks for "
            f"({'; '.join(differing[:3])}); give the shape and the number of layers of that model"
        )
    model.load_state_dict(saved)
