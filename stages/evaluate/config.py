"""Options of the comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from pipeline.config import StageConfig
from pipeline.kinded import KindedConfig
from pipeline.kinds import Kinds
from stages.arms import LIKE_AGAINST_LIKE
from stages.evaluate.metrics import METRICS

if TYPE_CHECKING:
    from stages.evaluate.metrics.base import Metric


class MetricConfig(KindedConfig):
    """A metric with its options."""

    kinds: ClassVar[Mapping[str, Kinds[Any]]] = {"metric": METRICS}
    by_name: ClassVar[bool] = True

    metric: str = Field(description="which metric")


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
    metrics: list[MetricConfig] = Field(
        default_factory=list,
        description="metrics to report beside strict F1: a name, or {metric: NAME, its options}",
    )

    @property
    def named_metrics(self) -> dict[str, Metric[Any]]:
        """The metrics by name; one that is there several times is numbered from its second on."""
        seen: Counter[str] = Counter()
        found = {}
        for one in self.metrics:
            seen[one.metric] += 1
            number = seen[one.metric]
            found[one.metric if number == 1 else f"{one.metric}-{number}"] = one.kind("metric")
        return found
