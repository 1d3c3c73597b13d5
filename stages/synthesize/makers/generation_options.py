"""The options of the maker ``generation``, which its language models read, too."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.config import ConfigModel
from stages.translate.decoding import ComputeType


class GenerationConfig(ConfigModel):
    """How ``generation`` prompts a language model."""

    model: str | None = Field(
        None,
        description="causal or encoder-decoder model: folder or hub id; or a folder with "
        "endpoint.json; required",
    )
    backend: Literal["auto", "transformers", "ctranslate2"] = Field(
        "auto",
        description="ctranslate2: convert a checkpoint on first use; auto: CTranslate2 for a model "
        "that is converted already, else transformers",
    )
    compute_type: ComputeType = Field("int8", description="ctranslate2: precision")
    balance: bool = Field(
        False,
        description="ask for sentences so that all entity types are asked for alike, rare ones as "
        "often as the others",
    )
    shots: int = Field(4, ge=1, description="projected sentences shown in the prompt")
    max_new_tokens: int = Field(64, ge=4, description="longest answer in tokens")
    topk: int = Field(50, ge=0, description="sample from the k likeliest tokens; 0: from all")
    temperature: float = Field(0.9, gt=0, description="above 1 is more varied")
    batch_size: int = Field(8, ge=1, description="prompts per batch")
