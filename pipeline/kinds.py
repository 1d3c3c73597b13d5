"""Kinds of a thing (aligners, formats, makers …) found by name, imported when first asked for.

One :class:`Kinds` per sort of thing holds a table from names to ``"module:attribute"``; what
others declare under its entry-point group joins it, so that a pip-installed package adds a kind
without a line here. Configurations, help texts, errors, completion and the tables of the docs all
read the same names.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, get_args

from pipeline.errors import ConfigError, suggest

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Kinds(Mapping[str, T], Generic[T]):
    """A lazy table of the kinds of one thing.

    Iterating and ``in`` import nothing; ``kinds[name]`` imports that one module. Each kind is an
    object with at least ``about``: one line for help texts and tables.

    Attributes:
        noun: What one of them is called in messages: ``aligner``, ``format`` …
        group: Name of the entry points that add to it: ``xlner.aligners`` …
        own: Those that ship, by name, as ``"module:attribute"``, in the order to list them.
    """

    noun: str
    group: str
    own: Mapping[str, str]
    _loaded: dict[str, T] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def _others(self) -> dict[str, EntryPoint]:
        # What ships cannot be replaced from outside: a config means the same on every machine.
        found = sorted(entry_points(group=self.group), key=lambda e: (e.name, e.value))
        for entry in found:
            if entry.name in self.own:
                raise ConfigError(
                    f"entry point {entry.value} ({self.group}): {entry.name!r} is the name of "
                    f"{self.noun} that ships; give yours another"
                )
        return {entry.name: entry for entry in found}

    def __getstate__(self) -> dict[str, Any]:
        """Go to other processes without what was imported: it is imported there when asked for."""
        return {**self.__dict__, "_loaded": {}}

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, those that ship first."""
        yield from self.own
        yield from self._others

    def __len__(self) -> int:
        return len(self.own) + len(self._others)

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self._others

    def __getitem__(self, name: str) -> T:
        """Return the kind of a name, importing it if need be.

        Raises:
            ConfigError: If there is none of that name, or the package that adds it is broken.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def _load(self, name: str) -> T:
        if name in self.own:
            found: T = pkgutil.resolve_name(self.own[name])
            return found
        if name not in self._others:
            raise ConfigError(
                f"no {self.noun} named {name!r}{suggest(name, list(self))}; "
                f"there are: {', '.join(self)}"
            )
        entry = self._others[name]
        try:
            found = entry.load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"the {self.noun} {name!r} ({entry.value}, entry point of {self.group}) cannot be "
                f"imported: {error}"
            ) from error
        return found

    def about(self) -> dict[str, str]:
        """Return one line per kind, by name; imports them all."""
        return {name: str(getattr(self[name], "about", "")) for name in self}


def in_brackets(kind: type, bound: type[T]) -> type[T] | None:
    """Return the type that a class is given in brackets: ``class Mine(Base[MyOptions])``."""
    for base in kind.__dict__.get("__orig_bases__", ()):
        for given in get_args(base):
            if isinstance(given, type) and issubclass(given, bound):
                return given
    return None
