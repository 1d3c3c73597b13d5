"""The options of the makers; each is a section of ``synthesize`` that is called like its maker."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.config import ConfigModel
from stages.translate.decoding import ComputeType, DecodingConfig


class SamplingConfig(DecodingConfig):
    """How ``translation`` samples: top-k by default."""

    beam_size: int = Field(1, ge=1, description="beams; 1 with sampling")
    sampling_topk: int = Field(10, ge=0, description="sample from the k best; 0: from all")
    num_hypotheses: int = Field(2, ge=1, description="samples per source sentence")


class SubstitutionConfig(ConfigModel):
    """How ``substitution`` swaps entities."""

    share: float = Field(
        0.7, gt=0, le=1, description="chance that an entity is replaced (at least one always is)"
    )
    gazetteers: dict[str, str] = Field(
        default_factory=dict,
        description="text file per entity type, one entity a line; {lang} may stand in the path",
    )
    min_score: float = Field(
        0.0, ge=0, le=1, description="use projected spans with at least this score"
    )


class InfillingConfig(ConfigModel):
    """How ``infilling`` replaces context words by a masked language model's."""

    model: str | None = Field(None, description="folder or hub id; default: models.encoder")
    share: float = Field(0.2, gt=0, le=1, description="share of the context words to replace")
    topk: int = Field(20, ge=1, description="sample from the k likeliest words")
    temperature: float = Field(1.0, gt=0, description="above 1 is more varied")
    batch_size: int = Field(16, ge=1, description="sentences per batch")


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
