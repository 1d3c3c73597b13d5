"""Experiment trackers: which of them are installed, and where their runs begin and end.

Imports nothing heavy.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Final

_PACKAGES: Final = {
    "tensorboard": ("tensorboard", "tensorboardX"),
    "wandb": ("wandb",),
    "mlflow": ("mlflow",),
}


def missing_trackers(names: Sequence[str]) -> list[str]:
    """Return what to tell the user of each tracker whose package is not installed."""
    return [
        f"{name!r} needs the package {_PACKAGES[name][0]}, which is not installed: "
        f"pip install {_PACKAGES[name][0]}, or leave {name!r} out"
        for name in names
        if not any(map(_importable, _PACKAGES[name]))
    ]


def _importable(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # a module without a spec, already imported
        return package in sys.modules


@contextmanager
def tensorboard_folder(folder: str) -> Iterator[None]:
    """Let the Trainer that is built inside log for TensorBoard into ``folder``.

    The library reads the folder from the environment; each training has one of its own.
    """
    name = "TENSORBOARD_LOGGING_DIR"
    before = os.environ.get(name)
    os.environ[name] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def close_trackers(names: Sequence[str]) -> None:
    """End the run in Weights & Biases, so that the next training of this process gets its own."""
    wandb: Any = sys.modules.get("wandb") if "wandb" in names else None
    if wandb is not None and wandb.run is not None:
        wandb.finish()
