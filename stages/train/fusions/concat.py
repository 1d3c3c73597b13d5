"""``concat``: a linear map of the last layer and a lower one side by side."""

from __future__ import annotations

from typing import ClassVar

from stages.train.fusions.base import FusionKind, LayerOptions


class Fusion(FusionKind[LayerOptions]):
    """A linear map."""

    about: ClassVar[str] = "a linear map of the last layer and a lower one, from their mean on"
