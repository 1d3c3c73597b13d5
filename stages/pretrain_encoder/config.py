"""Options of `pretrain_encoder`."""

from __future__ import annotations

from pydantic import Field, model_validator

from pipeline.config import ConfigModel
from stages._pretraining.config import PretrainingConfig, check_length


class BertShape(ConfigModel):
    """Size of the model; the defaults make about 2.1M parameters with 7,000 pieces."""

    width: int = Field(128, gt=0)
    heads: int = Field(4, gt=0)
    feed_forward: int = Field(512, gt=0)
    layers: int = Field(6, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1)
    """While pre-training; the saved configuration asks for 0.1 when fine-tuning."""
    max_positions: int = Field(256, gt=8)

    @model_validator(mode="after")
    def _heads_divide_width(self) -> BertShape:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")
        return self


class ObjectiveConfig(ConfigModel):
    """What is learnt from. The three shares are relative to each other."""

    monolingual: float = Field(0.3, ge=0)
    """Masked LM on single sentences, of the monolingual text and of the sides of pairs."""
    translation: float = Field(0.3, ge=0)
    """Translation LM: both sides in one row, masked; positions start anew on the second side."""
    alignment: float = Field(0.4, ge=0)
    """Both sides in rows of their own, masked; linked words must find each other."""
    mask: float = Field(0.15, gt=0, lt=1)
    translation_mask: float = Field(0.25, gt=0, lt=1)
    alignment_layer: int = Field(4, ge=0)
    """Hidden layer that is compared; 0 is the embedding layer."""
    alignment_weight: float = Field(0.5, ge=0)
    alignment_temperature: float = Field(0.1, gt=0)
    concatenate: float = Field(0.0, ge=0, le=1)
    """Of the rows of aligned pairs: how many get one to three further pairs behind the first, so
    that words are told apart in longer sentences than the corpus has."""
    linked_pairs: int = Field(100_000, gt=0)
    """Pairs per language that the word links are learnt from and kept for."""
    link_probability: float = Field(0.5, gt=0, le=1)
    """The least probability of a link that is learnt from."""
    shift_positions: float = Field(0.1, ge=0, le=1)
    """Rows that start at a random position, so that the late positions are trained too."""


class PretrainEncoderConfig(PretrainingConfig):
    """A BERT-shaped encoder with a cased WordPiece over all the languages of the corpus."""

    pieces: int = Field(7000, gt=0)
    shape: BertShape = BertShape()
    objective: ObjectiveConfig = ObjectiveConfig()
    batch_tokens: int = Field(4000, gt=0)
    shard_examples: int = Field(30_000, gt=0)
    max_pieces: int = Field(128, gt=8)
    """Longer rows are left out, and counted."""

    @model_validator(mode="after")
    def _fits(self) -> PretrainEncoderConfig:
        check_length(self.max_pieces, self.max_pieces, self.shape.max_positions)
        if self.objective.alignment_layer > self.shape.layers:
            raise ValueError(
                f"objective.alignment_layer {self.objective.alignment_layer} does not exist; "
                f"the shape has layers 0 to {self.shape.layers}"
            )
        return self
