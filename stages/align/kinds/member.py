"""One aligner among several, with its weight."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from pipeline.kinded import Kind, KindedConfig, O_co
from pipeline.kinds import Kinds
from stages.align.context import AlignmentContext
from stages.align.kinds import ALIGNERS
from stages.align.kinds.base import AlignerKind

Combine = Literal["union", "intersection", "vote", "mean"]

LITTLE: Final = 600
MUCH: Final = 8_000
"""Source words to learn from between which a member's ``weight_little`` becomes its ``weight``."""


class MemberConfig(KindedConfig):
    """One aligner of an ensemble: its options, and its weight."""

    kinds: ClassVar[Mapping[str, Kinds[Any]]] = {"aligner": ALIGNERS}

    aligner: str = Field(description="which aligner")
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

    guides: bool = Field(
        False,
        description="with by_agreement: what it links in a sample of the pairs counts in favour of "
        "these translations where the member 'statistical' learns, as far as it is trusted",
    )

    @classmethod
    def allowed(cls, key: str) -> list[str]:
        """Return the aligners that are one aligner."""
        return [n for n in ALIGNERS if not issubclass(ALIGNERS[n], Choice)]

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        if self.by_agreement and not self.made.judged:
            which = [n for n in self.allowed("aligner") if self.kinds["aligner"][n].judged]
            raise ValueError(f"by_agreement is for {' and '.join(which)}, not {self.aligner!r}")
        if self.guides and not self.by_agreement:
            raise ValueError("guides needs by_agreement: an encoder may not know the languages")
        return self

    @property
    def made(self) -> AlignerKind[Any]:
        """The kind with its options."""
        kind: AlignerKind[Any] = self.kind("aligner")
        return kind

    def weight_at(self, words: int) -> float:
        """Return the weight where there are so many source words to learn from."""
        if self.weight_little is None:
            return self.weight
        way = math.log(max(words, LITTLE) / LITTLE) / math.log(MUCH / LITTLE)
        return self.weight_little + (self.weight - self.weight_little) * min(way, 1.0)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the options amount to.

    Attributes:
        members: The aligners.
        combine: How they are combined, if there are several.
    """

    members: tuple[MemberConfig, ...]
    combine: Combine = "mean"


class Choice(Kind[O_co]):
    """What stands for one or several aligners (``auto``, ``ensemble``)."""

    @abstractmethod
    def resolve(self, context: AlignmentContext) -> Resolved:
        """Return the aligners.

        Raises:
            ConfigError: If there are none that could be used.
        """
