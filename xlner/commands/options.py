"""Options that several commands have: one name, one meaning, one wording, and what completes them.

The functions that complete a word are called by the shell on every press of the tab key, so that
they look at names of files and folders only, and import nothing heavy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipeline.registry import Registry

DEFAULT_RUNS = Path("artifacts/runs")


@dataclass(frozen=True)
class Idle:
    """When an option does nothing, so that it is an error to give it; beside ``typer.Option``.

    Attributes:
        without: The option that it is for: ``--gold``, or one value of it, ``--only low-score``.
        beside: Options that leave it nothing to do.
    """

    without: str | None = None
    beside: tuple[str, ...] = ()

    def problem(self, given: Callable[[str], bool]) -> str | None:
        """Return what is wrong with giving the option, or ``None``.

        Args:
            given: Whether an option (or a value of it, see ``without``) was given.
        """
        if self.without is not None and not given(self.without):
            return f"is for {self.without}"
        found = next(filter(given, self.beside), None)
        return None if found is None else f"does nothing beside {found}"


def idle_options(context: typer.Context, idle: Mapping[str, Idle]) -> Iterator[str]:
    """Yield what is wrong with options of the command line that do nothing beside the others.

    Args:
        context: Of the command that was called.
        idle: By name of the parameter, when it does nothing.
    """
    named = {name: p.name for p in context.command.params for name in p.opts if p.name}

    def stated(parameter: str) -> bool:
        source = context.get_parameter_source(parameter)
        return source is not None and source.name == "COMMANDLINE"

    def given(option: str) -> bool:
        name, _, value = option.partition(" ")
        return context.params[named[name]] == value if value else stated(named[name])

    for parameter in context.command.params:
        when = idle.get(parameter.name or "")
        if when is not None and stated(parameter.name or "") and (wrong := when.problem(given)):
            yield f"{max(parameter.opts, key=len)}: {wrong}"


def completing(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Return what completes a word out of names, which are looked up when it is asked."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return complete


def _stages() -> Registry:
    from stages.registry import STAGES

    return STAGES


complete_run = completing(lambda: sorted(p.name for p in DEFAULT_RUNS.glob("*") if p.is_dir()))
complete_stage = completing(lambda: _stages().names)
complete_reason = completing(lambda: _stages().reasons)


def complete_config(incomplete: str) -> list[str]:
    """Return shipped configs, and the YAML files and folders that ``incomplete`` may lead to."""
    from pipeline.resources import shipped_configs

    folder = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    prefix = "" if str(folder) == "." and not incomplete.startswith(".") else f"{folder}/"
    files = [
        f"{prefix}{p.name}" + ("/" if p.is_dir() else "")
        for p in (sorted(folder.glob("*")) if folder.is_dir() else [])
        if not p.name.startswith(".") and (p.suffix in (".yaml", ".yml") or p.is_dir())
    ]
    # Folders of the current directory only once a path is begun: the names come first.
    files = [f for f in files if incomplete or not f.endswith("/")]
    return [f for f in (*shipped_configs(), *files) if f.startswith(incomplete)]


def option_name(key: str) -> str:
    """Return what a key of a config is called by a command."""
    return "--" + key.rpartition(".")[2].replace("_", "-")


def with_more(
    options: dict[str, Any], more: Iterable[str], example: str, option: str = "--option"
) -> Callable[[str], str]:
    """Add what ``--option KEY=VALUE`` gave to options.

    Args:
        options: What the options of the command gave; gets the others.
        more: What ``--option`` gave.
        example: What would be right there, for errors.
        option: The option that gave it.

    Returns:
        What a key is called by errors: as it was typed.

    Raises:
        ConfigError: If one is not of that form.
    """
    from pipeline.config import apply_override

    given = tuple(apply_override(options, text, option, example) for text in more)

    def typed(key: str) -> str:
        own = not any(f"{key}.".startswith(f"{g}.") or g.startswith(f"{key}.") for g in given)
        return option_name(key) if own else f"{option} {key}"

    return typed


Config = Annotated[
    str,
    typer.Argument(
        help="A .yaml file, or the name of a shipped config.", autocompletion=complete_config
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key: languages='[de,es]'."),
]


def _a_folder(value: Path) -> Path:
    if re.match(r"[a-z][a-z0-9+.-]+:/", str(value)):
        raise typer.BadParameter(
            "runs are worked on in folders: a mounted bucket is one; 'run_pipeline push' and "
            "'pull' copy runs to and from a URL"
        )
    return value


def language(value: str | None) -> str | None:
    """Return the canonical code of a language that an option names: the callback of such options.

    Raises:
        typer.BadParameter: If there is no such language.
    """
    if value is None:
        return None
    from pipeline.errors import ConfigError
    from pipeline.languages import canonical

    try:
        return canonical(value)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None


RunsDir = Annotated[Path, typer.Option(help="Folder that holds the runs.", callback=_a_folder)]
Force = Annotated[bool, typer.Option("--force", help="Do it even where it is up to date.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan; do nothing.")]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        min=1,
        metavar="N",
        help="Tasks that run side by side; default: as many as the machine has GPUs, or cores for.",
    ),
]
Devices = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help="GPUs to use, one for each task; default: all."),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON on standard output, for programs.")
]
Out = Annotated[
    Path | None, typer.Option("-o", "--out", help="File to write; default: standard output.")
]
MoreOptions = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="KEY=VALUE", help="Another option of what is named."),
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
BatchTokens = Annotated[
    int | None, typer.Option(min=1, help="Tokens per batch; default: as the device can take.")
]
Encoding = Annotated[
    str, typer.Option(help="Encoding of text files: utf-8, utf-16, latin-1, cp1252 …")
]
MoreData = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        metavar="KEY=VALUE",
        help="How files are read: a key of a data source, as tag_column=2 or scheme=io; with two "
        "files, target.scheme=io for one.",
    ),
]
