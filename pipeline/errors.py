"""The errors that users meet, and the exit code that each one leads to."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class XlnerError(Exception):
    """Something went wrong that the user can act on; shown without a traceback (exit code 1)."""

    exit_code = 1


class ConfigError(XlnerError, ValueError):
    """The configuration or the command line is wrong (exit code 2).

    Args:
        problems: One sentence each, naming the key, what is wrong and what is allowed.
    """

    exit_code = 2

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class DataError(XlnerError):
    """An input file or row is wrong; the message names the file and line, or the sentence id."""


class ModelError(XlnerError):
    """A model folder or hub id cannot be used; the message says what is missing."""


class DamagedError(XlnerError):
    """A file of a run is not what was written; the message names it."""


class LockedError(XlnerError):
    """Another process is working on the same run folder."""


def suggest(word: str, allowed: Iterable[str]) -> str:
    """Return ``' (did you mean X?)'`` for the closest allowed word, or an empty string."""
    close = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def first_line(error: BaseException) -> str:
    """Return the first line of what an error of a library says; its class if it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def one_of(option: str, value: str | None, allowed: Iterable[str]) -> None:
    """Check the value of an option; ``None`` (not given) is fine.

    Raises:
        ConfigError: If it is not allowed, with the values that are.
    """
    names = list(allowed)
    if value is not None and value not in names:
        raise ConfigError(not_allowed(option, value, names))


def not_allowed(name: str, value: object, allowed: Sequence[str]) -> str:
    """Say that an option has a value which is not allowed, and which are."""
    hint = suggest(str(value), allowed)
    return f"{name}: {value!r} is not allowed{hint}; allowed: {', '.join(allowed)}"
