"""Plain parallel and monolingual text from the files in which it is published.

Read are tab-separated lines (`tsv`), such lines inside a zip archive (`zip`, as manythings.org and
others publish them), two line-aligned files (`lines`), one sentence a line (`text`), and labelled
corpora in any format of `pipeline.formats` (`labelled`), of which the words are taken.
"""

from __future__ import annotations

import fnmatch
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from pipeline.config import ConfigModel, DataSource
from pipeline.errors import DataError
from pipeline.schema import Sentence


class TextSource(ConfigModel):
    """One file, or one pair of files, of sentences.

    `languages` says what the sides are: one code for monolingual text, two for pairs, in the
    order of `columns` (tsv, zip) or of `path` and `second_path` (lines).
    """

    path: Path = Field(description="the file")
    languages: tuple[str, ...] = Field(
        min_length=1,
        max_length=2,
        description="language of the text, or of both sides of its pairs",
    )
    format: Literal["tsv", "zip", "lines", "text", "labelled"] = Field(
        description="what kind of file it is"
    )
    second_path: Path | None = Field(None, description="the other side, of pairs in two files")
    member: str = Field(
        "*.txt",
        description="glob that names the file inside a zip; names starting with _ "
        "and macOS's are skipped",
    )
    separator: str = Field(
        "\t", description="between the columns of tsv and zip; spaces around the cells are removed"
    )
    columns: tuple[int, ...] = Field(
        (0, 1), description="which columns of tsv and zip hold the sides, counted from 0"
    )
    weight: float = Field(
        1.0,
        gt=0,
        description="how often train_translator draws a pair of this source, beside"
        " 1 for other sources",
    )
    hold_out: bool = Field(
        False,
        description="whether the hash split puts a share of this source aside (see "
        "overlap.held_out)",
    )
    attribution: str = Field(
        "", description="who made the text and under which licence; it goes into the model card"
    )

    @model_validator(mode="after")
    def _sides_match_format(self) -> TextSource:
        if self.format == "lines" and (len(self.languages) != 2 or self.second_path is None):
            raise ValueError("format 'lines' needs two languages and second_path")
        if self.format in ("text", "labelled") and len(self.languages) != 1:
            raise ValueError(f"format {self.format!r} holds one language, not {self.languages}")
        if self.format in ("tsv", "zip") and len(self.columns) < len(self.languages):
            raise ValueError("columns must name one column for each language")
        return self


class TextPair(NamedTuple):
    """Two sentences that translate each other; `source` is in the pivot language (English)."""

    language: str
    source: str
    target: str


def read_rows(source: TextSource) -> Iterator[tuple[str, ...]]:
    """Yields one tuple of sentences per line, one entry per language of the source.

    Raises:
        DataError: If a file, or the member of a zip, is not there or is not text; if a line has
            too few columns (with file and line); if line-aligned files differ in length.
    """
    from pipeline.formats.files import read_lines

    if source.format == "labelled":
        for sentence in _labelled(source, labelled=False):
            yield (" ".join(sentence.words),)
    elif source.format == "text":
        for _, line in read_lines(source.path):
            yield (line,)
    elif source.format == "lines":
        assert source.second_path is not None
        first = [line for _, line in read_lines(source.path)]
        second = [line for _, line in read_lines(source.second_path)]
        if len(first) != len(second):
            raise DataError(
                f"{source.path} has {len(first)} lines and {source.second_path} {len(second)}; "
                "line-aligned files must have the same number"
            )
        yield from zip(first, second, strict=True)
    else:
        lines = read_lines(source.path) if source.format == "tsv" else _zipped_lines(source)
        yield from _split(source, lines)


def read_entities(source: TextSource) -> Iterator[tuple[str, str]]:
    """Yields `(type, name)` for each labelled span of a `labelled` source.

    Used for the gazetteer of entity substitution. Words of a span are joined by spaces.
    """
    for sentence in _labelled(source, labelled=True):
        for span in sentence.spans:
            yield span.type, " ".join(sentence.words[span.start : span.end])


def _labelled(source: TextSource, *, labelled: bool) -> Iterator[Sentence]:
    from pipeline.formats.reading import read_labelled

    data = DataSource(path=str(source.path))
    yield from read_labelled(data, source.languages[0], path=source.path, labelled=labelled)


def _split(source: TextSource, lines: Iterator[tuple[int, str]]) -> Iterator[tuple[str, ...]]:
    columns = source.columns[: len(source.languages)]
    for number, line in lines:
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split(source.separator)]
        if len(cells) <= max(columns):
            raise DataError(
                f"{source.path}:{number}: {len(cells)} column(s), but column {max(columns)} "
                "(counted from 0) is asked for; correct the line, or separator and columns"
            )
        yield tuple(cells[c] for c in columns)


def _zipped_lines(source: TextSource) -> Iterator[tuple[int, str]]:
    from pipeline.formats.files import require_file
    from pipeline.formats.packed import refuse_bomb

    require_file(source.path)
    try:
        with zipfile.ZipFile(source.path) as archive:
            names = [
                name
                for name in archive.namelist()
                if fnmatch.fnmatch(Path(name).name, source.member)
                and not Path(name).name.startswith(("_", "."))
                and "__MACOSX" not in name
            ]
            if len(names) != 1:
                raise DataError(
                    f"{source.path}: member {source.member!r} must name one file; "
                    f"it names {', '.join(names) or 'none'} of {', '.join(archive.namelist())}"
                )
            refuse_bomb(source.path, archive.getinfo(names[0]))
            with archive.open(names[0]) as raw:
                text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="\n")
                for number, line in enumerate(text, 1):
                    yield number, line.rstrip("\r\n")
    except zipfile.BadZipFile as error:
        raise DataError(f"{source.path}: not a zip archive ({error})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{source.path}: not UTF-8 ({error}); convert it first") from error
