"""What is wrong with the options of ``align``, found without loading a weight."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.errors import ConfigError, ModelError
from pipeline.models import locate
from pipeline.resources import located, paths_in
from pipeline.stage import Problem
from stages.align.config import AlignConfig
from stages.align.context import AlignmentContext
from stages.align.kinds.member import MemberConfig
from stages.align.planning import model_name, resolve


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
