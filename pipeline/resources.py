"""Finds what ships with xlner (configs, models, sample) and resolves paths in configurations."""

from __future__ import annotations

from functools import cache
from glob import has_magic
from pathlib import Path


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
        if (base / path).exists() or (has_magic(text) and any(base.glob(path.as_posix()))):
            return base / path
    return Path.cwd() / path
