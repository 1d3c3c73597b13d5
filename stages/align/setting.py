"""What goes for every aligner, and the options of those that read an encoder's states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.config import ConfigModel

if TYPE_CHECKING:
    from stages.align.remembered import StateMemory


@dataclass(frozen=True, slots=True)
class Setting:
    """What the section ``align`` and the run say for every aligner.

    Attributes:
        source: Language of the source words, if known.
        target: Language of the target words, if known.
        device: ``auto``, ``cpu`` or ``cuda``.
        batch_tokens: Tokens that an encoder gets at once.
        kept: The least probability of a link that what is learnt must know of.
        floor: The least probability of a link that is handed out; ``ASSERTED``: none that was
            considered but not chosen.
        memory: While aligners learn: keeps what an encoder computes.
    """

    source: str | None
    target: str | None
    device: str
    batch_tokens: int
    kept: float
    floor: float
    memory: StateMemory | None = None


class LayerOptions(ConfigModel):
    """Which states of which model."""

    model: str | None = Field(
        None,
        description="local folder or hub id; default: models.encoder, and models.translator for "
        "the aligner translator",
    )
    layer: int | None = Field(
        None,
        ge=0,
        description="encoder layer, 0 for the embeddings; default: by family (docs/alignment.md), "
        "the last for the aligner translator",
    )
    token_type: Literal["bpe", "word"] = Field(
        "bpe", description="match subwords, or words (the mean of their subwords)"
    )


class EncoderOptions(LayerOptions):
    """Which states, and how exactly."""

    dtype: Literal["auto", "float32", "bfloat16", "int8"] = Field(
        "auto",
        description="precision of the encoder; auto: bfloat16 where the GPU or the processor has "
        "it, float32 elsewhere; float32: the same on every machine",
    )
    center: bool = Field(
        False,
        description="take each language's mean, learnt from a sample of the pairs, off its states",
    )
    space_marks: bool = Field(
        True,
        description="match subwords that stand for a space alone (▁ before a comma), as simalign",
    )
    fine_tune: int = Field(
        0,
        ge=0,
        description="let the encoder learn the links found at first before it aligns, so many "
        "passes over a sample of the pairs; each half of them learns for the other",
    )
