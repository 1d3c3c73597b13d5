"""``trim_encoder``: an encoder with only the subwords that some languages need."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from xlner.commands.options import AsJson, Encoding, MoreData
from xlner.commands.shared import command, print_json, quiet_libraries, tell

ABOUT = "Cut an encoder's vocabulary to the subwords that some languages need."


def trim_encoder(
    model: Annotated[str, typer.Argument(help="Encoder: folder or hub id.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write, new or empty.")],
    languages: Annotated[
        str,
        typer.Option(help="Codes, separated by commas: their frequency lists (package wordfreq)."),
    ] = "",
    text: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Text of the languages, plain or in any format of labelled data; may be repeated.",
        ),
    ] = None,
    subwords: Annotated[
        int | None,
        typer.Option(min=1, help="Keep this many subwords; default: all that the words need."),
    ] = None,
    encoding: Encoding = "utf-8",
    data: MoreData = None,
    as_json: AsJson = False,
) -> None:
    """Cut an encoder's vocabulary to the subwords that some languages need."""
    from pipeline.errors import ConfigError
    from pipeline.languages import canonical
    from pipeline.models import locate
    from xlner.commands.files import Files
    from xlner.trimming import trim_encoder as trim
    from xlner.trimming.trim import fast_tokenizer
    from xlner.trimming.words import count_file, listed_languages, listed_words

    quiet_libraries()
    files, how = text or [], Files(encoding, data or ())
    codes = [canonical(code.strip()) for code in languages.split(",") if code.strip()]
    if not codes and not files:
        raise ConfigError("say for which languages: --languages de,sw, or --text FILE, or both")
    source = locate(model)
    backend = fast_tokenizer(source.download()).backend_tokenizer
    listed = listed_languages(codes) if codes else []
    if missing := ", ".join(code for code in codes if code not in listed):
        if not files:
            raise ConfigError(f"there is no frequency list for {missing}: give text with --text")
        tell(f"no frequency list for {missing}: these languages count by --text alone")
    words = {f"{code} (list)": listed_words(code, backend) for code in listed}
    with how.advised():
        ways = {file: how.of(file) for file in files}
        how.refuse_idle()
        words |= {str(f): dict(count_file(f, backend, way)) for f, way in ways.items()}
    report = trim(source, words, out, size=subwords)
    if as_json:
        print_json(asdict(report))
    for line in report.lines():
        tell(line)


main = command(trim_encoder, "trim_encoder", ABOUT)
