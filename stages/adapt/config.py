"""Options of the stage ``adapt``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from pipeline.config import StageConfig

Text = Literal["unlabelled", "synthetic", "translations", "source"]


class AdaptConfig(StageConfig):
    """Options of ``adapt``."""

    text: list[Text] = Field(
        [],
        description="train the encoder on this text before taggers start from it, by masked-LM; "
        "unlabelled: data.unlabelled, synthetic: what synthesize makes, translations: data.train "
        "translated, source: data.train itself; empty: leave the encoder as it is",
    )
    max_steps: int = Field(500, ge=1, description="updates")
    batch_size: int = Field(32, ge=1, description="sentences per update")
    learning_rate: float = Field(5e-5, gt=0, description="peak rate; linear warmup and decay")
    warmup: float = Field(0.1, ge=0, le=1, description="share of the updates until the peak")
    weight_decay: float = Field(0.01, ge=0, description="of the weights")
    masked: float = Field(0.15, gt=0, lt=1, description="share of the subwords to be guessed")
    max_length: int = Field(128, ge=8, description="longest sentence in subwords; rest is cut off")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 where it is quicker on the machine"
    )
    checkpoint_steps: int = Field(
        200, ge=1, description="updates between checkpoints, from which a stopped run continues"
    )

    @field_validator("text")
    @classmethod
    def _once(cls, value: list[Text]) -> list[Text]:
        return list(dict.fromkeys(value))
