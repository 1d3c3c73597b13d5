"""Options of the stage ``predict``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.config import StageConfig


class PredictConfig(StageConfig):
    """How taggers are applied."""

    source_test: bool = Field(
        True, description="label data.source_test too, where it is named, beside data.test"
    )
    constrained: bool = Field(
        True,
        description="decode into the most probable valid IOB2 sequence (Viterbi); false: the most "
        "probable label of each word",
    )
    batch_tokens: int | None = Field(
        None, ge=16, description="most subwords in a batch; default: 1024, on a GPU 32768"
    )
    window: int | None = Field(
        None, ge=8, description="longest input in subwords; default: that of training"
    )
    overlap: int | None = Field(
        None, ge=0, description="subwords that windows of a long sentence share; default: a quarter"
    )
    dtype: Literal["float32", "bfloat16", "auto"] = Field(
        "auto",
        description="precision; auto: bfloat16 where it is quicker (as in "
        "training), float32 elsewhere; float32: the same on every machine",
    )
