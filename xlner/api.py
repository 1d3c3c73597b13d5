"""The machinery of :mod:`pipeline` with xlner's own stages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline import config as machinery
from pipeline import runner
from pipeline.config import RunConfig
from pipeline.progress import Progress
from pipeline.registry import Registry
from stages.registry import STAGES


def load_config(name: str | Path, overrides: str | Iterable[str] = ()) -> RunConfig:
    """Read a configuration of xlner's stages (see :func:`pipeline.config.load_config`).

    Args:
        name: A ``.yaml`` path or the name of a shipped configuration.
        overrides: ``dotted.key=value``, one or several; the value is YAML.

    Raises:
        ConfigError: With every problem found, each naming its key.
    """
    return machinery.load_config(name, overrides, model=STAGES.config_type())


def parse_config(raw: Mapping[str, Any], *, origin: str = "config") -> RunConfig:
    """Validate a mapping as a whole configuration of xlner's stages.

    Raises:
        ConfigError: With every problem found, each naming its key.
    """
    return machinery.parse_config(raw, origin=origin, model=STAGES.config_type())


class Runner(runner.Runner):
    """A runner of xlner's stages; see :class:`pipeline.runner.Runner` for the arguments."""

    def __init__(
        self,
        config: RunConfig,
        runs_dir: str | Path,
        progress: Progress | None = None,
        registry: Registry = STAGES,
        jobs: int | None = None,
    ) -> None:
        super().__init__(config, Path(runs_dir), progress, registry, jobs)
