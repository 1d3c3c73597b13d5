"""Options of `pretrain_encoder`."""

from __future__ import annotations

from pydantic import Field, model_validator

from model_recipes.shared.config import PretrainingConfig, check_length
from pipeline.config import ConfigModel


class BertShape(ConfigModel):
    """Size of the model; the defaults make about 2.1M parameters with 7,000 subwords."""

    width: int = Field(128, gt=0, description="width of the hidden states")
    heads: int = Field(4, gt=0, description="attention heads")
    feed_forward: int = Field(512, gt=0, description="width of the feed-forward layers")
    layers: int = Field(6, gt=0, description="number of layers")
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="while pre-training; the saved configuration asks for 0.1 when fine-tuning",
    )
    max_positions: int = Field(256, gt=8, description="longest input in subwords")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> BertShape:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")
        return self


class ObjectiveConfig(ConfigModel):
    """What is learnt from. The three shares are relative to each other."""

    monolingual: float = Field(
        0.3,
        ge=0,
        description="masked LM on single sentences, of the monolingual text and of "
        "the sides of pairs",
    )
    translation: float = Field(
        0.3,
        ge=0,
        description="translation LM: both sides in one row, masked; positions start"
        " anew on the second side",
    )
    alignment: float = Field(
        0.4,
        ge=0,
        description="both sides in rows of their own, masked; linked words must find each other",
    )
    mask: float = Field(0.15, gt=0, lt=1, description="share of the subwords that are masked")
    translation_mask: float = Field(
        0.25, gt=0, lt=1, description="the same where both sides stand in one row"
    )
    alignment_layer: int = Field(
        4, ge=0, description="hidden layer that is compared; 0 is the embedding layer"
    )
    alignment_weight: float = Field(
        0.5, ge=0, description="weight of the alignment loss beside that of the masked words"
    )
    alignment_temperature: float = Field(
        0.1, gt=0, description="temperature of the softmax over similarities"
    )
    concatenate: float = Field(
        0.0,
        ge=0,
        le=1,
        description="of the rows of aligned pairs: how many get one to three "
        "further pairs behind the first, so that words are told apart "
        "in longer sentences than the corpus has",
    )
    linked_pairs: int = Field(
        100_000,
        gt=0,
        description="pairs per language that the word links are learnt from and kept for",
    )
    link_probability: float = Field(
        0.5, gt=0, le=1, description="the least probability of a link that is learnt from"
    )
    shift_positions: float = Field(
        0.1,
        ge=0,
        le=1,
        description="rows that start at a random position, so that the late "
        "positions are trained too",
    )


class PretrainEncoderConfig(PretrainingConfig):
    """A BERT-shaped encoder with a cased WordPiece over all the languages of the corpus."""

    subwords: int = Field(7000, gt=0, description="size of the vocabulary, in subwords")
    shape: BertShape = Field(BertShape(), description="size of the model")
    objective: ObjectiveConfig = Field(ObjectiveConfig(), description="what is learnt from")
    batch_tokens: int = Field(4000, gt=0, description="subwords per batch, padding included")
    shard_examples: int = Field(
        30_000, gt=0, description="examples that are prepared and shuffled together"
    )
    max_subwords: int = Field(128, gt=8, description="longer rows are left out, and counted")

    @model_validator(mode="after")
    def _fits(self) -> PretrainEncoderConfig:
        check_length(self.max_subwords, self.max_subwords, self.shape.max_positions)
        if self.objective.alignment_layer > self.shape.layers:
            raise ValueError(
                f"objective.alignment_layer {self.objective.alignment_layer} does not exist; "
                f"the shape has layers 0 to {self.shape.layers}"
            )
        return self
