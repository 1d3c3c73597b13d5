"""``run_pipeline init``, ``list``, ``schema``, ``push``, ``pull`` and ``export``."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from xlner.commands.options import DEFAULT_RUNS, AsJson, Idle, RunsDir, complete_run, language
from xlner.commands.shared import (
    data_console,
    print_json,
    quiet_libraries,
    tell,
)


def init(
    folder: Annotated[Path, typer.Argument(help="Folder with your files.")],
    source_lang: Annotated[
        str, typer.Option(help="Language of the labelled text.", callback=language)
    ] = "en",
    as_json: AsJson = False,
) -> None:
    """Write a commented config for a folder of your files; nothing is asked."""
    from xlner.scaffold import look_into, write_config

    found = look_into(folder, source_lang)
    path = write_config(folder, source_lang, found)
    for (split, lang), name in found.files.items():
        read = f": {found.read[name]}" if name in found.read else ""
        tell(f"  {split} {lang}: {name}{read}")
    for name, why in found.unused.items():
        tell(f"  not used: {name}: {why}")
    if as_json:
        files = [{"split": s, "lang": la, "file": f} for (s, la), f in found.files.items()]
        print_json({"config": str(path), "files": files, "unused": found.unused})
        return
    tell(f"wrote {path}\nnext: run_pipeline {shlex.quote(str(path))} --dry-run")


def list_runs(
    as_json: AsJson = False,
    runs_dir: Annotated[RunsDir, Idle(beside=("--kinds",))] = DEFAULT_RUNS,
    kinds: Annotated[
        bool, typer.Option("--kinds", help="Show the kinds of aligners, formats … instead.")
    ] = False,
) -> None:
    """Show the runs with their state and headline result."""
    from pipeline.listing import describe_runs

    if kinds:
        _list_kinds(as_json)
        return
    runs = describe_runs(runs_dir)
    if as_json:
        print_json(runs)
        return
    if not runs:
        tell(f"no runs in {runs_dir}")
        return
    from rich.table import Table
    from rich.text import Text

    from pipeline.terminal import printable

    table = Table("run", "state", "tasks", "last change", "result", box=None, pad_edge=False)
    for run in runs:
        values = (str(run[k]) for k in ("run", "state", "tasks", "changed", "headline"))
        table.add_row(*(Text(printable(value)) for value in values))  # no markup in names
    data_console().print(table)


def _list_kinds(as_json: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from pipeline.terminal import printable
    from xlner.kinds import REGISTRIES, kinds

    found = {sort: list(kinds(sort)) for sort in REGISTRIES}
    if as_json:
        print_json(found)
        return
    for sort, rows in found.items():
        table = Table(title=sort, title_justify="left", box=None, show_header=False, pad_edge=False)
        for row in rows:
            table.add_row(*(Text(printable(row[key])) for key in ("name", "about")))
        data_console().print(table)


def schema() -> None:
    """Print the JSON schema of a config, for editors."""
    from stages.registry import STAGES

    found = STAGES.config_type().model_json_schema()
    # Keys with an underscore hold YAML anchors; the reader leaves them out, at the top only.
    print_json(found | {"patternProperties": {"^_": {}}})


def push(
    run: Annotated[
        str, typer.Argument(help="Name or folder of a run.", autocompletion=complete_run)
    ],
    url: Annotated[str, typer.Argument(help="Where runs are kept: s3://bucket/runs, a folder.")],
    runs_dir: RunsDir = DEFAULT_RUNS,
) -> None:
    """Copy the complete outputs of a run to URL/RUN; what is there already is not sent again."""
    from stages.inspect.reading import find_run
    from xlner.transfer import push as send

    place, sent = send(find_run(run, runs_dir).path, url)
    tell(f"{sent} files sent to {place}")


def pull(
    url: Annotated[str, typer.Argument(help="A run that was pushed: s3://bucket/runs/RUN.")],
    runs_dir: RunsDir = DEFAULT_RUNS,
) -> None:
    """Copy a run from a URL into the folder of the runs; it can be continued there."""
    from xlner.transfer import pull as bring

    folder, got = bring(url, runs_dir)
    tell(f"{got} files written to {folder}")


def export(
    model: Annotated[str, typer.Argument(help="Tagger: folder or hub id.")],
    text: Annotated[Path, typer.Argument(help="Sentences to compare on, in any format.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write, new or empty.")],
    int8: Annotated[bool, typer.Option("--int8", help="Weights in eight bits.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a tagger as ONNX, and compare its labels with PyTorch's on the sentences of a file."""
    from pipeline.config import DataSource
    from pipeline.formats import read_labelled

    quiet_libraries()
    from stages.tagger.export import export_onnx
    from stages.tagger.tagger import Tagger

    read = read_labelled(DataSource(path=str(text)), "und", path=text, labelled=False)
    sentences = [s.words for s in read]
    check = export_onnx(Tagger.from_pretrained(model, dtype="float32"), out, sentences, int8=int8)
    if as_json:
        print_json(asdict(check) | {"file": str(check.file)})
        return
    tell(
        f"wrote {check.file}: {check.same_labels} of {check.words} words get the same label as "
        f"in PyTorch, probabilities differ by {check.largest_difference:.1e} at most"
    )
