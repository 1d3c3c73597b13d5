"""What a public function may be given where it wants a list: anything that can be gone through.

Iterators, generators, file handles, ``map`` objects, tuples, NumPy arrays, Series of pandas,
columns of ``datasets`` and arrays of Arrow are lists to their owners. They are made lists once, at
the door, so that nothing goes through an iterator twice and finds it empty. A single string is not
a list of its characters, and a mapping not one of its keys: those are errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

from pipeline.errors import DataError

Item = TypeVar("Item")


def listed(values: Iterable[Item], what: str) -> list[Item]:
    """Return values as a list.

    Args:
        values: Anything that can be gone through, once.
        what: What it is, for messages: ``predict: the sentences``.

    Raises:
        DataError: If it is one string, bytes, a mapping or a table, or cannot be gone through.
    """
    if isinstance(values, list):
        return values
    plain = each(values, what)
    try:
        return list(plain)
    except TypeError as error:
        raise DataError(f"{what}: a list is wanted, not {_short(values)} ({error})") from None


def each(values: Iterable[Item], what: str) -> Iterable[Item]:
    """Return values as something that can be gone through once, for those who stream.

    Raises:
        DataError: As :func:`listed`.
    """
    if isinstance(values, str | bytes | bytearray):
        raise DataError(f"{what}: a list is wanted, not one string; wrap it: [{_short(values)}]")
    if isinstance(values, Mapping) or (hasattr(values, "columns") and hasattr(values, "keys")):
        raise DataError(
            f"{what}: a list is wanted, not a {type(values).__name__}; choose one of its columns"
        )
    # Arrow's own iterators give scalars instead of values.
    plain: Iterable[Item] = values.to_pylist() if hasattr(values, "to_pylist") else values
    if not hasattr(plain, "__iter__"):
        raise DataError(f"{what}: a list is wanted, not {_short(values)}")
    return plain


def batched(values: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield values in lists of ``size``, the last one shorter, going through them once."""
    stream = iter(values)
    while batch := list(islice(stream, size)):
        yield batch


def words_of(sentence: Iterable[str], what: str) -> list[str]:
    """Return the words of a sentence as a list.

    Args:
        sentence: Its words, in anything that can be gone through.
        what: What it is, for messages.

    Raises:
        DataError: If it is one string, or a word is no string.
    """
    return _strings(sentence, what, "word")


def sentences_of(sentences: Iterable[Iterable[str]], what: str) -> list[list[str]]:
    """Return the words of several sentences as lists (see :func:`words_of`)."""
    return [
        words_of(sentence, f"{what}: sentence {index}")
        for index, sentence in enumerate(listed(sentences, what))
    ]


def texts_of(texts: Iterable[str], what: str) -> list[str]:
    """Return several texts as a list.

    Raises:
        DataError: If it is one string, or an item is no string.
    """
    return _strings(texts, what, "item")


def _strings(values: Iterable[str], what: str, one: str) -> list[str]:
    found = listed(values, what)
    for index, value in enumerate(found):
        if not isinstance(value, str):
            raise DataError(f"{what}: {one} {index} is {_short(value)}, not a string")
    return found


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…"
