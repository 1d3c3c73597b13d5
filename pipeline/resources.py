"""Finds what ships with xlner (configs, models, sample) and resolves paths in configurations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from glob import has_magic
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

Value = TypeVar("Value")


@cache
def shipped_root() -> Path:
    """Return the folder that holds ``configs/`` and ``artifacts/``.

    In an installed wheel that is package data; in a checkout it is the repository.
    """
    package = Path(__file__).resolve().parent.parent
    data = package / "xlner" / "_data"
    return data if (data / "configs").is_dir() else package


def shipped_configs() -> dict[str, Path]:
    """Return the shipped configurations by name."""
    return {p.stem: p for p in sorted((shipped_root() / "configs").glob("*.yaml"))}


def resolve_path(text: str, config_dir: Path | None = None) -> Path:
    """Resolve a path named in a configuration.

    An absolute path stands as it is. A relative one is looked for in the folder of the config file,
    then in the current folder, then among the shipped files; the first that exists wins (of a glob,
    the first where it fits something). If none does, the path relative to the current folder is
    returned, for the error message to name.
    """
    path = Path(text).expanduser()
    if path.is_absolute():
        return path
    bases = [b for b in (config_dir, Path.cwd(), shipped_root()) if b is not None]
    for base in bases:
        if os.path.lexists(base / path) or (has_magic(text) and any(base.glob(path.as_posix()))):
            return base / path
    return Path.cwd() / path


def paths_in(options: Any, key: str = "") -> Iterator[tuple[str, Path]]:
    """Yield the paths that options name, each with its key: ``corpus.parallel[0].path``."""
    if isinstance(options, Path):
        yield key, options
    elif isinstance(options, BaseModel):
        for name, value in options:
            yield from paths_in(value, f"{key}.{name}" if key else name)
    elif isinstance(options, tuple | list):
        for index, value in enumerate(options):
            yield from paths_in(value, f"{key}[{index}]")


def located(options: Value, config_dir: Path | None) -> Value:
    """Return options with the paths that they name as :func:`resolve_path` finds them."""
    found: Any = options
    if isinstance(options, Path):
        found = resolve_path(str(options), config_dir)
    elif isinstance(options, BaseModel):
        named = {name: value for name, value in options if next(paths_in(value), None)}
        found = options.model_copy(update={k: located(v, config_dir) for k, v in named.items()})
    elif isinstance(options, tuple | list):
        found = type(options)(located(value, config_dir) for value in options)
    return found
