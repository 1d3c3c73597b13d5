"""Parsing YAML that somebody else wrote: plain values only, and no more of them than are written.

PyYAML's safe loader makes nothing but plain values, but it lets a few lines of aliases of aliases
stand for billions of values, and whoever walks over them has to walk over all. Here a text counts
with all its aliases written out.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import yaml


class _Loader(yaml.SafeLoader):
    """Reads ``true`` and ``false`` as truth values and nothing else, as YAML 1.2 has it.

    To YAML 1.1 ``no`` is false, and so Norwegian would be. Options that are truth values take
    ``yes``, ``no``, ``on`` and ``off`` all the same.
    """


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)

MAX_VALUES: Final = 100_000
"""Most values (keys, scalars, lists, mappings) of a text; a configuration has some hundreds."""


_PLAIN: Final = re.compile(r"[\w.+-]*\w")


def scalar(text: str) -> str:
    """Return a text as it stands in YAML, for advice: in quotes unless it is one plain word."""
    plain = _PLAIN.fullmatch(text) and parse_yaml(text) == text
    return text if plain else json.dumps(text, ensure_ascii=False)


def parse_yaml(text: str) -> Any:
    """Return the value of a YAML text.

    Raises:
        ValueError: If it is not YAML, asks for other objects than plain values, is nested too
            deeply, refers to itself, has a key twice in one mapping, or has more than
            :data:`MAX_VALUES` values with its aliases written out.
    """
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > MAX_VALUES:
            raise ValueError(
                f"more than {MAX_VALUES:,} values, aliases (*name) written out; write fewer"
            )
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    except RecursionError:
        raise ValueError("nested too deeply") from None
    finally:
        if loader is not None:
            loader.dispose()


def _size(node: yaml.Node, known: dict[int, int | None]) -> int:
    """Return the number of values under a node, each alias counted as what it stands for."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in known:
        size = known[id(node)]
        if size is None:
            raise ValueError(f"an alias that contains itself, {node.start_mark}".strip())
        return size
    known[id(node)] = None
    inner = node.value
    if isinstance(node, yaml.MappingNode):
        _require_distinct_keys(node)
        inner = [part for pair in node.value for part in pair]
    size = 1 + sum(_size(part, known) for part in inner)
    known[id(node)] = size
    return size


def _require_distinct_keys(node: yaml.MappingNode) -> None:
    # PyYAML takes the last and says nothing.
    seen: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        name, line = (key.tag, key.value), key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
            continue
        if name in seen:
            lines = f"line {line}" if line == seen[name] else f"lines {seen[name]} and {line}"
            raise ValueError(f"{key.value!r} is there twice, in {lines}: the first would be lost")
        seen[name] = line
