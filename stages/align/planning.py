"""From options to a plan: which aligners, with which models, and what is wrong with the options."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigError, ModelError
from pipeline.models import locate
from pipeline.resources import located, paths_in
from pipeline.stage import Problem
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


def problems(config: AlignConfig, context: AlignmentContext) -> Iterator[Problem]:
    """Yield missing models, layers that do not exist, languages that a translator lacks."""
    try:
        members = resolve(config, context).members
    except ConfigError as error:
        yield _problem(error)
        return
    for index, member in enumerate(members):
        prefix = f"align.members.{index}" if config.aligner == "ensemble" else "align"
        yield from _member_problems(prefix, member, config, context)
    for index, text in enumerate(config.parallel):
        if len(text.languages) != 2:
            yield Problem(
                f"align.parallel.{index}",
                f"{text.path}: name the two languages of its sentence pairs, not {text.languages}",
            )
        for _, path in paths_in(text):
            if not located(path, context.config_dir).is_file():
                yield Problem(f"align.parallel.{index}", f"{path}: no such file")


def _member_problems(
    prefix: str, member: MemberConfig, config: AlignConfig, context: AlignmentContext
) -> Iterator[Problem]:
    kind = member.made
    # Where the user names the model: in the section, or for the whole run.
    own = getattr(member.chosen("aligner"), "model", None) is not None
    where = f"{prefix}.model" if own else f"models.{kind.needs}"
    try:
        name = model_name(member, context)
        model = locate(name, context.config_dir) if name is not None else None
        if model is not None and kind.needs == "encoder":
            model.require_weights()
        for key, message in kind.problems(model, context, config.device):
            yield Problem(where if key == "model" else f"{prefix}.{key}", message)
    except ConfigError as error:
        yield _problem(error)
    except ModelError as error:
        yield Problem(where, str(error))


def _problem(error: ConfigError) -> Problem:
    key, _, message = str(error).partition(": ")
    return Problem(key, message)
