"""``dlfa_aif``: attentive fusion of the last layer and a lower one (arXiv 2205.08497)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from stages.train.fusions.base import FusionKind, LayerOptions


class AifOptions(LayerOptions):
    """Options of ``dlfa_aif``."""

    aif_ratio: float = Field(0.25, gt=0, le=8, description="inner width of AIF, relative")
    aif_norm: Literal["layer", "none"] = Field("layer", description="norm inside AIF")
    aif_dropout: float = Field(0.0, ge=0, lt=1, description="dropout inside AIF")
    aif_last_share: float = Field(
        0.5, gt=0, lt=1, description="weight of the last layer that AIF starts from"
    )


class Fusion(FusionKind[AifOptions]):
    """Attentive fusion."""

    about: ClassVar[str] = "a gate per subword and dimension between the last layer and a lower one"
