"""Commands as their users call them, without a process of their own."""

from __future__ import annotations

from collections.abc import Callable

import typer
from typer.testing import CliRunner, Result

from xlner.commands.shared import as_command, make_app


def app_of(command: Callable[..., None]) -> typer.Typer:
    """Return an app that consists of a command."""
    app = make_app("", "")
    app.command()(as_command(command))
    return app


def result_of(command: Callable[..., None], *arguments: object, text: str | None = None) -> Result:
    """Return what a command does, with ``text`` on standard input."""
    return CliRunner().invoke(app_of(command), [str(a) for a in arguments], input=text)


def called(command: Callable[..., None], *arguments: object) -> tuple[int, str, str]:
    """Return the exit code of a command, its standard output, and its messages in one line."""
    result = result_of(command, *arguments)
    return result.exit_code, result.stdout, " ".join(result.stderr.split())
