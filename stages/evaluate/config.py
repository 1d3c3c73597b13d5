"""Options of the comparison."""

from __future__ import annotations

from pydantic import Field

from pipeline.config import StageConfig
from stages.arms import LIKE_AGAINST_LIKE


class EvaluateConfig(StageConfig):
    """How scores are compared."""

    resamples: int = Field(
        1000, ge=100, description="bootstrap resamples of the sentences, for the intervals"
    )
    rounds: int = Field(
        10_000, ge=100, description="rounds of approximate randomisation, for the significance"
    )
    confidence: float = Field(0.95, gt=0.5, lt=1.0, description="coverage of the intervals")
    alpha: float = Field(
        0.05, gt=0.0, lt=0.5, description="family-wise error rate of the Holm correction"
    )
    pairs: list[tuple[str, str]] = Field(
        default=list(LIKE_AGAINST_LIKE),
        description="pairs of arms to compare; those with an arm that the run lacks are left out; "
        "where none are named, an arm of your own is also compared with the one that it is like",
    )
