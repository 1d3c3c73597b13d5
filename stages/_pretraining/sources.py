"""Plain parallel and monolingual text from the files in which it is published.

Four layouts are read: tab-separated lines (`tsv`), such lines inside a zip archive (`zip`, as
manythings.org and many others publish them), two line-aligned files (`lines`), and CoNLL-like
columns (`conll`), of which only the words are taken. A file with one sentence a line is `text`.
"""

from __future__ import annotations

import fnmatch
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from pipeline.config import ConfigModel


class TextSource(ConfigModel):
    """One file, or one pair of files, of sentences.

    `languages` says what the sides are: one code for monolingual text, two for pairs, in the
    order of `columns` (tsv, zip) or of `path` and `second_path` (lines).
    """

    path: Path
    languages: tuple[str, ...] = Field(min_length=1, max_length=2)
    format: Literal["tsv", "zip", "lines", "text", "conll"]
    second_path: Path | None = None
    member: str = "*.txt"
    """Glob that names the file inside a zip; names starting with `_` and macOS's are skipped."""
    separator: str = "\t"
    """Between the columns of `tsv` and `zip`; spaces around the cells are removed."""
    columns: tuple[int, ...] = (0, 1)
    """Which columns hold the sides; for `conll`, the first entry is the column of the word."""
    hold_out: bool = False
    """Whether the hash split puts a share of this source aside (see `overlap.held_out`)."""
    attribution: str = ""
    """Who made the text and under which licence; it goes into the model card."""

    @model_validator(mode="after")
    def _sides_match_format(self) -> TextSource:
        if self.format == "lines" and (len(self.languages) != 2 or self.second_path is None):
            raise ValueError("format 'lines' needs two languages and second_path")
        if self.format in ("text", "conll") and len(self.languages) != 1:
            raise ValueError(f"format {self.format!r} holds one language, not {self.languages}")
        if self.format in ("tsv", "zip") and len(self.columns) < len(self.languages):
            raise ValueError("columns must name one column for each language")
        return self


class RaggedLineError(ValueError):
    """A line has fewer columns than the source's `columns` ask for."""


class Pair(NamedTuple):
    """Two sentences that translate each other. `source` is in the pivot language (English)."""

    language: str
    source: str
    target: str


def read_rows(source: TextSource) -> Iterator[tuple[str, ...]]:
    """Yields one tuple of sentences per line, one entry per language of the source.

    Raises:
        FileNotFoundError: If a file, or the member of a zip, is not there.
        RaggedLineError: If a line has too few columns; the message names file and line.
        ValueError: If line-aligned files differ in length, or the text is not UTF-8.
    """
    if source.format == "conll":
        for words in _conll_sentences(source):
            yield (" ".join(words),)
        return
    if source.format == "text":
        for _, line in _lines(source.path):
            yield (line,)
        return
    if source.format == "lines":
        assert source.second_path is not None
        first = [line for _, line in _lines(source.path)]
        second = [line for _, line in _lines(source.second_path)]
        if len(first) != len(second):
            raise ValueError(
                f"{source.path} has {len(first)} lines and {source.second_path} {len(second)}; "
                "line-aligned files must have the same number"
            )
        yield from zip(first, second, strict=True)
        return
    columns = source.columns[: len(source.languages)]
    for number, line in _lines(source.path, source.member if source.format == "zip" else None):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split(source.separator)]
        if len(cells) <= max(columns):
            raise RaggedLineError(
                f"{source.path}, line {number}: {len(cells)} column(s), column "
                f"{max(columns)} (counted from 0) is asked for"
            )
        yield tuple(cells[c] for c in columns)


def read_entities(source: TextSource) -> Iterator[tuple[str, str]]:
    """Yields `(type, name)` for each labelled span of a `conll` source; the tag is the last column.

    Used for the gazetteer of entity substitution. Words of a span are joined by spaces.
    """
    for rows in _conll_rows(source):
        words: list[str] = []
        kind = ""
        for cells in [*rows, ["", "O"]]:
            tag = cells[-1]
            if words and not tag.startswith("I-"):
                yield kind, " ".join(words)
                words = []
            if tag != "O":
                kind = tag[2:]
                words.append(_strip_language(cells[source.columns[0]], source.languages[0]))


def _lines(path: Path, member: str | None = None) -> Iterator[tuple[int, str]]:
    """Numbered lines without their ends; a byte order mark and carriage returns are removed."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        if member is None:
            with path.open(encoding="utf-8-sig", newline="\n") as handle:
                for number, line in enumerate(handle, 1):
                    yield number, line.rstrip("\r\n")
            return
        with zipfile.ZipFile(path) as archive:
            names = [
                name
                for name in archive.namelist()
                if fnmatch.fnmatch(Path(name).name, member)
                and not Path(name).name.startswith(("_", "."))
                and "__MACOSX" not in name
            ]
            if len(names) != 1:
                raise FileNotFoundError(
                    f"{path}: member {member!r} must name one file; it names {names or 'none'}"
                )
            with archive.open(names[0]) as raw:
                text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="\n")
                for number, line in enumerate(text, 1):
                    yield number, line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 ({error}); convert it first") from error


def _conll_rows(source: TextSource) -> Iterator[list[list[str]]]:
    """Sentences as lists of split lines; comments and document marks are left out."""
    rows: list[list[str]] = []
    for number, line in _lines(source.path):
        if not line.strip():
            if rows:
                yield rows
            rows = []
            continue
        if line.startswith("# ") and "\t" not in line and len(line.split()) != 2:
            continue  # `# text = ...`; a word line `# O` has exactly two fields
        cells = line.split("\t") if "\t" in line else line.split()
        if cells[0] == "-DOCSTART-":
            continue
        if len(cells) <= source.columns[0]:
            raise RaggedLineError(
                f"{source.path}, line {number}: no column {source.columns[0]} (counted from 0)"
            )
        rows.append(cells)
    if rows:
        yield rows


def _conll_sentences(source: TextSource) -> Iterator[list[str]]:
    for rows in _conll_rows(source):
        yield [_strip_language(cells[source.columns[0]], source.languages[0]) for cells in rows]


def _strip_language(word: str, language: str) -> str:
    """WikiANN writes `de:Wort`; the prefix goes, a colon in the word itself stays."""
    return word.removeprefix(f"{language}:") or word
