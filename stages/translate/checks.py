"""Checks of translators in a configuration, for every stage that uses one."""

from __future__ import annotations

from pipeline.config import RunConfig
from pipeline.errors import ModelError
from pipeline.models import locate
from pipeline.stage import Problem
from stages.translate.codes import direction_problem


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
        model.require_weights()
    except ModelError as error:
        return Problem(key, str(error))
    problem = direction_problem(name, model.path, source, target)
    return Problem(key, problem) if problem else None
