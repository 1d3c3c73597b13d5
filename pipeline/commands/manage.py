"""``run_pipeline init``, ``run_pipeline list`` and ``run_pipeline schema``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.run import DEFAULT_RUNS, RunsDir
from pipeline.commands.shared import reported_errors


def init(
    folder: Annotated[Path, typer.Argument(help="Folder with your files.")],
) -> None:
    """Write a commented config for a folder of your files; nothing is asked."""
    from pipeline.scaffold import write_config

    with reported_errors():
        path = write_config(folder)
        typer.echo(f"wrote {path}\nnext: run_pipeline {path} --dry-run")


def list_runs(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    runs_dir: RunsDir = DEFAULT_RUNS,
) -> None:
    """Show the runs with their state and headline result."""
    from pipeline.listing import describe_runs

    with reported_errors():
        runs = describe_runs(runs_dir)
        if as_json:
            typer.echo(json.dumps(runs, indent=2))
            return
        from rich.console import Console
        from rich.table import Table

        table = Table("run", "state", "tasks", "last change", "result", box=None, pad_edge=False)
        for run in runs:
            table.add_row(*(str(run[k]) for k in ("run", "state", "tasks", "changed", "headline")))
        Console().print(table if runs else f"no runs in {runs_dir}")


def schema() -> None:
    """Print the JSON schema of a config, for editors."""
    from pipeline.registry import STAGES

    with reported_errors():
        typer.echo(json.dumps(STAGES.config_type().model_json_schema(), indent=2))
