"""``scalar_mix``: a learned weighted sum of all layers (Peters et al. 2018)."""

from __future__ import annotations

from typing import ClassVar

from pipeline.kinded import NoOptions
from stages.train.fusions.base import FusionKind


class Fusion(FusionKind[NoOptions]):
    """A weighted sum."""

    about: ClassVar[str] = "a learned softmax-weighted sum of all layers"
