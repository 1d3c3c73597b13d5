"""Sections some of whose keys belong to the kind that another key names.

``align: {aligner: simalign, layer: 8}``: ``aligner`` is a key of the section, ``layer`` one of the
kind ``simalign``. A :class:`KindedConfig` takes its own keys and those of the kinds that it names;
any other is an error that says which kinds have it. So a key that would do nothing is refused, and
never enters a fingerprint. It is what a discriminated union of pydantic is, for kinds that are
imported when they are named and that other packages may add.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import (
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from pipeline.config import ConfigModel
from pipeline.errors import ConfigError, suggest
from pipeline.kinds import Kinds, in_brackets

O_co = TypeVar("O_co", bound=ConfigModel, covariant=True)


class NoOptions(ConfigModel):
    """Of a kind without options."""


class Kind(ABC, Generic[O_co]):
    """One kind of a thing, with its options: the base of aligners, filters, makers and all others.

    A new kind is a module with a subclass of the base of its sort, ``class Mine(AlignerKind[
    MyOptions])``, named in the table of that sort (:class:`pipeline.kinds.Kinds`) or, in another
    package, by an entry point. The module must import in milliseconds: what is heavy is imported
    where something is loaded.

    Attributes:
        about: One line for help texts and tables.
        Options: The type of its options: what its class is given in brackets.
        options: Its options here.
    """

    about: ClassVar[str]
    Options: ClassVar[type[ConfigModel]] = NoOptions

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if "Options" not in cls.__dict__ and (given := in_brackets(cls, ConfigModel)):
            cls.Options = given

    def __init__(self, options: O_co) -> None:
        self.options = options


class JoinedConfig(ConfigModel):
    """A part of a configuration with keys of its own and options of kinds, shown as one.

    What is read apart (each kind checks its own keys) is dumped, printed and described together, so
    that a configuration that is written out is read again as the same.

    Attributes:
        sections: Whether the options of a kind are a section called like it, or keys among the
            others.
    """

    sections: ClassVar[bool] = False
    _options: dict[str, ConfigModel] = PrivateAttr(default_factory=dict)

    @classmethod
    def read_kinds(
        cls, own: Mapping[str, Any], rest: Mapping[str, Any], wrong: list[InitErrorDetails]
    ) -> dict[str, ConfigModel]:
        """Return the options of kinds by name, from what is no key of the section itself.

        Args:
            own: The keys of the section itself.
            rest: All others.
            wrong: Gets what is wrong with these, keys among them that no kind has.
        """
        raise NotImplementedError

    @classmethod
    def options_with(cls, key: str) -> Iterator[Any]:
        """Yield the types of options that a key leads to: those of a section, or that have it."""
        raise NotImplementedError

    @classmethod
    def modernised(cls, values: Any) -> Any:
        """Return what is written in another form in the form of now."""
        return values

    def shown(self) -> Mapping[str, ConfigModel]:
        """Return the options of kinds that are a part of what is dumped."""
        return self._options

    @model_validator(mode="wrap")
    @classmethod
    def _divide(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        value = cls.modernised(value)
        if not isinstance(value, Mapping):  # made already, or no section at all
            return handler(value)
        own = {k: v for k, v in value.items() if k in cls.model_fields}
        rest = {k: v for k, v in value.items() if k not in own}
        wrong: list[InitErrorDetails] = []
        options = cls.read_kinds(own, rest, wrong)
        with collected(wrong):
            made = handler(own)
        if wrong:
            raise ValidationError.from_exception_data(cls.__name__, wrong)
        made._options = options
        return made

    @model_serializer(mode="wrap")
    def _join(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        found: dict[str, Any] = handler(self)
        left_out = info.exclude or ()
        for name, options in self.shown().items():
            if self.sections and name in left_out:
                continue
            dumped = options.model_dump(
                mode=info.mode,
                exclude_unset=info.exclude_unset,
                exclude_defaults=info.exclude_defaults,
                exclude_none=info.exclude_none,
            )
            if not self.sections:
                found |= {k: v for k, v in dumped.items() if k not in left_out}
            elif dumped or not (info.exclude_unset or info.exclude_defaults):
                found[name] = dumped
        return found

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        yield from super().__repr_args__()
        for name, options in self._options.items():
            yield from [(name, options)] if self.sections else options.__repr_args__()


class KindedConfig(JoinedConfig):
    """A part of a configuration with keys of its own and keys of the kinds that it names.

    Attributes:
        kinds: For each of its own keys that names a kind: the kinds that there are. Each is a
            class with ``about``, one line for people, and ``Options``, the type of its keys; it is
            built with those.
        by_name: Whether the name alone stands for the section, where it has one such key.
    """

    by_name: ClassVar[bool] = False
    kinds: ClassVar[Mapping[str, Kinds[Any]]] = {}

    def chosen(self, key: str) -> ConfigModel:
        """Return the options of the kind that ``key`` names."""
        return self._options[key]

    def kind(self, key: str) -> Any:
        """Return the kind that ``key`` names, with its options."""
        return self.kinds[key][getattr(self, key)](self._options[key])

    def given(self, changing: Mapping[str, Any]) -> dict[str, Any]:
        """Return what was given, but for the options of a kind in whose place another comes."""
        left = {
            k
            for key, options in self._options.items()
            if changing.get(key, getattr(self, key)) != getattr(self, key)
            for k in type(options).model_fields
        }
        return self.model_dump(exclude_unset=True, exclude=left)

    def with_chosen(self, key: str, options: ConfigModel) -> Self:
        """Return a copy with other options for the kind that ``key`` names."""
        copy = super().model_copy()
        copy._options = {**self._options, key: options}
        return copy

    @classmethod
    def named(cls, values: Mapping[str, Any]) -> dict[str, str]:
        """Return the name of the kind for each key that names one, defaults among them."""
        return {key: values.get(key, cls.model_fields[key].default) for key in cls.kinds}

    @classmethod
    def allowed(cls, key: str) -> list[str]:
        """Return the names that ``key`` takes."""
        return list(cls.kinds[key])

    @classmethod
    def modernised(cls, values: Any) -> Any:
        """Return a section for a name alone, where that stands for it."""
        if not (cls.by_name and isinstance(values, str)):
            return values
        (key,) = cls.kinds
        return {key: values}

    @classmethod
    def read_kinds(
        cls, own: Mapping[str, Any], rest: Mapping[str, Any], wrong: list[InitErrorDetails]
    ) -> dict[str, ConfigModel]:
        """Return the options of the kind that each key names."""
        chosen: dict[str, ConfigModel] = {}
        for key, name in cls.named(own).items():
            with collected(wrong):
                chosen[key] = cls._read_options(key, name, rest)
        known = {k for options in chosen.values() for k in type(options).model_fields}
        if len(chosen) == len(cls.kinds):
            wrong += [cls._unknown(k, rest[k], own) for k in rest if k not in known]
        return chosen

    @classmethod
    def options_with(cls, key: str) -> Iterator[Any]:
        """Yield the options of all kinds that have a key."""
        for table in cls.kinds.values():
            yield from (k.Options for k in table.values() if key in k.Options.model_fields)

    @classmethod
    def _read_options(cls, key: str, name: Any, rest: Mapping[str, Any]) -> ConfigModel:
        allowed = cls.allowed(key)
        if name not in allowed:
            shown = f"{', '.join(map(repr, allowed[:-1]))} or {allowed[-1]!r}"
            detail = InitErrorDetails(
                type="literal_error", loc=(key,), input=name, ctx={"expected": shown}
            )
            raise ValidationError.from_exception_data(cls.__name__, [detail])
        options: type[ConfigModel] = cls.kinds[key][name].Options
        return options.model_validate({k: v for k, v in rest.items() if k in options.model_fields})

    @classmethod
    def _unknown(cls, word: str, given: Any, own: Mapping[str, Any]) -> InitErrorDetails:
        names = cls.named(own)
        having = {
            key: [n for n in cls.allowed(key) if word in kinds[n].Options.model_fields]
            for key, kinds in cls.kinds.items()
        }
        says = [
            f"{cls.kinds[key].noun} {names[key]!r} has no such key; "
            f"{'those that have' if len(found) > 1 else 'the one that has'} it: {', '.join(found)}"
            for key, found in having.items()
            if found
        ]
        if says:
            return of_another_kind(word, given, "; ".join(says))
        chosen = (kinds[names[key]].Options.model_fields for key, kinds in cls.kinds.items())
        return unknown_key(word, given, {*cls.model_fields, *(k for f in chosen for k in f)})

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with other values, of its own keys or its kinds'.

        Where a key that names a kind changes, the new kind's options are those of ``update``.
        """
        update = update or {}
        own = {k: v for k, v in update.items() if k in type(self).model_fields}
        rest = {k: v for k, v in update.items() if k not in own}
        copy = super().model_copy(update=own, deep=deep)
        copy._options = {
            key: self._read_options(key, own[key], rest)
            if key in own and own[key] != getattr(self, key)
            else was.model_copy(
                update={k: v for k, v in rest.items() if k in type(was).model_fields}
            )
            for key, was in self._options.items()
        }
        unused = rest.keys() - {k for o in copy._options.values() for k in type(o).model_fields}
        if unused:
            raise ConfigError(f"no such keys here: {', '.join(sorted(unused))}")
        return copy

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the keys of the kinds: each is allowed where a kind that has it is named."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        own: dict[str, Any] = schema.setdefault("properties", {})
        later: list[dict[str, Any]] = schema.setdefault("allOf", [])
        more: dict[str, list[Any]] = {}
        by_kind: list[tuple[str, str, dict[str, Any]]] = []
        for key in cls.kinds:
            own[key] = own[key] | {"enum": cls.allowed(key)}
            for name in cls.allowed(key):
                type_ = cls.kinds[key][name].Options
                found = handler.resolve_ref_schema(handler(type_.__pydantic_core_schema__))
                fields = found.get("properties", {})
                by_kind.append((key, name, fields))
                for field, says in fields.items():
                    if says not in more.setdefault(field, []):
                        more[field].append(says)
        for field, several in more.items():
            own.setdefault(field, several[0] if len(several) == 1 else {"anyOf": several})
        for key, name, fields in by_kind:
            named: dict[str, Any] = {"properties": {key: {"const": name}}}
            if name != cls.model_fields[key].default:
                named["required"] = [key]
            others = {f for k, _, found in by_kind if k == key for f in found} - fields.keys()
            forbidden: dict[str, Any] = dict.fromkeys(sorted(others), False)
            later.append({"if": named, "then": {"properties": forbidden | fields}})
        return schema


@contextmanager
def collected(wrong: list[InitErrorDetails], *before: str) -> Iterator[None]:
    """Add what pydantic finds wrong to a list instead of raising it.

    Args:
        wrong: The list.
        before: The keys under which it stands.
    """
    try:
        yield
    except ValidationError as error:
        wrong += [again(detail, *before) for detail in error.errors()]


def of_another_kind(word: str, given: Any, says: str) -> InitErrorDetails:
    """Return the error for a key that would do nothing."""
    found = PydanticCustomError("key_of_another_kind", "{says}", {"says": says})
    return InitErrorDetails(type=found, loc=(word,), input=given)


def unknown_key(word: str, given: Any, allowed: Iterable[str]) -> InitErrorDetails:
    """Return the error for a key that nothing has."""
    known = sorted(allowed)
    says = f"{suggest(word, known)}; allowed: {', '.join(known)}"
    found = PydanticCustomError("unknown_key", "{says}", {"says": says})
    return InitErrorDetails(type=found, loc=(word,), input=given)


def again(detail: Any, *before: str) -> InitErrorDetails:
    """Return an error of pydantic as what it can be raised from once more."""
    kind: Any = detail["type"]
    if kind in ("unknown_key", "key_of_another_kind"):
        kind = PydanticCustomError(kind, "{says}", detail["ctx"])
    return InitErrorDetails(
        type=kind, loc=(*before, *detail["loc"]), input=detail["input"], ctx=detail.get("ctx", {})
    )
