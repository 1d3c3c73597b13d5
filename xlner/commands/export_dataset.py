"""``export_dataset``: the training data that a run has made, as a data set for the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xlner.commands.options import DEFAULT_RUNS, AsJson, Idle, RunsDir, complete_run
from xlner.commands.shared import command, print_json, quiet_libraries, tell

ABOUT = "Write the projected and synthetic text of a run as a Hugging Face data set; push it."


def export_dataset(
    run: Annotated[
        str, typer.Argument(help="Name or folder of a run.", autocompletion=complete_run)
    ],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder to write; default: dataset/ in the run's folder."),
    ] = None,
    push: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="Upload it to the hub, too.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Make it a private one."), Idle(without="--push")
    ] = False,
    runs_dir: RunsDir = DEFAULT_RUNS,
    as_json: AsJson = False,
) -> None:
    """Write the projected and synthetic text of a run as a Hugging Face data set; push it."""
    from pipeline.errors import ConfigError
    from stages.inspect.reading import find_run
    from stages.inspect.run_dataset import export_dataset as export
    from stages.inspect.run_dataset import push_dataset

    if push is not None and push.count("/") != 1:
        raise ConfigError(f"--push {push!r}: expected owner/name")
    quiet_libraries()
    found = find_run(run, runs_dir)
    folder = out or found.path / "dataset"
    counts = export(found, folder)
    address = None if push is None else push_dataset(folder, push, private=private)
    if as_json:
        print_json({"folder": str(folder), "sentences": counts, "pushed": address})
        return
    for name, count in counts.items():
        tell(f"  {name}: {count:,} sentences")
    tell(f"wrote {folder}: look at README.md, and name the licence there")
    if address is not None:
        tell(f"pushed: {address}")


main = command(export_dataset, "export_dataset", ABOUT)
