"""Checks of translators in a configuration, for every stage that uses one."""

from __future__ import annotations

from typing import Any

from pipeline.config import RunConfig
from pipeline.errors import ConfigError, ModelError
from pipeline.models import locate
from pipeline.stage import Problem
from stages.translate.config import TranslateConfig
from stages.translate.decoding import DecodingConfig
from stages.translate.kinds import TRANSLATORS
from stages.translate.kinds.base import TranslatorKind


def translator_kind(
    config: RunConfig, decoding: DecodingConfig | None = None
) -> TranslatorKind[Any]:
    """Return the kind of translator that a run names.

    Args:
        config: The run.
        decoding: How to decode instead, where the kind has such options.
    """
    options = config.section("translate", TranslateConfig)
    if decoding is not None and options.decoding is not None:
        options = options.with_chosen("translator", decoding)
    found: TranslatorKind[Any] = options.kind("translator")
    return found


def translator_problem(config: RunConfig, source: str, target: str) -> Problem | None:
    """Return what is wrong with the translator that a run names for a direction, if anything.

    No weights are loaded and nothing is downloaded.
    """
    key = "models.translator"
    name = config.models.translator_for(source, target, config.source)
    if not name:
        short = f"{target!r} or " if source == config.source else ""
        message = (
            f"no translator is named for {source} to {target}; name one for all directions, "
            f"or add the key {short}'{source}-{target}'"
        )
        return Problem(key, message)
    try:
        model = locate(name, config.config_dir)
        problem = translator_kind(config).problem(model, source, target)
    except (ConfigError, ModelError) as error:
        return Problem(key, str(error))
    return Problem(key, problem) if problem else None


def cannot_sample(config: RunConfig, source: str, target: str) -> str | None:
    """Return what the kind of a translator is called that gives one translation of a text only."""
    name = config.models.translator_for(source, target, config.source)
    if not name:
        return None
    found = translator_kind(config).of(locate(name, config.config_dir))
    return None if found.samples else name_of(type(found))


def name_of(kind: type[TranslatorKind[Any]]) -> str:
    """Return what configurations call a kind."""
    return next(name for name in TRANSLATORS if TRANSLATORS[name] is kind)
