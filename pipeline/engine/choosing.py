"""The engine that a configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.config import RunConfig
    from pipeline.engine import Engine


def engine_of(config: RunConfig) -> Engine:
    """Return the engine that a configuration names (``local`` or ``ray``)."""
    if config.engine == "ray":
        from pipeline.engine.ray import RayEngine

        return RayEngine(config.ray)
    from pipeline.engine.local import LocalEngine

    return LocalEngine()
