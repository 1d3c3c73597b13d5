"""JSON that somebody else wrote, where what Python would trip over later is refused; JSON Lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from pipeline.disk import write_lines
from pipeline.errors import DataError
from pipeline.formats.files import read_lines

_LOOKED_AT: Final = 20
_RECORD: Final = frozenset({"text", "tokens", "words", "sentence", "content", "tokenized_text"})
_STARTS: Final = re.compile("(?:start|begin)(?:_?(?:offset|char|pos|idx))?|offsets?", re.IGNORECASE)
_NO_SPACE: Final = re.compile(r"[^ \t\r\n]")


def parse_json(text: str, where: str) -> Any:
    """Return the value of a JSON text.

    Args:
        text: The text.
        where: File and line, for the message.

    Raises:
        DataError: If it is not JSON, nested too deeply, holds a number of thousands of digits, or
            half a surrogate pair, which no file and no table can hold.
    """
    try:
        value = json.loads(text)
        _refuse_halves(text, value, where)
    except json.JSONDecodeError as error:
        place = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}"
        raise DataError(
            f"{where}: not valid JSON: {error.msg.removesuffix(' at')} at {place}"
        ) from None
    except RecursionError:
        raise DataError(f"{where}: JSON that is nested too deeply") from None
    except ValueError as error:
        raise DataError(f"{where}: {str(error).split(';')[0]}") from None
    return value


def read_records(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, Any]]:
    """Yield the records of a JSON file with their lines: JSON Lines, an array, or an object.

    Of an object that holds one list of objects (``{"data": [...]}``), those are the records.

    Raises:
        DataError: If it is not JSON, with file and line.
    """
    lines = read_lines(path, encoding)
    head = list(islice(lines, _LOOKED_AT))
    first = next((line for _, line in head if line.strip()), "").lstrip()
    if _is_json_lines(first, [line for _, line in head]):
        for number, line in chain(head, lines):
            if line and not line.isspace():
                # Files that were appended to another may begin with a byte order mark.
                yield number, parse_json(line.removeprefix("\ufeff"), f"{path}:{number}")
        return
    text = "\n".join(line for _, line in chain(head, lines))
    yield from _values(text, path)


def write_json_lines(path: str | Path, records: Iterable[Any]) -> int:
    """Write records as JSON Lines, and return how many."""
    return write_lines(path, (json.dumps(r, ensure_ascii=False) + "\n" for r in records))


def _is_json_lines(first: str, head: list[str]) -> bool:
    """Whether the first line is a value of its own, and not an array of all records."""
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        # A line that is broken is told by its number; an object over several lines has no end.
        return not first.startswith("[") and "}" in first
    if not isinstance(value, list):
        return isinstance(value, dict) and _wrapped(value) is None
    if [type(part) for part in value] == [str, dict]:  # ["text", {"entities": []}]
        return True
    others = [line for line in head if line.strip()][1:2]
    return bool(others) and others[0].lstrip().startswith("[")


def _wrapped(value: Any) -> list[Any] | None:
    """Return the one list of records that an object holds, if that is what it is."""
    if not isinstance(value, dict) or value.keys() & _RECORD:
        return None
    lists = [v for v in value.values() if isinstance(v, list) and v and isinstance(v[0], dict)]
    if any(_is_span(v[0]) for v in lists):  # a record whose text has another name
        return None
    return lists[0] if len(lists) == 1 and not value.keys() & {"annotations", "result"} else None


def _is_span(value: dict[str, Any]) -> bool:
    """Whether an object says where something is in a text, and is no text itself."""
    starts = any(map(_STARTS.fullmatch, value))
    return starts and not value.keys() & (_RECORD - {"text"})


def _values(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the elements of an array, or the values one after the other."""
    decoder = json.JSONDecoder()
    position = counted = 0
    line = 1
    in_array = False

    def skip(at: int) -> int:
        found = _NO_SPACE.search(text, at)
        return len(text) if found is None else found.start()

    def fail(at: int, message: str) -> DataError:
        number = text.count("\n", 0, at) + 1
        column = at - text.rfind("\n", 0, at)
        what = message.removesuffix(" at")  # as json ends some of its messages
        return DataError(f"{path}:{number}: not valid JSON: {what} at column {column}")

    position = skip(0)
    if text[position : position + 1] == "[":
        in_array, position = True, skip(position + 1)
        if text[position : position + 1] == "]":
            return
    while position < len(text):
        line += text.count("\n", counted, position)
        counted = position
        try:
            value, end = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise fail(error.pos, error.msg) from None
        except RecursionError:
            raise DataError(f"{path}:{line}: JSON that is nested too deeply") from None
        except ValueError as error:
            raise DataError(f"{path}:{line}: {str(error).split(';')[0]}") from None
        _refuse_halves(text[position:end], value, f"{path}:{line}")
        wrapped = None if in_array else _wrapped(value)
        for record in [value] if wrapped is None else wrapped:
            yield line, record
        position = skip(end)
        if not in_array:
            continue
        sign = text[position : position + 1]
        if sign == "]":
            position = skip(position + 1)
            if position < len(text):
                raise fail(position, "Extra data")
            return
        if sign != ",":
            raise fail(position, "Expecting ',' or ']'")
        position = skip(position + 1)
    if in_array:
        raise fail(len(text), "Expecting value")


def _refuse_halves(text: str, value: Any, where: str) -> None:
    if "\\u" not in text and text.isascii():
        return
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise DataError(
            f"{where}: half of a surrogate pair (\\ud800 to \\udfff): no Unicode text"
        ) from None
