"""``dlfa_sum``: the sum of the last layer and a lower one."""

from __future__ import annotations

from typing import ClassVar

from stages.train.fusions.base import FusionKind, LayerOptions


class Fusion(FusionKind[LayerOptions]):
    """A sum."""

    about: ClassVar[str] = "the sum of the last layer and a lower one"
