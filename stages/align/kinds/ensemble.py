"""Several aligners as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self, assert_never

from pydantic import Field, model_validator

from pipeline.config import ConfigModel
from pipeline.schema import Link
from pipeline.task import Advance
from stages.align.context import AlignmentContext
from stages.align.kinds.member import LITTLE, MUCH, Choice, Combine, MemberConfig, Resolved
from stages.word_alignment.aligner import ASSERTED, Aligner, WordPair


class Ensemble(Aligner):
    """Combines the links of its members.

    Args:
        members: The aligners.
        combine: ``union`` (asserted by any; the largest probability), ``intersection`` (by all;
            the smallest), ``vote`` (by more than half) or ``mean`` (weighted mean probability, an
            absent link counting as 0, of at least 0.5). Links that miss the mark keep their
            probability, at most just below 0.5.
        weights: One per member, for ``mean`` and ``vote``.
        floor: Links of a smaller probability are left out.
    """

    def __init__(
        self,
        members: Sequence[Aligner],
        combine: Combine,
        weights: Sequence[float] | None = None,
        floor: float = ASSERTED,
    ) -> None:
        self._members = list(members)
        self._combine: Combine = combine
        self._weights = list(weights or [1.0] * len(self._members))
        self._floor = floor
        self.name = f"{combine}({', '.join(m.name for m in self._members)})"

    def _align(self, pairs: Sequence[WordPair], advance: Advance) -> list[list[Link]]:
        """Align sentence pairs (see :meth:`Aligner.align`)."""
        results = [m.align(pairs) for m in self._members[:-1]]
        results.append(self._members[-1].align(pairs, advance))
        return [
            combine(links, self._combine, self._weights, self._floor)
            for links in zip(*results, strict=True)
        ]


_BELOW = ASSERTED * (1 - 1e-6)


def combine(
    members: Sequence[Sequence[Link]], how: Combine, weights: Sequence[float], floor: float
) -> list[Link]:
    """Combine the links that several aligners gave one sentence pair (see :class:`Ensemble`)."""
    probs: dict[tuple[int, int], list[float]] = {}
    for index, links in enumerate(members):
        for link in links:
            key = (link.source, link.target)
            probs.setdefault(key, [0.0] * len(members))[index] = link.prob
    total = sum(weights)
    result = []
    for (source, target), given in sorted(probs.items()):
        mean = sum(w * p for w, p in zip(weights, given, strict=True)) / total
        if how == "mean":
            prob = mean
        elif how == "union":
            prob = max(given)
        elif how == "intersection":
            prob = min(given) if min(given) >= ASSERTED else min(mean, _BELOW)
        elif how == "vote":
            votes = sum(w for w, p in zip(weights, given, strict=True) if p >= ASSERTED)
            prob = max(mean, ASSERTED) if votes > total / 2 else min(mean, _BELOW)
        else:
            assert_never(how)
        if prob >= floor:
            result.append(Link(source, target, prob))
    return result


class EnsembleOptions(ConfigModel):
    """Options of ``ensemble``."""

    members: list[MemberConfig] = Field(min_length=2, description="the aligners")
    combine: Combine = Field("mean", description="how links of the members become one set")

    @model_validator(mode="after")
    def _weighed(self) -> Self:
        for name, words in (("weight", MUCH), ("weight_little", LITTLE)):
            if all(m.weight_at(words) == 0 for m in self.members):
                raise ValueError(f"members: every {name} is 0")
        statistical = [m for m in self.members if m.aligner == "statistical"]
        if any(m.weight_little is not None for m in self.members) and not statistical:
            raise ValueError("members: weight_little needs a member 'statistical'")
        if any(m.by_agreement for m in self.members) and not any(
            min(m.weight_at(LITTLE), m.weight_at(MUCH)) > 0 for m in statistical
        ):
            raise ValueError(
                "members: by_agreement needs a member 'statistical' of a weight above 0"
            )
        return self


class EnsembleOfAligners(Choice[EnsembleOptions]):
    """Several aligners that are named, as one."""

    about: ClassVar[str] = "several aligners as one: mean, vote, union or intersection of links"

    def resolve(self, context: AlignmentContext) -> Resolved:
        """Return the members."""
        return Resolved(tuple(self.options.members), self.options.combine)
