"""``none``: the last layer alone."""

from __future__ import annotations

from typing import ClassVar

from pipeline.kinded import NoOptions
from stages.train.fusions.base import FusionKind


class Fusion(FusionKind[NoOptions]):
    """No fusion."""

    about: ClassVar[str] = "the last layer as it is"
