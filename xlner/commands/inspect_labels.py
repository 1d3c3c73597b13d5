"""``inspect_labels``: look at projected labels, export them for correction, take them back."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated

import typer

from xlner.commands.options import (
    DEFAULT_RUNS,
    AsJson,
    Encoding,
    Idle,
    MoreData,
    RunsDir,
    complete_reason,
    complete_run,
    completing,
    language,
)
from xlner.commands.shared import (
    command,
    data_console,
    data_stream,
    labelled_writer,
    print_json,
    tell,
    to_write,
)

if TYPE_CHECKING:
    from pipeline.artifacts import RunFolder
    from pipeline.schema import Sentence
    from stages.inspect.selection import RowSelection
    from stages.inspect.view import View
    from xlner.commands.files import Files

DEFAULT_SAMPLE = 20
"""Sentences shown where nothing else is said: a screen or two."""

Units = Mapping[str, Mapping[str, str]]
"""The units of a stage, and what is wrong with what each was made from."""
STYLES = ("pretty", "conll", "jsonl")
_WHOLE = ("--summary", "--import")  # they look at all sentences, and show none


def inspect_labels(
    run: Annotated[
        str,
        typer.Argument(
            help="Name of a run (below --runs-dir), or its folder.", autocompletion=complete_run
        ),
    ],
    lang: Annotated[
        str | None, typer.Option(help="Target language; default: all.", callback=language)
    ] = None,
    stage: Annotated[
        str,
        typer.Option(
            help="project, translate, align, synthesize, predict or prepare.",
            autocompletion=completing(lambda: resolve_name("stages.inspect.reading:SPAN_STAGES")),
        ),
    ] = "project",
    unit: Annotated[
        str | None, typer.Option(help="Part of predict or prepare: fused/seed-13/test/de.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            help="likely-wrong (with reasons), wrong (by gold labels), dropped, kept, low-score "
            "(see --below) or disagree (with the source, in number and type).",
            autocompletion=completing(lambda: resolve_name("stages.inspect.selection:ONLY")),
        ),
    ] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Entity type.")] = None,
    reason: Annotated[
        str | None,
        typer.Option(
            help="Reason for which it was dropped.",
            autocompletion=complete_reason,
        ),
    ] = None,
    contains: Annotated[str | None, typer.Option(help="Text in source or target.")] = None,
    id_: Annotated[str | None, typer.Option("--id", help="Id of the sentence.")] = None,
    below: Annotated[
        float,
        typer.Option(min=0, max=1, help="What counts as a low score."),
        Idle(without="--only low-score"),
    ] = 0.5,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Draw that many at random; default: 20 if pretty."),
        Idle(beside=("--all", *_WHOLE)),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show all that fit."), Idle(beside=_WHOLE)
    ] = False,
    seed: Annotated[
        int, typer.Option(help="Seed of the sample."), Idle(beside=("--all", *_WHOLE))
    ] = 0,
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help="pretty, conll or jsonl.",
            autocompletion=completing(lambda: STYLES),
        ),
        Idle(beside=("--json", "--export", *_WHOLE)),
    ] = "pretty",
    encoder: Annotated[
        str | None,
        typer.Option(
            help="With --only likely-wrong: doubt, too, what the labels of other sentences speak "
            "against, learnt in the states of this encoder (folder or hub id); takes a while."
        ),
        Idle(without="--only likely-wrong"),
    ] = None,
    all_links: Annotated[
        bool,
        typer.Option("--links", help="List every link."),
        Idle(without="--format pretty", beside=("--json", "--export", *_WHOLE)),
    ] = False,
    summary: Annotated[bool, typer.Option("--summary", help="Show numbers instead.")] = False,
    as_json: AsJson = False,
    export: Annotated[
        tuple[str, Path] | None,
        typer.Option(
            metavar="FORMAT PATH",
            help="Write kept sentences (or those that --only, --reason … choose) as label-studio, "
            "doccano, brat, conll, jsonl, parquet, hf or spacy.",
        ),
    ] = None,
    corrected: Annotated[
        Path | None, typer.Option("--import", help="Read a corrected export back (with -o).")
    ] = None,
    import_format: Annotated[
        str | None,
        typer.Option(help="Format of --import; default: detected."),
        Idle(without="--import"),
    ] = None,
    encoding: Annotated[Encoding, Idle(without="--import")] = "utf-8",
    data: Annotated[MoreData, Idle(without="--import")] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Where --import writes: .jsonl, .conll or .parquet."),
        Idle(without="--import"),
    ] = None,
    runs_dir: RunsDir = DEFAULT_RUNS,
) -> None:
    """Look at projected labels: why each was kept or dropped; export and import corrections."""
    from pipeline.errors import ConfigError, one_of
    from stages.inspect.reading import TRACED, changed_inputs, choose_unit, find_run
    from stages.inspect.selection import RowSelection
    from xlner.commands.files import Files

    folder = find_run(run, runs_dir)
    selection = RowSelection(only, type_, reason, contains, id_, below)  # type: ignore[arg-type]
    selection.check()
    asked = {"--import": corrected, "--summary": summary, "--export": export}
    given = [name for name, value in asked.items() if value]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)}: one at a time")
    if (summary or corrected) and (selection != RowSelection() or stage != "project"):
        raise ConfigError(
            "--summary and --import look at all sentences of the stage project: leave out "
            "--only, --type, --reason, --contains, --id and --stage"
        )
    one_of("--format", format_, STYLES)
    units = {
        name: changed_inputs(folder, stage, name) if stage in TRACED else {}
        for name in choose_unit(folder, stage, lang, unit)
    }
    for name, changed in units.items() if stage == "project" else ():
        for what in changed.values():
            tell(f"warning: project/{name} holds what was projected before: {what}")
    if corrected is not None:
        files = Files(encoding, data or ())
        _import(folder, units, corrected, (import_format, files), out, as_json)
    elif summary:
        _summary(folder, list(units), as_json)
    elif export is not None:
        narrowed = only or reason or id_ or stage != "project"
        if not narrowed:
            selection = dataclasses.replace(selection, only="kept")
        size = None if everything else sample
        stream = _stream(folder, stage, units, selection, encoder)
        _export(folder, stream, selection, export, size, seed, as_json)
    else:
        style = "jsonl" if as_json else format_
        size = None if everything else sample
        if size is None and not everything and style == "pretty" and id_ is None:
            size = DEFAULT_SAMPLE
        stream = _stream(folder, stage, units, selection, encoder)
        _show(stream, selection, size, seed, style, all_links)


def _stream(
    run: RunFolder,
    stage: str,
    units: Units,
    selection: RowSelection | None = None,
    encoder: str | None = None,
) -> Iterator[View]:
    from pipeline.artifacts import Artifact
    from pipeline.errors import ConfigError
    from stages.inspect.doubts import Renderings, judged
    from stages.inspect.reading import has_gold, views
    from stages.inspect.selection import JUDGED

    if selection is not None and selection.only == "wrong" and stage == "project":
        units = {u: changed for u, changed in units.items() if has_gold(run, u)}
        if not units:
            raise ConfigError(
                "--only wrong: this run has no gold labels on the target side (data.parallel); "
                "--only likely-wrong shows what speaks against a label"
            )
    for unit, changed in units.items():
        found = views(run, stage, unit, changed)
        if selection is not None and selection.only in JUDGED:
            if stage != "project":
                raise ConfigError(f"--only {selection.only} looks at the stage project only")
            if encoder is not None:
                learnt_from = views(run, stage, unit, changed)
                found = _unlike_others(unit, learnt_from, encoder, found)
            found = judged(found, Renderings.of(Artifact(run.path / stage / unit)))
        yield from found


def _unlike_others(
    unit: str, learnt_from: Iterator[View], encoder: str, found: Iterator[View]
) -> Iterator[View]:
    """Return sentences with what the labels of the others make of theirs."""
    from pipeline.models import locate
    from pipeline.progress import Progress
    from stages.inspect.out_of_sample import OutOfSample, WordStates

    states = WordStates(locate(encoder).download())
    with Progress().task(f"learn from the others' labels: {unit}") as bar:
        learnt = OutOfSample.learn(learnt_from, states, bar.advance)
    if learnt is None:
        tell(f"{unit}: too few labelled sentences to learn from some and judge the others")
        return found
    return learnt.judged(found)


def _show(
    stream: Iterator[View],
    selection: RowSelection,
    size: int | None,
    seed: int,
    style: str,
    all_links: bool,
) -> None:
    from stages.inspect.pretty import pretty
    from stages.inspect.selection import choose, draw

    chosen = choose(stream, selection)
    total: int | None = None
    if size is not None:
        sample, total = draw(chosen, size, seed)
        chosen = iter(sample)
    console = data_console()
    shown = 0
    for view in chosen:
        shown += 1
        if style == "jsonl":
            data_stream().write(json.dumps(view.to_json(), ensure_ascii=False) + "\n")
        elif style == "conll":
            data_stream().write(_conll(view) + "\n")
        else:
            console.print(pretty(view, all_links=all_links))
    if style == "pretty":
        of = f" of {total:,}" if total is not None and total > shown else ""
        more = "; --all or --sample N for more" if of else ""
        plural = "" if shown == 1 and not of else "s"
        console.print(f"{shown:,}{of} sentence{plural}{more}", style="dim")


def _conll(view: View) -> str:
    from pipeline.formats import tags_from_spans

    tags = tags_from_spans(view.kept_spans(), len(view.words))
    lines = [f"# id = {view.id}"]
    if view.source_words:
        lines.append(f"# source = {' '.join(view.source_words)}")
    if view.reason:
        lines.append(f"# dropped = {view.reason}")
    lines += [f"{word}\t{tag}" for word, tag in zip(view.words, tags, strict=True)]
    return "\n".join(lines) + "\n"


def _summary(run: RunFolder, langs: list[str], as_json: bool) -> None:
    from stages.inspect.summary import summary, summary_json

    if as_json:
        print_json(summary_json(run, langs))
        return
    console = data_console()
    for item in summary(run, langs):
        console.print(item)


def _export(
    run: RunFolder,
    stream: Iterator[View],
    selection: RowSelection,
    target: tuple[str, Path],
    sample: int | None,
    seed: int,
    as_json: bool,
) -> None:
    from stages.inspect.corrections import FOLDERS, as_items, export
    from stages.inspect.selection import choose, draw

    if target[0] not in FOLDERS:
        to_write("--export", target[1])
    seen, taken = Counter[bool | None](), Counter[bool | None]()
    chosen = _counted((v for v in choose(_counted(stream, seen), selection) if v.words), taken)
    if sample is not None:
        chosen = iter(draw(chosen, sample, seed)[0])
    first = list(islice(chosen, 1))  # a selection that cannot be is told of before writing
    chosen = chain(first, chosen)
    count = export(as_items(chosen, run.path.name), target[0], target[1])
    dropped = seen[False] - taken[False]
    if as_json:
        told = {"sentences": count, "dropped": dropped, "format": target[0], "out": str(target[1])}
        print_json(told)
    else:
        left = (
            f"; {dropped:,} dropped ones are left out (--only dropped shows them)"
            if dropped
            else ""
        )
        tell(f"wrote {count:,} sentences to {target[1]}{left}")


def _counted(views: Iterator[View], counts: Counter[bool | None]) -> Iterator[View]:
    """Count sentences by whether they are kept, as they go by."""
    for view in views:
        counts[view.kept] += 1
        yield view


def _import(
    run: RunFolder,
    units: Units,
    path: Path,
    how: tuple[str | None, Files],
    out: Path | None,
    as_json: bool,
) -> None:
    from pipeline.errors import ConfigError
    from stages.inspect.corrections import Changes, as_items, import_corrected

    if out is None:
        raise ConfigError("--import: say where to write the labelled data: -o labelled.jsonl")
    write = labelled_writer("--out", out)
    known: dict[str, Sentence] = {}
    for sentence, _ in as_items(_stream(run, "project", units), run.path.name):
        if sentence.id in known:
            raise ConfigError("--lang: ids repeat in every language; name the one to import")
        known[sentence.id] = sentence
    to_write("--out", out, path)
    changes = Changes()
    name, files = how
    with files.advised():
        source = files.of(path, name, labelled=True)
        files.refuse_idle()
        sentences = list(import_corrected(path, known, changes, source))
    write(sentences, out)
    told = dataclasses.asdict(changes)
    if as_json:
        print_json(told | {"out": str(out)})
        return
    examples = told.pop("examples")
    counts = ", ".join(f"{name.replace('_', ' ')}: {n:,}" for name, n in told.items())
    tell(f"wrote {out}\n{counts}")
    for line in examples:
        tell(f"  {line}")


main = command(inspect_labels, "inspect_labels", "Look at projected labels; export, import.")
