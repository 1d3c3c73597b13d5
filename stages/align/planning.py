"""From options to a plan: what ``auto`` means, and which aligner takes which model."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from pipeline.errors import ConfigError, ModelError
from pipeline.models import ModelSource, locate
from stages.align.config import (
    BY_AGREEMENT,
    AlignConfig,
    Combine,
    MemberConfig,
    SingleAligner,
)

Resource = Literal["encoder", "large_encoder", "translator"]

# From this width on, an encoder is taken for one that was pre-trained on a large corpus, whose
# alignments beat those of statistics (multilingual BERT has 768); small ones stay far behind.
_LARGE_WIDTH: Final = 512

# What an aligner draws on beside the sentence pairs.
_NEEDS: Final[Mapping[SingleAligner, Resource | None]] = {
    "simalign": "encoder",
    "softmax": "encoder",
    "simalign_reference": "encoder",
    "translator": "translator",
    "eflomal": None,
    "back_translation": "translator",
    "statistical": None,
}
CORPUS_ALIGNERS: Final[frozenset[SingleAligner]] = frozenset(
    {"statistical", "eflomal", "back_translation"}
)
"""Aligners that learn from the whole corpus before they align a row."""


class Share(NamedTuple):
    """One aligner of a rule: its weight, and that with little text, see :class:`MemberConfig`.

    What reads an encoder is weighed by agreement: no encoder knows all languages.
    """

    aligner: SingleAligner
    weight: float
    little: float | None = None

    def member(self, options: AlignConfig) -> MemberConfig:
        """Return it as a member of an ensemble, with the other options of ``options``."""
        own = options.member(self.aligner)
        update: dict[str, Any] = {
            "weight": self.weight,
            "weight_little": self.little,
            "by_agreement": self.aligner in BY_AGREEMENT,
        }
        if _NEEDS[self.aligner] == "translator":
            # A model or layer that is named is an encoder's.
            update |= {"model": None, "layer": None}
        return own.model_copy(update=update)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of what ``auto`` chooses.

    Attributes:
        needs: What must be there.
        members: The aligners.
        combine: How they are combined.
    """

    needs: frozenset[Resource]
    members: tuple[Share, ...]
    combine: Combine = "mean"


AUTO: Final[tuple[Rule, ...]] = (
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


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run or a command offers to an aligner.

    Attributes:
        source: Language of the source words, if known.
        target: Language of the target words, if known.
        encoder: Name of the encoder.
        translator: Name of the translator.
        config_dir: Folder of the config file.
    """

    source: str | None
    target: str | None
    encoder: str | None = None
    translator: str | None = None
    config_dir: Path | None = None

    def has(self, resource: Resource) -> bool:
        """Whether an aligner that needs ``resource`` could work."""
        name = self.translator if resource == "translator" else self.encoder
        if name is None:
            return False
        try:
            model = locate(name, self.config_dir)
            if resource == "encoder":
                return True
            if resource == "large_encoder":
                # What is not on this machine yet is on the hub, where the large ones are.
                width = (model.config or {}).get("hidden_size", _LARGE_WIDTH)
                return bool(width >= _LARGE_WIDTH)
            return model.path is not None and translator_problem(model, self) is None
        except ModelError:
            return False


def eflomal_installed() -> bool:
    """Whether the optional package is there (nothing is imported)."""
    return importlib.util.find_spec("eflomal") is not None


def translator_problem(model: ModelSource, around: Surroundings) -> str | None:
    """Return why the encoder of a translator cannot take both languages, or ``None``."""
    from stages.translate.codes import Languages

    if around.source is None or around.target is None:
        return "aligner 'translator' must be told the languages of both sides"
    if model.path is None:
        return None
    try:
        languages = Languages(model.path, model.name)
    except ModelError as error:
        return str(error)
    for lang in (around.source, around.target):
        if languages.code(lang) is None:
            available = ", ".join(languages.available()) or "one direction only"
            return f"{model.name} does not know {lang!r} as a language to read; it has: {available}"
    return None


def back_translation_problem(model: ModelSource, around: Surroundings) -> str | None:
    """Return why a translator cannot translate targets back, or ``None``."""
    from stages.translate.codes import direction_problem

    if around.source is None or around.target is None:
        return "aligner 'back_translation' must be told the languages of both sides"
    return direction_problem(model.name, model.path, around.target, around.source)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the options amount to.

    Attributes:
        members: The aligners.
        combine: How they are combined, if there are several.
    """

    members: tuple[MemberConfig, ...]
    combine: Combine

    @property
    def corpus_members(self) -> list[MemberConfig]:
        """The members that learn from the corpus first."""
        return [m for m in self.members if m.aligner in CORPUS_ALIGNERS]


def resolve(config: AlignConfig, around: Surroundings) -> Resolved:
    """Return the aligners that the options ask for.

    Raises:
        ConfigError: If ``auto`` finds nothing that it could use.
    """
    if config.aligner == "ensemble":
        return Resolved(tuple(config.members), config.combine)
    if config.aligner != "auto":
        return Resolved((config.member(config.aligner),), config.combine)
    if config.model is not None:
        around = Surroundings(
            around.source, around.target, config.model, around.translator, around.config_dir
        )
    # A model that the user names is one to be used, whatever its size.
    has = cache(around.has)
    named = config.model is not None and has("encoder")
    for rule in AUTO:
        if all(has(r) or (named and r == "large_encoder") for r in rule.needs):
            members = tuple(share.member(config) for share in rule.members)
            return Resolved(members, rule.combine)
    raise ConfigError("align.aligner: auto finds no aligner that it could use; name one")


def model_name(member: MemberConfig, around: Surroundings) -> str | None:
    """Return the name of the model that an aligner takes, or ``None`` if it takes none.

    Raises:
        ConfigError: If it needs one and none is named.
    """
    need = _NEEDS[member.aligner]
    if need not in ("encoder", "translator"):
        return None
    name = member.model or (around.encoder if need == "encoder" else around.translator)
    if name is None:
        raise ConfigError(
            f"align.model: aligner {member.aligner!r} needs a model, and models.{need} names none"
        )
    return name


@dataclass(frozen=True, slots=True)
class Part:
    """One aligner, ready to be built: its options and the folder of its model."""

    options: MemberConfig
    folder: Path | None


@dataclass(frozen=True, slots=True)
class Plan:
    """An aligner, ready to be built in any process."""

    parts: tuple[Part, ...]
    combine: Combine
    source: str | None
    target: str | None
    device: str
    batch_tokens: int
    soft: bool
    floor: float


def plan(config: AlignConfig, around: Surroundings) -> Plan:
    """Resolve the options and fetch the models.

    Raises:
        ConfigError: If the options cannot be met.
        ModelError: If a model is missing.
    """
    resolved = resolve(config, around)
    parts = []
    for member in resolved.members:
        name = model_name(member, around)
        folder = locate(name, around.config_dir).download() if name else None
        parts.append(Part(member, folder))
    return Plan(
        tuple(parts),
        resolved.combine,
        around.source,
        around.target,
        config.device,
        config.batch_tokens,
        config.soft,
        config.floor,
    )
