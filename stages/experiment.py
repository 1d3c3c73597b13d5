"""The run-wide keys of an xlner run that know the trade: the arms that are compared."""

from __future__ import annotations

from pydantic import field_validator

from pipeline.config import RunConfig
from pipeline.errors import suggest
from stages.arms import ARMS


class Experiment(RunConfig):
    """A run whose arms are checked; :data:`stages.registry.STAGES` builds configurations on it."""

    @field_validator("arms")
    @classmethod
    def _arms(cls, value: list[str]) -> list[str]:
        for arm in value:
            if arm not in ARMS:
                raise ValueError(
                    f"unknown arm {arm!r}{suggest(arm, ARMS)}; allowed: {', '.join(ARMS)}"
                )
        if len(set(value)) != len(value):
            raise ValueError(f"an arm is named twice: {value}")
        return value
