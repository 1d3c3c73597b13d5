"""What the commands have in common: exit codes, consoles, and how errors are shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

EXIT_OTHER = 1
EXIT_USAGE = 2


def make_app(name: str, about: str) -> typer.Typer:
    """Return an app for one command, with the conventions that all commands share."""
    return typer.Typer(
        name=name,
        help=about,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


@contextmanager
def reported_errors() -> Iterator[None]:
    """Show errors that users can act on without a traceback, and leave with the right code.

    Exit codes: 2 for bad usage or configuration, 1 for anything else, Ctrl-C included.
    """
    from pipeline.errors import ConfigError, XlnerError

    try:
        yield
    except ConfigError as error:
        _fail(error.problems, EXIT_USAGE)
    except XlnerError as error:
        _fail([str(error)], error.exit_code)
    except KeyboardInterrupt:
        _fail(["stopped; what is finished is kept, run the same command again to continue"], 1)
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; that is no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None


def _fail(messages: list[str], code: int) -> NoReturn:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    for message in messages:
        console.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)
    raise typer.Exit(code)


def quiet_libraries() -> None:
    """Keep the progress bars and advice of the libraries out of our output."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Threads that spin while they wait make small models ten times slower on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DATASETS_VERBOSITY", "error")


def show_warnings(console: Console) -> None:
    """Print what the pipeline warns of (repairs, odd data) above the progress bars."""
    import logging

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            from rich.text import Text

            line = Text.assemble(("warning: ", "yellow"), record.getMessage())
            console.print(line, soft_wrap=True)

    for name in ("pipeline", "stages"):
        logger = logging.getLogger(name)
        logger.handlers = [Lines(logging.WARNING)]
        logger.propagate = False


def command(function: Callable[..., Any], name: str, about: str) -> Callable[[], None]:
    """Turn a function with typer options into the entry point of a console script."""
    app = make_app(name, about)
    app.command(help=about)(function)

    def main() -> None:
        app()

    return main
