"""Options of the stage ``sweep_fusion``; how its taggers are trained is said by ``train``."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from pipeline.config import StageConfig

Fusion = Literal["none", "dlfa_aif", "dlfa_sum", "concat", "scalar_mix"]

WITHOUT_LAYER: frozenset[str] = frozenset({"none", "scalar_mix"})
"""Kinds of fusion that have no fusion layer: trained once per seed."""


class SweepFusionConfig(StageConfig):
    """Which taggers are trained."""

    # Each of these says which trainings there are, and none of them what comes out of one.
    neutral: ClassVar[frozenset[str]] = frozenset({"fusions", "layers", "rounds", "keep_models"})

    fusions: list[Fusion] = Field(
        default=["none", "dlfa_aif"],
        min_length=1,
        description="kinds of fusion; 'none' is what the others are compared with",
    )
    layers: list[int] | None = Field(
        None,
        min_length=1,
        description="fusion layers; 0 is the embeddings, negative ones count from the end; "
        "default: every lower layer",
    )
    rounds: int = Field(
        10_000, ge=100, description="rounds of approximate randomisation, for the significance"
    )
    keep_models: bool = Field(
        False, description="keep the taggers beside their scores; otherwise only the scores stay"
    )

    @field_validator("fusions", "layers")
    @classmethod
    def _once(cls, value: list[object] | None) -> list[object] | None:
        if value is not None and len(set(value)) != len(value):
            raise ValueError(f"named twice: {value}")
        return value
