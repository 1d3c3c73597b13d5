"""The options of the stage ``synthesize``."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from pipeline.config import ConfigModel, StageConfig
from stages.translate.config import ComputeType, DecodingConfig

MakerName = Literal["translation", "substitution", "infilling", "generation"]


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
        None, description="causal or encoder-decoder model: folder or hub id; required"
    )
    backend: Literal["auto", "transformers", "ctranslate2"] = Field(
        "auto",
        description="ctranslate2: convert a checkpoint on first use; auto: CTranslate2 for a model "
        "that is converted already, else transformers",
    )
    compute_type: ComputeType = Field("int8", description="ctranslate2: precision")
    shots: int = Field(4, ge=1, description="projected sentences shown in the prompt")
    max_new_tokens: int = Field(64, ge=4, description="longest answer in tokens")
    topk: int = Field(50, ge=0, description="sample from the k likeliest tokens; 0: from all")
    temperature: float = Field(0.9, gt=0, description="above 1 is more varied")
    batch_size: int = Field(8, ge=1, description="prompts per batch")


class GateConfig(ConfigModel):
    """The quality gate. Every measure can be switched off with ``null``."""

    min_words: int = Field(3, ge=1, description="sentences of fewer words are dropped")
    max_words: int = Field(150, ge=1, description="sentences of more words are dropped")
    language: float | None = Field(
        0.5, ge=0, le=1, description="smallest probability of the target language (py3langid)"
    )
    language_min_chars: int = Field(
        50, ge=1, description="shorter texts are not judged: identification is a guess there"
    )
    length_ratio: float | None = Field(
        2.5, gt=1, description="largest deviation from the maker's median length ratio, as a factor"
    )
    repetition: float | None = Field(
        0.4, ge=0, le=1, description="largest share of repeated word pairs"
    )
    near_duplicate: float | None = Field(
        0.8, gt=0, le=1, description="smallest Jaccard similarity of near duplicates"
    )
    test_overlap: float = Field(
        0.7, gt=0, le=1, description="similarity to an evaluation sentence that counts as overlap"
    )
    round_trip: float | None = Field(
        None,
        gt=0,
        le=1,
        description="smallest similarity to what translating back gives (needs a translator for "
        "both directions; a third slower, see docs/synthetic.md)",
    )
    perplexity: float | None = Field(
        None, gt=1, description="largest pseudo-perplexity under infilling.model (slow)"
    )


class SynthesizeConfig(StageConfig):
    """Options of ``synthesize``."""

    sentences: int = Field(
        4000, ge=0, description="sentences per language to make (before the gate)"
    )
    weights: dict[MakerName, float] = Field(
        default={"translation": 2.0, "substitution": 1.0},
        description="share of each maker in the sentences, relative to each other",
    )
    unlabelled: int | None = Field(
        None,
        ge=0,
        description="use at most so many real sentences of data.unlabelled beside the synthetic "
        "ones (pseudo-labels by CROP's recipe use all of them)",
    )
    translation: SamplingConfig = Field(
        SamplingConfig(), description="options of the maker translation"
    )
    substitution: SubstitutionConfig = Field(
        SubstitutionConfig(), description="options of the maker substitution"
    )
    infilling: InfillingConfig = Field(
        InfillingConfig(), description="options of the maker infilling"
    )
    generation: GenerationConfig = Field(
        GenerationConfig(), description="options of the maker generation"
    )
    gate: GateConfig = Field(GateConfig(), description="the quality gate")

    neutral: ClassVar[frozenset[str]] = frozenset()
    deciding: ClassVar[frozenset[str]] = frozenset({"gate"})

    @field_validator("weights")
    @classmethod
    def _weights(cls, value: dict[MakerName, float]) -> dict[MakerName, float]:
        if any(w < 0 for w in value.values()):
            raise ValueError("weights cannot be negative")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if "generation" in self.makers and not self.generation.model:
            raise ValueError("the maker generation needs generation.model")
        return self

    @property
    def makers(self) -> dict[MakerName, int]:
        """Number of sentences that each maker is asked for, makers with none left out."""
        total = sum(self.weights.values())
        if not total:
            return {}
        counts = {name: round(self.sentences * w / total) for name, w in self.weights.items()}
        return {name: n for name, n in counts.items() if n}

    def identity(self) -> dict[str, object]:
        """Return the options that decide the result."""
        found = super().identity()
        found["translation"] = self.translation.identity()
        return found
