"""Sections with the keys of every kind of a sort: all of them apply, each by its own keys.

``filters: {min_score: 0.4, comp_source: true}``: ``min_score`` is a key of the filter
``low_score``, ``comp_source`` one of the filter of that name. What a :class:`KindedConfig` is to
kinds of which one is chosen, this is to kinds that are all asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from typing import Any, ClassVar, Self

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails

from pipeline.config import ConfigModel
from pipeline.errors import ConfigError
from pipeline.kinded import JoinedConfig, collected, unknown_key
from pipeline.kinds import Kinds


class PooledConfig(JoinedConfig):
    """A part of a configuration with keys of its own and keys of every kind of a sort.

    Attributes:
        pool: The kinds that there are. Each is a class with ``about``, one line for people, and
            ``Options``, the type of its keys; it is built with those, and says by ``on`` whether
            they ask for anything. Kinds of other packages must not, unless a key is given: to
            install a package changes no result.
        base: The part of the pool whose keys this section takes: subclasses of it.
    """

    pool: ClassVar[Kinds[Any]]
    base: ClassVar[tuple[type, ...]]

    @classmethod
    @cache
    def members(cls) -> dict[str, Any]:
        """Return the kinds whose keys the section takes, by name.

        Raises:
            ConfigError: If a key is that of two kinds, or another package's is on by itself.
        """
        found: dict[str, Any] = {}
        owners = dict.fromkeys(cls.model_fields, "the section itself")
        for name, kind in cls.pool.items():
            if not issubclass(kind, cls.base):
                continue
            for key in kind.Options.model_fields:
                if key in owners:
                    raise ConfigError(
                        f"the {cls.pool.noun} {name!r} has a key {key!r}, which is one of "
                        f"{owners[key]}; give it another name"
                    )
                owners[key] = f"the {cls.pool.noun} {name!r}"
            if name not in cls.pool.own and kind(kind.Options()).on:
                raise ConfigError(
                    f"the {cls.pool.noun} {name!r} of another package is on where no key is given; "
                    "its options must have defaults that switch it off"
                )
            found[name] = kind
        return found

    @cached_property
    def kinds(self) -> dict[str, Any]:
        """The kinds that are on, by name, with their options, in the order of the pool."""
        built = {name: self.pool[name](options) for name, options in self._options.items()}
        return {name: kind for name, kind in built.items() if kind.on}

    def value(self, key: str) -> Any:
        """Return the value of a key, of the section's own or of a kind."""
        for options in (self, *self._options.values()):
            if key in type(options).model_fields:
                return getattr(options, key)
        raise KeyError(key)

    @classmethod
    def read_kinds(
        cls, own: Mapping[str, Any], rest: Mapping[str, Any], wrong: list[InitErrorDetails]
    ) -> dict[str, ConfigModel]:
        """Return the options of every kind."""
        options: dict[str, ConfigModel] = {}
        known = set(cls.model_fields)
        for name, kind in cls.members().items():
            fields = kind.Options.model_fields
            known |= fields.keys()
            with collected(wrong):
                options[name] = kind.Options.model_validate(
                    {k: v for k, v in rest.items() if k in fields}
                )
        wrong += [unknown_key(key, rest[key], known) for key in rest if key not in known]
        return options

    @classmethod
    def options_with(cls, key: str) -> Iterator[Any]:
        """Yield the options of the kind that has a key."""
        yield from (k.Options for k in cls.members().values() if key in k.Options.model_fields)

    def shown(self) -> Mapping[str, ConfigModel]:
        """Return the options of the kinds that ship, and of others that are asked for anything.

        What an installed package could do, and is not asked to do, makes no other section.
        """
        return {n: o for n, o in self._options.items() if n in self.pool.own or n in self.kinds}

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with other values of its keys or the kinds'."""
        if not update:
            return super().model_copy(deep=deep)
        return type(self).model_validate(self.model_dump() | dict(update))

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the keys of the kinds."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        properties: dict[str, Any] = schema.setdefault("properties", {})
        for kind in cls.members().values():
            found = handler.resolve_ref_schema(handler(kind.Options.__pydantic_core_schema__))
            properties |= found.get("properties", {})
        return schema
