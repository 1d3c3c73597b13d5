"""Parsing JSON that somebody else wrote: what Python would trip over later is refused at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.errors import DataError


def parse_json(text: str, where: str, hint: str = "") -> Any:
    """Return the value of a JSON text.

    Args:
        text: The text.
        where: File and line, for the message.
        hint: What to do, at the end of the message.

    Raises:
        DataError: If it is not JSON, nested too deeply, holds a number of thousands of digits, or
            half a surrogate pair, which no file and no table can hold.
    """
    try:
        value = json.loads(text)
        if "\\u" in text or not text.isascii():
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        place = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}"
        raise DataError(f"{where}: not valid JSON: {error.msg} at {place}{hint}") from None
    except UnicodeEncodeError:
        raise DataError(
            f"{where}: half of a surrogate pair (\\ud800 to \\udfff): no Unicode text"
        ) from None
    except RecursionError:
        raise DataError(f"{where}: JSON that is nested too deeply") from None
    except ValueError as error:
        raise DataError(f"{where}: {str(error).split(';')[0]}") from None
    return value


def annotated(record: Mapping[str, Any], key: str, where: str) -> tuple[str | None, list[str]]:
    """Return the id (under ``key``) and the words that an exported record carries.

    Raises:
        DataError: If the words are not a list of strings.
    """
    own, words = record.get(key), record.get("words")
    if own is not None and not isinstance(own, str | int):
        raise DataError(f"{where}: {key} is not a string: {own!r}")
    if not isinstance(words, list) or not all(isinstance(w, str) for w in words):
        raise DataError(f"{where}: no list of words; keep the fields that the export wrote")
    return None if own is None else str(own), words
