"""Finds the stages by name; nothing is imported before it is asked for."""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Final

from pipeline.errors import ConfigError, suggest

if TYPE_CHECKING:
    from pipeline.config import StageConfig
    from pipeline.stage import Stage

STAGES: Final[tuple[str, ...]] = (
    "pretrain_encoder",
    "train_translator",
    "prepare",
    "translate",
    "align",
    "project",
    "synthesize",
    "train",
    "self_train",
    "predict",
    "evaluate",
    "report",
)
"""The stages in their order. Each is the package ``stages.<name>`` with a ``STAGE`` object."""


@cache
def stage(name: str) -> Stage:
    """Return a stage.

    Raises:
        ConfigError: If there is none of that name.
    """
    if name not in STAGES:
        raise ConfigError(
            f"no stage named {name!r}{suggest(name, STAGES)}; stages: {', '.join(STAGES)}"
        )
    found: Stage = importlib.import_module(f"stages.{name}").STAGE
    return found


def section_types() -> dict[str, type[StageConfig]]:
    """Return the type of each stage's section in a configuration."""
    return {name: stage(name).config_type for name in STAGES}
