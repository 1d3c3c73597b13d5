"""How many sentences and entities are left after each stage, from source to training data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from pipeline.artifacts import Artifact
    from stages.inspect.statistics import ProjectionStatistics


class FunnelStep(BaseModel):
    """What is left after one stage.

    Attributes:
        stage: Name of the stage.
        what: What is counted, in words.
        sentences: Sentences that are left.
        entities: Entities that are left, where they are known.
        dropped: Sentences dropped here, by reason.
    """

    model_config = ConfigDict(extra="forbid")

    stage: str
    what: str
    sentences: int
    entities: int | None = None
    dropped: dict[str, int] = {}


def funnel(artifacts: Mapping[str, Artifact], projected: ProjectionStatistics) -> list[FunnelStep]:
    """Return the steps of one language.

    Args:
        artifacts: The outputs of that language by stage, as far as there are any: ``prepare`` (the
            source training data), ``translate``, ``align``, ``project``, ``synthesize``.
        projected: Counts over the projected rows.
    """
    steps: list[FunnelStep] = []
    if "prepare" in artifacts:
        steps.append(
            FunnelStep(
                stage="prepare",
                what="labelled source sentences",
                sentences=artifacts["prepare"].num_rows,
                entities=projected.spans.source,
            )
        )
    for stage, what in (("translate", "translated"), ("align", "aligned")):
        if stage in artifacts:
            dropped = artifacts[stage].manifest.drops.get("rows", {})
            left = artifacts[stage].num_rows - sum(dropped.values())
            steps.append(FunnelStep(stage=stage, what=what, sentences=left, dropped=dropped))
    steps.append(
        FunnelStep(
            stage="project",
            what="projected sentences kept for training",
            sentences=projected.kept,
            entities=projected.spans.used,
            dropped=projected.dropped,
        )
    )
    if "synthesize" in artifacts:
        synthetic = artifacts["synthesize"]
        dropped = synthetic.manifest.drops.get("rows", {})
        steps.append(
            FunnelStep(
                stage="synthesize",
                what="synthetic sentences kept (added)",
                sentences=synthetic.num_rows - sum(dropped.values()),
                dropped=dropped,
            )
        )
    return steps
