"""What the commands have in common: entry points, exit codes, consoles, how errors are shown."""

from __future__ import annotations

import atexit
import functools
import inspect
import io
import json
import logging
import os
import signal
import sys
import time
from codecs import lookup
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO, cast

import typer

from xlner.commands.options import Idle, idle_options

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.schema import Sentence

EXIT_OTHER = 1
EXIT_USAGE = 2
EXIT_SIGNAL = 128
"""And the number of the signal that stopped a command, as shells count."""

_PATIENCE = 20.0  # seconds that cleaning up after a stop may take; tasks of a run have 15


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


def command(
    function: Callable[..., Any], name: str, about: str, stopped: str = "stopped"
) -> Callable[[], None]:
    """Turn a function with typer options into the entry point of a console script.

    After Ctrl-C it says ``stopped``.
    """
    app = make_app(name, about)
    app.command(help=about)(as_command(function, stopped))
    return entry(app)


def entry(app: typer.Typer) -> Callable[[], None]:
    """Return what a console script calls: runs ``app``, and leaves with one of our exit codes.

    Bad usage is told in the same style as any other error, and a reader that closes our output
    early (``head``) ends the command quietly.
    """

    def main() -> None:
        code: object = 0

        def die() -> None:
            if code == EXIT_SIGNAL + signal.SIGINT:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                os.kill(os.getpid(), signal.SIGINT)

        # Called last of all, as it is the first. Python itself forgets that it is to die of Ctrl-C
        # if a library runs any text at the end, as torch does, and would leave with 1.
        atexit.register(die)
        _prepare_streams()
        try:
            with ended_like_an_interrupt(), reported_errors():
                code = app(standalone_mode=False)  # that of what was told already, if any
                if not code:
                    sys.stdout.flush()
        except typer.Exit as left:
            code = left.exit_code
        except typer.Abort:
            code = EXIT_OTHER
        except KeyboardInterrupt:  # before anything could be told
            code = EXIT_SIGNAL + signal.SIGINT
        except Exception as error:
            # The library's own exceptions (unknown option, missing argument) can word themselves.
            if not hasattr(error, "format_message"):
                raise
            _show_errors([str(error.format_message())])
            if (context := getattr(error, "ctx", None)) is not None:
                hint = f"usage: {context.command_path} --help shows what is allowed"
                typer.echo(hint, err=True)
            code = EXIT_USAGE
        try:
            sys.stdout.flush()
        except OSError:  # told by now; Python would tell it again at its end, and leave with 120
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if code == EXIT_SIGNAL + signal.SIGINT:
            # As Python does: a shell goes on with its loop if a command only says that it was told
            # to stop.
            sys.excepthook = lambda *_: None  # that is said already
            raise KeyboardInterrupt
        sys.exit(code if isinstance(code, int) else 0)

    return main


def _prepare_streams() -> None:
    """Have all three streams, and UTF-8 as in files where data goes to a pipe or a file."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed (``>&-``)
            descriptor = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8"))
    if not isinstance(sys.stdout, io.TextIOWrapper):
        return
    if sys.stdout.isatty():
        sys.stdout.reconfigure(errors="backslashreplace")
    elif "PYTHONIOENCODING" not in os.environ:  # Latin-1 or the like, by the locale or on Windows
        sys.stdout.reconfigure(encoding="utf-8")


@contextmanager
def ended_like_an_interrupt() -> Iterator[None]:
    """Have SIGTERM (``kill``, a scheduler) and SIGHUP (a closed terminal) act like Ctrl-C, once.

    What cleans up is not stopped by a second signal, and afterwards one ends the program without
    a word. A signal that whoever started us had us ignore (``nohup``) stays ignored.
    """
    stopped: float | None = None

    def stop(number: int, frame: object) -> None:
        nonlocal stopped
        now = time.monotonic()
        if stopped is None or now > stopped + _PATIENCE:
            stopped = now
            raise KeyboardInterrupt(number)

    usual = (signal.SIG_DFL, signal.default_int_handler)
    before = {
        number: handler
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if (handler := signal.getsignal(number)) in usual
    }
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if stopped is None else signal.SIG_DFL)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"xlner {metadata.version('xlner')}")
        raise typer.Exit()


_Version = Annotated[
    bool,
    typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version."),
]


def as_command(function: Callable[..., Any], stopped: str = "stopped") -> Callable[..., Any]:
    """Return ``function`` as all commands are: with ``--version``, refusing what does nothing.

    Its errors are reported by :func:`reported_errors`. Options say by
    :class:`xlner.commands.options.Idle` when they do nothing.
    """
    signature = inspect.signature(function, eval_str=True)
    idle = {
        p.name: said
        for p in signature.parameters.values()
        for said in getattr(p.annotation, "__metadata__", ())
        if isinstance(said, Idle)
    }

    @functools.wraps(function)
    def wrapper(*, context: typer.Context, version: bool = False, **options: Any) -> Any:
        with reported_errors(stopped):
            if problems := list(idle_options(context, idle)):
                _fail(problems, EXIT_USAGE)
            return function(**options)

    more = {"context": typer.Context, "version": _Version}
    kind = inspect.Parameter.KEYWORD_ONLY
    wrapper.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[
            *signature.parameters.values(),
            inspect.Parameter("context", kind, annotation=typer.Context),
            inspect.Parameter("version", kind, default=False, annotation=_Version),
        ]
    )
    wrapper.__annotations__ = {**function.__annotations__, **more}
    return wrapper


@contextmanager
def reported_errors(stopped: str = "stopped") -> Iterator[None]:
    """Show errors that users can act on without a traceback, and leave with the right code.

    Args:
        stopped: What is said after Ctrl-C.

    Exit codes: 2 for bad usage or configuration, 128 and its number for a signal (130 for Ctrl-C),
    1 for anything else.
    """
    from pipeline.disk import told
    from pipeline.errors import ConfigError, XlnerError

    try:
        yield
    except ConfigError as error:
        _fail(error.problems, EXIT_USAGE)
    except XlnerError as error:
        _fail([str(error)], error.exit_code)
    except KeyboardInterrupt as error:
        number = error.args[0] if error.args else signal.SIGINT
        _fail([stopped], EXIT_SIGNAL + number)
    except UnicodeEncodeError as error:
        chosen = "PYTHONIOENCODING" in os.environ
        if not chosen or lookup(error.encoding) != lookup(sys.stdout.encoding):
            raise
        lacking = error.object[error.start : error.start + 1]
        _fail(
            [f"PYTHONIOENCODING: {error.encoding} has no {lacking!r}; unset it, or have utf-8"],
            EXIT_OTHER,
        )
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; that is no error of ours.
        raise typer.Exit(0) from None
    except (typer.Exit, typer.Abort):
        raise  # of a command within: told already
    except Exception as error:
        if (words := told(error)) is None:
            raise
        _fail([words], EXIT_OTHER)


def _fail(messages: list[str], code: int) -> NoReturn:
    _show_errors(messages)
    raise typer.Exit(code)


def _show_errors(messages: Iterable[str]) -> None:
    from rich.console import Console
    from rich.text import Text

    from pipeline.terminal import printable

    console = Console(stderr=True)
    for message in messages:
        line = Text.assemble(("error: ", "bold red"), printable(message))
        console.print(line, soft_wrap=True)


def to_write(option: str, path: Path | None, *read: Path | None) -> None:
    """Check where a file is to be written, before anything is computed; make the folders above it.

    Args:
        option: The option that names it.
        path: The file; ``None`` (standard output) is fine.
        read: Files that the command reads, or writes as well.

    Raises:
        ConfigError: If it is a folder, one of those files, or in a place that cannot be.
    """
    from pipeline.errors import ConfigError

    if path is None:
        return
    if path.is_dir():
        raise ConfigError(f"{option}: {path}: is a folder; name a file")
    if any(other is not None and other.resolve() == path.resolve() for other in read):
        raise ConfigError(
            f"{option}: {path}: the command needs this file itself, and what it holds would be "
            "lost; name another one"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{option}: {path}: {error.filename}: {error.strerror}") from error


def labelled_writer(option: str, path: Path) -> Callable[[Iterable[Sentence], Path], int]:
    """Return what writes labelled data: JSONL, Parquet, or CoNLL where the name says nothing.

    Raises:
        ConfigError: If the name ends as files of another format, or packed ones, do.
    """
    from pipeline.errors import ConfigError
    from pipeline.formats import FORMATS, write_conll, write_jsonl, write_parquet
    from pipeline.formats.packed import SUFFIXES
    from pipeline.formats.splits import readable_suffixes

    writers = {".jsonl": write_jsonl, ".parquet": write_parquet}
    conll = FORMATS["conll"].suffixes | {".txt", ".tsv"}
    suffix = path.suffix.lower()
    if suffix not in writers and suffix in (readable_suffixes() | SUFFIXES) - conll:
        raise ConfigError(
            f"{option}: {path.name}: files that end in {suffix} are not written; the name must end "
            f"in {', '.join(writers)}, or for CoNLL in {', '.join(sorted(conll))}"
        )
    return writers.get(suffix, write_conll)


def tell(message: str) -> None:
    """Print a message for people on standard error: standard output is for data."""
    from pipeline.terminal import printable

    typer.echo(printable(message), err=True)


def print_json(value: object) -> None:
    """Print a value as JSON for programs."""
    data_stream().write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def data_stream() -> TextIO:
    """Return standard output for data: exact in a pipe or file, harmless on a terminal."""
    from pipeline.terminal import HarmlessStream

    return cast("TextIO", HarmlessStream(sys.stdout)) if sys.stdout.isatty() else sys.stdout


def data_console() -> Console:
    """Return a console for standard output.

    Nothing is folded for a pipe or a file, at least nothing of common length, and a reader that
    has gone is left to :func:`reported_errors`.
    """
    from rich.console import Console

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            raise

    console = Quiet(highlight=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = 160
    return console


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

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            from rich.text import Text

            from pipeline.terminal import printable

            line = Text.assemble(("warning: ", "yellow"), printable(record.getMessage()))
            console.print(line, soft_wrap=True)

    for name in ("pipeline", "stages"):
        logger = logging.getLogger(name)
        logger.handlers = [Lines(logging.WARNING)]
        logger.propagate = False
