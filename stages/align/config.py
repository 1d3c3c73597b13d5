"""The options of the stage ``align``."""

from __future__ import annotations

import math
from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from pipeline.config import ConfigModel, StageConfig
from stages._pretraining.sources import TextSource

SingleAligner = Literal[
    "simalign",
    "softmax",
    "translator",
    "statistical",
    "eflomal",
    "back_translation",
    "simalign_reference",
]
Combine = Literal["union", "intersection", "vote", "mean"]


LITTLE: Final = 600
MUCH: Final = 8_000
"""Source words to learn from between which a member's ``weight_little`` becomes its ``weight``."""


BY_AGREEMENT: Final[frozenset[SingleAligner]] = frozenset({"simalign", "softmax"})
"""Aligners that can be weighed by their agreement with ``statistical``."""


class AlignerOptions(ConfigModel):
    """What one aligner does; options that its kind does not have are ignored by it."""

    model: str | None = Field(
        None,
        description="encoder: local folder or hub id; default: models.encoder, and for "
        "aligners 'translator' and 'back_translation' the run's translator",
    )
    layer: int | None = Field(
        None,
        ge=0,
        description="encoder layer, 0 for the embeddings; default: two thirds of the way up (8 of "
        "12), the last for 'translator'",
    )
    method: Literal["inter", "itermax", "match", "forward", "reverse"] = Field(
        "inter", description="simalign: how links are chosen from the similarities"
    )
    token_type: Literal["bpe", "word"] = Field(
        "bpe", description="match subwords, or words (the mean of their subwords)"
    )
    distortion: float = Field(
        0.0, ge=0, le=1, description="simalign: damping of links far from the diagonal"
    )
    threshold: float = Field(
        0.001, gt=0, lt=1, description="softmax, translator: least probability in both directions"
    )
    dtype: Literal["float32", "bfloat16", "int8"] = Field(
        "float32", description="precision of the encoder"
    )
    backend: Literal["auto", "torch", "ctranslate2"] = Field(
        "auto",
        description="who computes the encoder; auto: torch, as the quickest; ctranslate2: on the "
        "CPU, float32 or int8, encoders of BERT's make",
    )


class MemberConfig(AlignerOptions):
    """One aligner of an ensemble."""

    aligner: SingleAligner
    weight: float = Field(
        1.0, ge=0, description="combine 'mean' and 'vote': its weight; 0: it is not asked"
    )
    weight_little: float | None = Field(
        None,
        ge=0,
        description="with a member 'statistical': the weight where that has at most "
        "600 source words to learn from; up to 8,000 it goes over into weight; default: weight",
    )
    by_agreement: bool = Field(
        False,
        description="simalign and softmax, with a member 'statistical': multiply the weight by how "
        "far the links agree with the statistical ones on these pairs (0 to 1)",
    )

    def weight_at(self, words: int) -> float:
        """Return the weight where there are so many source words to learn from."""
        if self.weight_little is None:
            return self.weight
        way = math.log(max(words, LITTLE) / LITTLE) / math.log(MUCH / LITTLE)
        return self.weight_little + (self.weight - self.weight_little) * min(way, 1.0)


class AlignConfig(AlignerOptions, StageConfig):
    """Options of ``align``."""

    aligner: Literal[SingleAligner, "auto", "ensemble"] = Field(
        "auto", description="who aligns; auto: the best of what is there, as measured"
    )
    members: list[MemberConfig] = Field(
        default_factory=list, description="the aligners of an ensemble"
    )
    combine: Combine = Field(
        "mean", description="ensemble: how links of its members become one set"
    )
    soft: bool = Field(
        True,
        description="also store links that were considered but not chosen, with a probability "
        "below 0.5; simalign_reference has none",
    )
    floor: float = Field(
        0.05, gt=0, lt=0.5, description="least probability of a link that is stored"
    )
    parallel: list[TextSource] = Field(
        default_factory=list,
        description="statistical, eflomal, back_translation: more sentence pairs to learn from; "
        "those in the languages at hand are used",
    )
    batch_tokens: int = Field(
        2048, ge=1, description="tokens that the encoder gets at once, padding included"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the encoder runs")

    # Batch size and device round differently in the last bits, so they are no neutral options.
    neutral: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="after")
    def _ensemble_has_members(self) -> Self:
        if self.aligner == "ensemble" and len(self.members) < 2:
            raise ValueError(
                f"aligner 'ensemble' needs two or more members, not {len(self.members)}"
            )
        if self.aligner != "ensemble" and self.members:
            raise ValueError(f"members are for aligner 'ensemble', not {self.aligner!r}")
        for name, words in (("weight", MUCH), ("weight_little", LITTLE)):
            if self.members and all(m.weight_at(words) == 0 for m in self.members):
                raise ValueError(f"members: every {name} is 0")
        if any(m.weight_little is not None for m in self.members) and all(
            m.aligner != "statistical" for m in self.members
        ):
            raise ValueError("members: weight_little needs a member 'statistical'")
        for member in self.members:
            if member.by_agreement and member.aligner not in BY_AGREEMENT:
                raise ValueError(
                    f"members: by_agreement is for simalign and softmax, not {member.aligner!r}"
                )
        if any(m.by_agreement for m in self.members) and not any(
            m.aligner == "statistical" and min(m.weight_at(LITTLE), m.weight_at(MUCH)) > 0
            for m in self.members
        ):
            raise ValueError(
                "members: by_agreement needs a member 'statistical' of a weight above 0"
            )
        return self

    def member(self, aligner: SingleAligner) -> MemberConfig:
        """Return these options as those of one aligner."""
        shared = {name: getattr(self, name) for name in AlignerOptions.model_fields}
        return MemberConfig(aligner=aligner, **shared)
