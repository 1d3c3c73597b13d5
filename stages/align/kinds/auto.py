"""``auto``: the best of what is there, as measured (docs/alignment.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, Final, NamedTuple

from pipeline.errors import ConfigError
from stages.align.context import AlignmentContext, Resource
from stages.align.kinds import ALIGNERS
from stages.align.kinds.member import Choice, MemberConfig, Resolved
from stages.align.setting import EncoderOptions


class Share(NamedTuple):
    """One aligner of a rule: its weight, and that with little text, see :class:`MemberConfig`.

    What reads an encoder is weighed by agreement: no encoder knows all languages. It may guide the
    statistics.
    """

    aligner: str
    weight: float
    little: float | None = None
    guides: bool = False
    options: Mapping[str, Any] = MappingProxyType({})

    def member(self, options: EncoderOptions) -> MemberConfig:
        """Return it as a member of an ensemble, with those of the options that it has."""
        kind: Any = ALIGNERS[self.aligner]
        given = dict(self.options)
        # A model or layer that is named is an encoder's.
        if kind.needs == "encoder":
            given |= options.model_dump(include=options.model_fields_set)
        return MemberConfig(
            aligner=self.aligner,
            weight=self.weight,
            weight_little=self.little,
            by_agreement=kind.judged,
            guides=self.guides,
            **given,
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of what ``auto`` chooses.

    Attributes:
        needs: What must be there.
        members: The aligners.
    """

    needs: frozenset[Resource]
    members: tuple[Share, ...]


_COSINES: Final = MappingProxyType({"temperature": 0.05, "center": True, "space_marks": False})

AUTO: Final[tuple[Rule, ...]] = (
    Rule(
        frozenset({"narrow_encoder"}),
        (
            Share("statistical", 1.0),
            Share("softmax", 0.75, little=4.0, guides=True, options=_COSINES),
        ),
    ),
    Rule(frozenset({"large_encoder"}), (Share("softmax", 1.0), Share("statistical", 0.5))),
    Rule(
        frozenset({"translator", "encoder"}),
        (Share("statistical", 1.0), Share("translator", 0.2), Share("simalign", 0.0, little=1.2)),
    ),
    Rule(
        frozenset({"translator"}),
        (Share("statistical", 1.0), Share("translator", 0.2, little=0.6)),
    ),
    Rule(frozenset({"encoder"}), (Share("statistical", 1.0), Share("simalign", 0.2, little=1.2))),
    Rule(frozenset(), (Share("statistical", 1.0),)),
)
"""The rules of ``auto``; the first whose needs are met is taken. Figures: docs/alignment.md."""


class AutoAligner(Choice[EncoderOptions]):
    """Chooses by :data:`AUTO`; its options are those that every aligner with an encoder has."""

    about: ClassVar[str] = "the best of what is there: the encoder, the translator, statistics"

    def resolve(self, context: AlignmentContext) -> Resolved:
        """Return the aligners of the first rule whose needs are met.

        Raises:
            ConfigError: If there is none, or an option would go to none of its aligners.
        """
        options = self.options
        if options.model is not None:
            context = replace(context, encoder=options.model)
        # A model that the user names is one to be used, whatever its size.
        has = cache(context.has)
        named = options.model is not None and has("encoder")
        fitting = (
            r
            for r in AUTO
            if all(has(need) or (named and need == "large_encoder") for need in r.needs)
        )
        rule = next(fitting, None)
        if rule is None:
            raise ConfigError("align.aligner: auto finds no aligner that it could use; name one")
        members = tuple(share.member(options) for share in rule.members)
        for key in _without_taker(options, members):
            names = ", ".join(m.aligner for m in members)
            raise ConfigError(
                f"align.{key}: auto takes {names} here, and none of them reads an encoder; "
                f"leave it out, or name an aligner that has {key}"
            )
        return Resolved(members)


def _without_taker(options: EncoderOptions, members: tuple[MemberConfig, ...]) -> Iterator[str]:
    for key in sorted(options.model_fields_set):
        if not any(key in m.chosen("aligner").model_fields_set for m in members):
            yield key
