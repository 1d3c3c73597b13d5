"""Options of `train_translator`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from model_recipes.shared.config import PretrainingConfig, check_length
from pipeline.config import ConfigModel
from stages.text_sources import TextSource


class MarianShape(ConfigModel):
    """Size of the model; the defaults make about 2.4M parameters with 6,000 subwords."""

    width: int = Field(160, gt=0, description="width of the hidden states")
    heads: int = Field(5, gt=0, description="attention heads")
    feed_forward: int = Field(512, gt=0, description="width of the feed-forward layers")
    encoder_layers: int = Field(4, gt=0, description="layers of the encoder")
    decoder_layers: int = Field(1, gt=0, description="layers of the decoder")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout while training")
    max_positions: int = Field(256, gt=8, description="longest input in subwords")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> MarianShape:
        if self.width % self.heads or self.width % 2:
            raise ValueError(
                f"width {self.width} must be even and a multiple of heads {self.heads}"
            )
        return self


class AugmentationConfig(ConfigModel):
    """How pairs are varied on the fly; each option is a share of the examples between 0 and 1."""

    substitute_names: float = Field(
        0.6, ge=0, le=1, description="of the pairs that share a name: how many get other names"
    )
    invented_names: float = Field(
        0.4, ge=0, le=1, description="of the names put in: how many are invented"
    )
    substitute_places: float = Field(
        0.5,
        ge=0,
        le=1,
        description="of the pairs with a place of the lists places: how many get other places",
    )
    name_lists: float = Field(
        0.03, ge=0, le=1, description="examples that are only names and figures"
    )
    templates: float = Field(
        0.02,
        ge=0,
        le=1,
        description="examples that are lines of news written by us, filled in with names",
    )
    concatenate: float = Field(
        0.25,
        ge=0,
        le=1,
        description="short pairs that are joined with others, for longer sentences",
    )
    chain_words: int = Field(
        60,
        ge=12,
        description="joined pairs have up to about so many words on the side of the pivot language",
    )
    slots: float = Field(
        0.08,
        ge=0,
        le=1,
        description="pairs with numbered slots in the place of names: translate.markers: replace",
    )
    tags: float = Field(
        0.25, ge=0, le=1, description="pairs with phrases in tags: translate.markers: xml"
    )
    datelines: float = Field(0.015, ge=0, le=1, description="pairs that begin with a dateline")
    upper_case: float = Field(
        0.02, ge=0, le=1, description="pairs written in capitals, like headlines"
    )
    spaced_punctuation: float = Field(
        0.04, ge=0, le=1, description="sources tokenised with spaces, as in labelled corpora"
    )

    @property
    def marks(self) -> bool:
        """Whether the translator learns tags or slots, which are subwords of their own."""
        return self.tags > 0 or self.slots > 0


class TrainTranslatorConfig(PretrainingConfig):
    """A Marian-shaped model for all directions between the pivot and each other language."""

    gazetteer: tuple[TextSource, ...] = Field(
        (),
        description="labelled text whose entities are put into the pairs; without "
        "it no names are replaced",
    )
    places: tuple[Path, ...] = Field(
        (),
        description="lists of places in several languages, "
        "english<TAB>language<TAB>name<TAB>kind, of the kinds city and "
        "country (territories): they are put into the pairs, each side "
        "in its language",
    )
    shape: MarianShape = Field(MarianShape(), description="size of the model")
    augmentation: AugmentationConfig = Field(
        AugmentationConfig(), description="sentence pairs that are made of others"
    )
    into_pivot_share: float = Field(
        0.35, ge=0, le=1, description="share of the examples that translate into the pivot language"
    )
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="label smoothing")
    batch_tokens: int = Field(3000, gt=0, description="subwords per batch, padding included")
    shard_examples: int = Field(
        40_000, gt=0, description="examples drawn, augmented and bucketed at a time"
    )
    max_subwords: int = Field(200, gt=0, description="longer examples are left out, and counted")

    @model_validator(mode="after")
    def _positions_suffice(self) -> TrainTranslatorConfig:
        check_length(self.max_subwords, self.max_subwords + 2, self.shape.max_positions)
        return self
