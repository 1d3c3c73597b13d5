"""What pydantic finds wrong with options, in one sentence each: the key, and what is allowed."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.errors import ConfigError, not_allowed, suggest

Model = TypeVar("Model", bound=BaseModel)


def read_as(
    kind: type[Model], values: Mapping[str, Any], name: Callable[[str], str] = lambda key: key
) -> Model:
    """Return values as options of a type.

    Args:
        kind: The type.
        values: The values by key.
        name: As for :func:`explain`.

    Raises:
        ConfigError: With every problem found, each naming its key.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(list(explain(error, kind, name))) from None


def explain(
    error: ValidationError,
    model: type[BaseModel],
    name: Callable[[str], str] = lambda key: key,
) -> Iterator[str]:
    """Turn the errors of pydantic into one sentence each, with the key and the allowed values.

    Args:
        error: What was raised.
        model: The type that was to be read.
        name: How a dotted key is called here: as it is in a config, ``--like-this`` by a command.
    """
    for item in error.errors():
        path = [p for p in item["loc"] if not (isinstance(p, str) and _is_branch(p))]
        key = name(".".join(map(str, path))) if path else "(top level)"
        if item["type"] == "extra_forbidden":
            allowed = _allowed_keys(model, path[:-1])
            word = str(path[-1])
            yield f"unknown key {key!r}{suggest(word, allowed)}; allowed: {', '.join(allowed)}"
        elif item["type"] == "unknown_key":
            yield f"unknown key {key!r}{item['msg']}"
        elif item["type"] == "key_of_another_kind":
            yield f"{key}: {item['msg']}"
        elif item["type"] == "literal_error":
            allowed = [str(a) for a in _literals(item["ctx"]["expected"])]
            yield not_allowed(key, item["input"], allowed)
        elif item["type"] == "list_type":
            one = f"; of one: [{item['input']}]" if isinstance(item["input"], str | int) else ""
            yield f"{key}: a list is wanted, not {item['input']!r}{one}"
        elif item["type"] in ("model_type", "dict_type"):
            source = str(item.get("ctx", {}).get("class_name", "")).endswith("Source")
            instead = f": {{path: {item['input']}}}" if source and item["input"] else ""
            yield f"{key}: a mapping is wanted, not {item['input']!r}{instead}"
        elif item["type"] == "string_pattern_mismatch":
            yield f"{key}: {item['input']!r} {_no_name(item['input'], item['ctx']['pattern'])}"
        elif item["type"] == "missing":
            yield f"{key}: this key is required"
        else:
            message = item["msg"].removeprefix("Value error, ")
            given = repr(item["input"])
            # A whole section is in the file, and some messages name what is wrong in it.
            told = isinstance(item["input"], dict | list) or given in message
            yield f"{key}: {message}" + ("" if told else f" (got {given})")


def _no_name(given: str, pattern: str) -> str:
    """Say what a name may have; all patterns of options are of names: ``^[A-Z…][A-Z…._-]*$``."""
    allowed = pattern[pattern.rindex("[") : pattern.rindex("]") + 1]
    signs = " ".join(re.sub(r"\w-\w", "", allowed[1:-1]))
    plain = unicodedata.normalize("NFKD", given).encode("ascii", "ignore").decode()
    tame = re.sub(f"[^{allowed[1:]}+", "-", plain).strip(signs)
    example = f", as in {tame!r}" if tame else ""
    return (
        f"is no name for a folder on every disk; allowed: a letter (A to Z, a to z) or digit, then "
        f"such and {signs}{example}"
    )


def _is_branch(part: str) -> bool:
    # What pydantic adds for a branch of a union, or says of a key: no keys of the file.
    return part in {"DataSource", "str", "int", "[key]"} or part.startswith(
        ("dict[", "list[", "literal[")
    )


def _allowed_keys(model: Any, path: Sequence[int | str]) -> list[str]:
    for part in path:
        if part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
        elif hasattr(model, "options_with"):
            for options in model.options_with(str(part)):
                field = options.model_fields.get(part)
                model = options if field is None else _model_in(field.annotation) or model
                break
    return sorted(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if hasattr(annotation, "model_fields"):
        found: type[BaseModel] = annotation
        return found
    for arg in getattr(annotation, "__args__", ()):
        inner = _model_in(arg)
        if inner:
            return inner
    return None


def _literals(expected: str) -> list[Any]:
    parts = expected.replace(" or ", ", ").split(", ")
    return [ast.literal_eval(p) for p in parts]
