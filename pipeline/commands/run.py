"""``run_pipeline`` and ``run_stage``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.shared import (
    command,
    make_app,
    quiet_libraries,
    reported_errors,
    show_warnings,
)

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.runner import Result, Runner, Selection, Step

DEFAULT_RUNS = Path("artifacts/runs")

Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key: languages='[de,es]'."),
]
RunsDir = Annotated[Path, typer.Option(help="Folder that holds the runs.")]
Force = Annotated[bool, typer.Option("--force", help="Do it even where it is up to date.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan; do nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the plan or result as JSON.")]


def run_pipeline(
    config: Annotated[
        str, typer.Argument(help="A .yaml file, or the name of a shipped config.")
    ] = "default",
    overrides: Overrides = None,
    first: Annotated[
        str | None, typer.Option("--from", metavar="STAGE", help="First stage to do.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--until", metavar="STAGE", help="Last stage to do.")
    ] = None,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    runs_dir: RunsDir = DEFAULT_RUNS,
) -> None:
    """Run all stages that are not up to date, from labelled source text to the comparison."""
    from pipeline.runner import Selection

    with reported_errors():
        _run(config, overrides or [], Selection(first, last, force), dry_run, as_json, runs_dir)


def run_stage(
    name: Annotated[str, typer.Argument(metavar="STAGE", help="The stage to run.")],
    config: Annotated[
        str, typer.Argument(help="A .yaml file, or the name of a shipped config.")
    ] = "default",
    overrides: Overrides = None,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    runs_dir: RunsDir = DEFAULT_RUNS,
) -> None:
    """Run one stage; what it reads must be up to date."""
    from pipeline.runner import Selection

    with reported_errors():
        _run(config, overrides or [], Selection(name, name, force), dry_run, as_json, runs_dir)


def _run(
    name: str,
    overrides: list[str],
    selection: Selection,
    dry_run: bool,
    as_json: bool,
    runs_dir: Path,
) -> None:
    from rich.console import Console

    quiet_libraries()
    from pipeline.config import load_config
    from pipeline.progress import Progress
    from pipeline.runner import Runner

    console = Console()
    config = load_config(name, overrides)
    progress = Progress(Console(stderr=True))
    show_warnings(progress.console)
    runner = Runner(config, runs_dir, progress)
    if dry_run:
        selection.stages(runner.registry)
        tasks = runner.tasks()
        runner.check(tasks)
        show_plan(runner.plan(tasks, selection), console, as_json)
        return
    result = runner.run(selection)
    if as_json:
        _print_json(_result_json(result))
    else:
        show_result(runner, result, console)


def show_plan(steps: list[Step], console: Console, as_json: bool) -> None:
    """Print which tasks run, which are up to date, and why."""
    if as_json:
        _print_json([_step_json(s) for s in steps])
        return
    from rich.table import Table

    table = Table("task", "state", "why", box=None, pad_edge=False)
    colours = {"up to date": "green", "run": "yellow", "resume": "cyan", "not selected": "dim"}
    for step in steps:
        table.add_row(str(step.task.ref), f"[{colours[step.state]}]{step.state}[/]", step.why or "")
    console.print(table)
    todo = sum(s.state in ("run", "resume") for s in steps)
    console.print(f"{todo} of {len(steps)} tasks to do")


def show_result(runner: Runner, result: Result, console: Console) -> None:
    """Print the results of a run and where everything is."""
    skipped = sum(s.state == "up to date" for s in result.steps)
    for shown in runner.summaries(result.steps):
        console.print(shown)
    console.print(f"{len(result.done)} tasks done, {skipped} up to date.")
    console.print("Written:", style="bold")
    for name in dict.fromkeys(s.task.stage for s in result.steps):
        folder = runner.folder.path / name
        if folder.is_dir():
            found = [
                runner.folder.artifact(s.task.ref) for s in result.steps if s.task.stage == name
            ]
            files = [f for a in found if a and a.manifest.kind == "files" for f in a.manifest.files]
            remark = f"  ({', '.join(files)})" if files else ""
            console.print(f"  {name:<17}{folder}{remark}", highlight=False, soft_wrap=True)


def _step_json(step: Step) -> dict[str, object]:
    return {
        "task": str(step.task.ref),
        "state": step.state,
        "why": step.why,
        "fingerprint": step.fingerprint,
    }


def _result_json(result: Result) -> dict[str, object]:
    return {
        "run": str(result.folder),
        "steps": [_step_json(s) for s in result.steps],
        "done": [str(a.folder) for a in result.done],
    }


def _print_json(value: object) -> None:
    import json

    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


_ABOUT_RUN = (
    "From labelled source text to a target-language tagger and an honest comparison. "
    "Two words are commands of their own: 'run_pipeline init FOLDER' writes a config for your "
    "files, 'run_pipeline list' shows the runs."
)

_run_pipeline = command(run_pipeline, "run_pipeline", _ABOUT_RUN)
main_stage = command(run_stage, "run_stage", "Run one stage of the pipeline.")


def main() -> None:
    """Entry point of ``run_pipeline``."""
    words = {"init", "list", "schema"}
    if len(sys.argv) > 1 and sys.argv[1] in words:
        from pipeline.commands import manage

        app = make_app("run_pipeline", _ABOUT_RUN)
        app.command("init")(manage.init)
        app.command("list")(manage.list_runs)
        app.command("schema")(manage.schema)
        app()
    else:
        _run_pipeline()
