"""The metrics that there are beside strict F1, by name; one module each.

Strict F1 (seqeval) is always there: it is what arms are compared by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pipeline.kinds import Kinds

if TYPE_CHECKING:
    from stages.evaluate.metrics.base import Metric

METRICS: Final[Kinds[type[Metric[Any]]]] = Kinds(
    "metric",
    "xlner.metrics",
    {
        "exact": "stages.evaluate.metrics.exact:Exact",
        "partial": "stages.evaluate.metrics.partial:Partial",
        "type": "stages.evaluate.metrics.type:Type",
    },
)
