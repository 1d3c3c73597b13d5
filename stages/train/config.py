"""Options of the stage ``train``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from pipeline.config import ConfigModel, StageConfig
from pipeline.kinded import KindedConfig
from pipeline.kinds import Kinds
from stages.train.fusions import FUSIONS

if TYPE_CHECKING:
    from stages.train.fusions.base import FusionKind


class LoraOptions(ConfigModel):
    """Low-rank adapters (LoRA) instead of training the encoder's own weights."""

    rank: int = Field(16, ge=1, description="width of the adapters")
    alpha: int = Field(32, ge=1, description="their outputs are scaled by alpha / rank")
    dropout: float = Field(0.05, ge=0, lt=1, description="dropout in front of them")
    targets: Literal["all-linear"] | list[str] = Field(
        "all-linear", description="the linear layers that get one: all, or names: [query, value]"
    )
    save: Literal["merged", "adapter"] = Field(
        "merged",
        description="merged: a tagger like any other; adapter: a few megabytes that need the "
        "encoder they were made for",
    )


class TaggerOptions(StageConfig):
    """How a tagger is built and trained; shared by ``train`` and ``self_train``."""

    neutral: ClassVar[frozenset[str]] = frozenset({"checkpoint_steps", "report_to", "report_dir"})

    learning_rate: float | None = Field(
        None, gt=0, description="peak learning rate of the encoder; default: by its size"
    )
    head_learning_rate: float | None = Field(
        None, gt=0, description="learning rate of fusion and classifier; default: learning_rate"
    )
    layer_decay: float | None = Field(
        None,
        gt=0,
        le=1,
        description="layer-wise learning-rate decay (LLRD): factor per layer downwards; 1 is off; "
        "default: by the encoder's size",
    )
    freeze_embeddings: bool = Field(
        False,
        description="keep the embeddings as they are: no gradients and no optimiser state for the "
        "rows of a large vocabulary",
    )
    freeze_layers: int = Field(
        0,
        ge=0,
        description="keep the embeddings and the lowest N layers as they are; 0 trains everything",
    )
    lora: LoraOptions | None = Field(
        None,
        description="train low-rank adapters (extra lora) and what is above the encoder; for "
        "encoders too large to train whole",
    )
    dropout: float | None = Field(
        None, ge=0, lt=1, description="dropout in encoder and classifier; default: the encoder's"
    )
    weight_decay: float = Field(0.01, ge=0, description="AdamW weight decay")
    warmup: float = Field(0.1, ge=0, le=1, description="share of the updates with rising rate")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="learning rate after warm-up"
    )
    max_grad_norm: float = Field(1.0, ge=0, description="gradient clipping; 0 is off")
    batch_size: int = Field(32, ge=1, description="windows (sentences, as a rule) in a batch")
    gradient_accumulation: int = Field(1, ge=1, description="batches per update")
    epochs: float = Field(3.0, gt=0, description="passes over the training data")
    max_steps: int | None = Field(
        None, ge=1, description="number of updates; overrides epochs, makes arms comparable"
    )
    window: int | None = Field(
        256, ge=8, description="longest input in subwords; longer sentences are read in windows"
    )
    label_subwords: Literal["first", "all"] = Field(
        "first", description="subwords of a word that carry its label"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="auto: bfloat16 where it is quicker (GPUs, AMX, AMD's AVX512-bf16), "
        "float32 elsewhere; weights stay in float32",
    )
    select: Literal["source_dev", "target_dev", "last"] = Field(
        "source_dev",
        description="what the best weights are chosen on; target_dev is not zero-shot (the report "
        "says so); last: keep the final weights",
    )
    calibrate: bool = Field(
        True,
        description="fit a temperature on the sentences that the weights are chosen on, so that "
        "scores of entities are the share of them that is right",
    )
    least_temperature: float = Field(
        1.35,
        gt=0,
        description="calibrate: the least temperature, as source dev does not show how much too "
        "sure a tagger is in other languages; what is fitted on target_dev may be lower",
    )
    evaluations: int = Field(5, ge=1, description="evaluations on the dev set during training")
    patience: int | None = Field(
        None, ge=1, description="stop after so many evaluations without gain; default: never"
    )
    dev_sentences: int | None = Field(
        2000, ge=1, description="use the first N dev sentences (of each language) for selection"
    )
    checkpoint_steps: int | None = Field(
        None,
        ge=0,
        description="updates between checkpoints for resuming; 0: none; default: as evaluations",
    )
    report_to: list[Literal["tensorboard", "wandb", "mlflow"]] = Field(
        default_factory=list, description="experiment trackers of transformers' Trainer"
    )
    report_dir: str = Field("tensorboard", description="folder of TensorBoard's files")


class TrainConfig(KindedConfig, TaggerOptions):
    """Options of the stage ``train``: the head, the data mix, and training."""

    kinds: ClassVar[Mapping[str, Kinds[Any]]] = {"fusion": FUSIONS}
    # Which inputs a tagger has, sources decides.
    neutral: ClassVar[frozenset[str]] = TaggerOptions.neutral | {"sources"}

    fusion: str = Field(
        "dlfa_aif", description="layer fusion of the fused arms (last-layer arms have none)"
    )
    per_language: bool = Field(
        False, description="one tagger per target language instead of a joint one"
    )
    sources: list[str] | None = Field(
        None,
        min_length=1,
        description="the source languages that a tagger learns from, gold and projected; default: "
        "all of them",
    )
    source_weight: float = Field(1.0, ge=0, description="loss weight of gold source sentences")
    projected_weight: float = Field(1.0, ge=0, description="loss weight of projected sentences")
    weight_by_score: bool = Field(
        False, description="multiply a projected sentence's weight by its lowest span score"
    )
    gold_sentences: int | None = Field(
        None,
        ge=0,
        description="arms with gold target data (few_shot, few_shot_projected, supervised): see so "
        "many sentences of each language, drawn by the training seed, balanced over the types; "
        "default: all",
    )
    gold_repeat: float = Field(
        1.0,
        ge=0,
        description="how often a gold target sentence is seen per pass; few_shot, "
        "few_shot_projected: 10",
    )
    source_repeat: float = Field(
        1.0, ge=0, description="how often a source sentence is seen per pass; 0.5: half of them"
    )
    projected_repeat: float = Field(
        1.0, ge=0, description="how often a projected sentence is seen per pass"
    )

    def fusion_kind(self) -> FusionKind[Any]:
        """Return the fusion, with its options."""
        found: FusionKind[Any] = self.kind("fusion")
        return found
