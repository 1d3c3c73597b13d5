"""The stages of xlner, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipeline.kinds import Kinds
from pipeline.registry import Registry

if TYPE_CHECKING:
    from pipeline.config import RunConfig
    from pipeline.stage import Stage


def _base() -> type[RunConfig]:
    from stages.experiment import Experiment

    return Experiment


_STAGES: Final[Kinds[Stage]] = Kinds(
    "stage",
    "xlner.stages",
    {
        name: f"stages.{name}:STAGE"
        for name in (
            "prepare",
            "external",
            "translate",
            "align",
            "project",
            "synthesize",
            "adapt",
            "train",
            "self_train",
            "predict",
            "evaluate",
            "report",
        )
    },
)

STAGES: Final = Registry(_STAGES, _base)
"""The stages of xlner, each the package ``stages.<name>`` with a ``STAGE`` object, and after them
those of other packages: entry points of the group ``xlner.stages``, which name such an object."""
