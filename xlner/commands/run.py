"""``run_pipeline`` and ``run_stage``."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xlner.commands.options import (
    DEFAULT_RUNS,
    AsJson,
    Config,
    Devices,
    DryRun,
    Force,
    Jobs,
    Overrides,
    RunsDir,
    complete_config,
    complete_stage,
)
from xlner.commands.shared import (
    as_command,
    command,
    data_console,
    entry,
    make_app,
    print_json,
    quiet_libraries,
    show_warnings,
)

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.plan import Selection, Step
    from pipeline.runner import Result
    from xlner.api import Runner

WORDS = ("init", "list", "schema", "push", "pull", "export")
"""Words that are commands of their own, so that no config may be called by them."""

STOPPED = "stopped; what is finished is kept, run the same command again to continue"


def _complete_first(incomplete: str) -> list[str]:
    return [*complete_config(incomplete), *(w for w in WORDS if w.startswith(incomplete))]


def run_pipeline(
    config: Annotated[
        str,
        typer.Argument(
            help="A .yaml file, or the name of a shipped config.", autocompletion=_complete_first
        ),
    ] = "default",
    overrides: Overrides = None,
    first: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="STAGE", help="First stage to do.", autocompletion=complete_stage
        ),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="STAGE", help="Last stage to do.", autocompletion=complete_stage
        ),
    ] = None,
    force: Force = False,
    dry_run: DryRun = False,
    jobs: Jobs = None,
    devices: Devices = None,
    as_json: AsJson = False,
    runs_dir: RunsDir = DEFAULT_RUNS,
) -> None:
    """Run all stages that are not up to date, from labelled source text to the comparison."""
    from pipeline.plan import Selection

    selection = Selection(first, last, force)
    given = [*(overrides or []), *_places(jobs, devices)]
    _run(config, given, selection, dry_run, as_json, runs_dir)


def run_stage(
    name: Annotated[
        str,
        typer.Argument(metavar="STAGE", help="The stage to run.", autocompletion=complete_stage),
    ],
    config: Config = "default",
    overrides: Overrides = None,
    force: Force = False,
    dry_run: DryRun = False,
    jobs: Jobs = None,
    devices: Devices = None,
    as_json: AsJson = False,
    runs_dir: RunsDir = DEFAULT_RUNS,
) -> None:
    """Run one stage; what it reads must be up to date."""
    from pipeline.plan import Selection

    given = [*(overrides or []), *_places(jobs, devices)]
    _run(config, given, Selection(name, name, force), dry_run, as_json, runs_dir)


def _places(jobs: int | None, devices: int | None) -> list[str]:
    """Return the options that say where tasks run, as overrides."""
    given = {"jobs": jobs, "devices": devices}
    return [f"{key}={value}" for key, value in given.items() if value is not None]


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
    from pipeline import capacity
    from pipeline.progress import Progress
    from xlner.api import Runner, load_config

    console = data_console()
    config = load_config(name, overrides)
    progress = Progress(Console(stderr=True))
    show_warnings(progress.console)
    if dry_run:
        _show_dry_run(Runner(config, runs_dir, progress), selection, console, as_json)
        return
    on_ray = config.engine == "ray"  # the cluster says how many
    jobs = config.jobs if on_ray else capacity.jobs(config, len(capacity.devices(config)))
    runner = Runner(config, runs_dir, progress, jobs=jobs)
    result = runner.run(selection)
    for line in runner.notices(result.steps):
        progress.say(line)
    if as_json:
        print_json(_result_json(result))
    else:
        show_result(runner, result, console)


def _show_dry_run(runner: Runner, selection: Selection, console: Console, as_json: bool) -> None:
    from xlner.commands.plan import Placed, places_json, show_places, show_plan

    selection.stages(runner.registry)
    tasks = runner.tasks()
    runner.check(tasks)
    steps = runner.plan(tasks, selection)
    for line in runner.previews(steps):
        runner.progress.say(line)
    placed = Placed(runner, steps)
    if as_json:
        places = places_json(placed)
        print_json([_step_json(s) | places.get(s.task.ref, {}) for s in steps])
        return
    show_plan(steps, console)
    show_places(placed, console)


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
    page = runner.folder.path / "report" / "all" / "report.html"
    if page.is_file() and any(s.task.stage == "report" and not s.stale for s in result.steps):
        projected = any(s.task.stage == "project" for s in result.steps)
        what = "Look at the projected labels" if projected else "Look at the report"
        console.print(f"{what}: open this file in a browser", style="bold")
        console.print(f"  {page.resolve()}", highlight=False, soft_wrap=True)
        if projected:
            console.print(f"or: inspect_labels {_shell(runner.folder.path)}", highlight=False)


def _shell(folder: Path) -> str:
    """Return the shortest name that inspect_labels finds a run by."""
    return shlex.quote(folder.name if folder.parent == DEFAULT_RUNS else str(folder))


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
        "results": _scores_json(result),
    }


def _scores_json(result: Result) -> dict[str, Any] | None:
    """Return what the run found: the answer, and F1 per arm and language; if it got that far.

    What is out of date, and was not to be done, does not count.
    """
    from pipeline.artifacts import RunFolder
    from pipeline.stage import Ref
    from stages.evaluate.results import load_results

    ref = Ref("report", "all")
    current = any(s.task.ref == ref and not s.stale for s in result.steps)
    report = RunFolder(result.folder).artifact(ref) if current else None
    if report is None:
        return None
    results = load_results(report.folder)
    page = report.folder / "report.html"
    return {
        "headline": report.manifest.notes.get("headline"),
        "answer": report.manifest.notes.get("answer"),
        "report": str(page) if page.is_file() else None,
        "f1": [
            s.model_dump(include={"arm", "lang", "f1", "f1_std", "f1_low", "f1_high"})
            for s in results.summary
            if s.type is None
        ],
    }


_ABOUT_RUN = (
    "From labelled source text to a target-language tagger and an honest comparison. "
    "Some words are commands of their own: 'run_pipeline init FOLDER' writes a config for your "
    "files, 'run_pipeline list' shows the runs, 'run_pipeline schema' prints the JSON schema of a "
    "config, 'run_pipeline push' and 'pull' copy runs to and from a bucket, "
    "'run_pipeline export' writes a tagger as ONNX."
)

_run_pipeline = command(run_pipeline, "run_pipeline", _ABOUT_RUN, STOPPED)
main_stage = command(run_stage, "run_stage", "Run one stage of the pipeline.", STOPPED)


def _finished_words() -> list[str]:
    """Return the words before the one that a shell wants completed, the command's name first."""
    if "COMP_WORDS" in os.environ:  # bash
        return os.environ["COMP_WORDS"].split()[: int(os.environ["COMP_CWORD"])]
    line = os.environ.get("_TYPER_COMPLETE_ARGS", "")  # zsh, fish, PowerShell
    words = line.split()
    return words if line.endswith(" ") else words[:-1]


def main() -> None:
    """Entry point of ``run_pipeline``."""
    words = _finished_words() if "_RUN_PIPELINE_COMPLETE" in os.environ else sys.argv
    if len(words) > 1 and words[1] in WORDS:
        from xlner.commands import manage

        app = make_app("run_pipeline", _ABOUT_RUN)
        for word in WORDS:
            name = "list_runs" if word == "list" else word  # list is Python's
            app.command(word)(as_command(getattr(manage, name)))
        entry(app)()
    else:
        _run_pipeline()
