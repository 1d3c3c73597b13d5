"""The stages of xlner, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipeline.registry import Registry

if TYPE_CHECKING:
    from pipeline.config import RunConfig


def _base() -> type[RunConfig]:
    from stages.experiment import Experiment

    return Experiment


STAGES: Final = Registry(
    (
        "pretrain_encoder",
        "train_translator",
        "prepare",
        "external",
        "translate",
        "align",
        "project",
        "synthesize",
        "train",
        "self_train",
        "predict",
        "evaluate",
        "report",
    ),
    base=_base,
)
"""The stages of xlner. Each is the package ``stages.<name>`` with a ``STAGE`` object."""
