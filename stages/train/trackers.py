"""Experiment trackers: which of them are installed, and where their runs end.

Imports nothing heavy.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
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


def close_trackers(names: Sequence[str]) -> None:
    """End the run in Weights & Biases, so that the next training of this process gets its own."""
    wandb: Any = sys.modules.get("wandb") if "wandb" in names else None
    if wandb is not None and wandb.run is not None:
        wandb.finish()
