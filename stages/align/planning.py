"""From options to a plan: which aligners, with which models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.models import locate
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.kinds.member import Choice, Combine, MemberConfig, Resolved
from stages.align.setting import Setting
from stages.word_alignment.aligner import ASSERTED


def resolve(config: AlignConfig, context: AlignmentContext) -> Resolved:
    """Return the aligners that the options ask for.

    Raises:
        ConfigError: If ``auto`` finds nothing that it could use.
    """
    kind = config.kind("aligner")
    if isinstance(kind, Choice):
        return kind.resolve(context)
    given = config.chosen("aligner").model_dump(exclude_unset=True)
    return Resolved((MemberConfig(aligner=config.aligner, **given),))


def model_name(member: MemberConfig, context: AlignmentContext) -> str | None:
    """Return the name of the model that an aligner takes, or ``None`` if it takes none.

    Raises:
        ConfigError: If it needs one and none is named.
    """
    need = member.made.needs
    if need is None:
        return None
    own: str | None = getattr(member.chosen("aligner"), "model", None)
    name = own or (context.encoder if need == "encoder" else context.translator)
    if name is None:
        raise ConfigError(
            f"align.model: aligner {member.aligner!r} needs a model, and models.{need} names none"
        )
    return name


@dataclass(frozen=True, slots=True)
class Plan:
    """Aligners, ready to be built in any process.

    Attributes:
        members: The aligners.
        folders: The folder of the model of each, where it reads one.
        combine: How they are combined, if there are several.
        setting: What goes for all of them.
    """

    members: tuple[MemberConfig, ...]
    folders: tuple[Path | None, ...]
    combine: Combine
    setting: Setting

    def place(self, index: int, collected: Path) -> Path:
        """Return the folder where a member learns; equal members share one."""
        return collected / str(self.members.index(self.members[index]))

    def is_first(self, index: int) -> bool:
        """Return whether no equal member stands before one: it learns for all of them."""
        return self.members.index(self.members[index]) == index

    def statistical(self) -> int | None:
        """Return the number of the member ``statistical``, if there is one."""
        names = [m.aligner for m in self.members]
        return names.index("statistical") if "statistical" in names else None


def plan(config: AlignConfig, context: AlignmentContext) -> Plan:
    """Resolve the options and fetch the models.

    Raises:
        ConfigError: If the options cannot be met.
        ModelError: If a model is missing.
    """
    resolved = resolve(config, context)
    names = [model_name(member, context) for member in resolved.members]
    folders = tuple(locate(n, context.config_dir).download() if n else None for n in names)
    setting = Setting(
        context.source,
        context.target,
        config.device,
        config.batch_tokens,
        config.floor,
        config.floor if config.soft else ASSERTED,
    )
    return Plan(resolved.members, folders, resolved.combine, setting)
