"""Tables with a header and a sentence per row: CSV or TSV whose cells hold lists.

``sentence,tags`` with ``Anna slept,"B-PER O"``, and what pandas writes of lists
(``"['Anna', 'slept']"``). Tables with a word per row are read as CoNLL is.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from typing import Any, ClassVar, Final, Literal

from pipeline.errors import DataError
from pipeline.formats.columns import (
    ADVICE,
    BESIDE,
    IDS,
    SPANS,
    TAGS,
    TEXT,
    WORDS,
    RecordReader,
    split_list,
)
from pipeline.formats.files import read_lines
from pipeline.formats.format import ENCODED, RECORDS, SNIFFED, Format, Sample
from pipeline.formats.layout import QUOTED
from pipeline.formats.report import Fields, RawSentence, ReadReport

_SEPARATORS: Final = ",;\t"
_LOOKED_AT: Final = 20
_LABELS: Final = frozenset((*TAGS, *SPANS, "ner_labels", "tag"))
_CONTENT: Final = frozenset((*TEXT, *WORDS))


class Table(Format):
    """A sentence per row."""

    about: ClassVar[str] = "CSV or TSV with a header, a sentence per row: words and tags as lists"
    suffixes: ClassVar[frozenset[str]] = frozenset({".csv", ".tsv"})
    options: ClassVar[frozenset[str]] = RECORDS | ENCODED

    @classmethod
    def sniff(cls, sample: Sample) -> bool:
        """Whether its header names words or text and labels, and a cell of labels is a list."""
        if sample.is_folder or not sample.first_line or sample.first_line[:1] in "{[":
            return False
        separator = _separator(sample.first_line)
        if not sample.labelled and sample.suffix in cls.suffixes:
            return _has_texts(sample, separator or ",")
        if separator is None:
            return False
        names = _names(sample.first_line, separator)
        if not _CONTENT & set(names) or not _LABELS & set(names):
            return False
        lines = (f"{line}\n" for _, line in sample.lines)
        rows = csv.reader(lines, delimiter=separator, quoting=_quoting(sample, separator))
        try:
            next(rows)
            row = next(rows)
        except (StopIteration, csv.Error):
            return False
        if len(row) != len(names):  # then it is at least an error about a table
            return sample.suffix == ".csv"
        first = dict(zip(names, row, strict=True))
        content = next(first.get(k, "") for k in names if k in _CONTENT)
        labels = [first.get(k, "") for k in names if k in _LABELS]
        # One word per row is a matter of CoNLL.
        return len(split_list(content)) > 1 and any(
            len(split_list(x)) > 1 or x.strip()[:1] == "[" for x in labels
        )

    def read(self, report: ReadReport) -> Iterator[RawSentence]:
        """Yield one sentence per row."""
        path, source = self.request.file, self.request.source
        lines = read_lines(path, source.encoding)
        first = next((item for item in lines if item[1].strip()), None)
        separator = None if first is None else _separator(first[1])
        if separator is None and first is not None and first[1].strip().lower() in _CONTENT:
            separator = ","
        if first is None or separator is None:
            raise DataError(f"{path}: no header row with columns")
        names = _names(first[1], separator)
        if len(set(names)) < len(names):
            raise DataError(f"{path}:{first[0]}: two columns have one name: {', '.join(names)}")
        fields = Fields(*(name and _plain(name) for name in self.request.fields))
        wanted = {"word_column": (fields.words, _CONTENT, "words or text")}
        if self.request.labelled:
            wanted["tag_column"] = fields.tags, _LABELS, "labels"
        for key, (name, usual, what) in wanted.items():
            if name and name not in names:
                missing, advice = f"no {name!r}, which {key} names", ""
            elif not name and not usual & set(names):
                missing, advice = f"no column of {what}", ADVICE.format(what=what, key=key)
            else:
                continue
            raise DataError(
                f"{path}:{first[0]}: {missing}; the columns are {', '.join(names)}{advice}"
            )
        reader = RecordReader(self.request, report, fields=fields)
        sample = Sample(path, encoding=source.encoding, labelled=self.request.labelled)
        quoting = _quoting(sample, separator)
        texts = (f"{line}\n" for _, line in lines)
        rows = csv.reader(texts, delimiter=separator, quoting=quoting, strict=True)
        while True:
            line = first[0] + rows.line_num + 1
            try:
                row = next(rows, None)
            except csv.Error as error:
                raise DataError(
                    f"{path}:{line}: not a row of a table: {error}; quotation marks within a cell "
                    "are doubled, and the cell is in quotation marks"
                ) from None
            if row is None:
                return
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(names):
                raise DataError(
                    f"{path}:{line}: {len(row)} cells, but the header has {len(names)} "
                    f"({', '.join(names)}); correct the row"
                )
            yield reader(_record(dict(zip(names, row, strict=True)), fields), line)


def _quoting(sample: Sample, separator: str) -> Literal[0, 3]:
    """Return how cells are quoted: as in CSV, or, in TSV that breaks the rules of that, not."""
    if separator != "\t":
        return csv.QUOTE_MINIMAL
    try:
        for _ in csv.reader((f"{x}\n" for _, x in sample.lines), delimiter="\t", strict=True):
            pass
    except csv.Error as error:
        cut = len(sample.lines) == SNIFFED and "end of data" in str(error)
        cells = (cell for _, line in sample.lines for cell in line.split("\t"))
        doubled = any(QUOTED.fullmatch(cell) and '""' in cell[1:-1] for cell in cells)
        return csv.QUOTE_MINIMAL if cut or doubled else csv.QUOTE_NONE
    return csv.QUOTE_MINIMAL


def _has_texts(sample: Sample, separator: str) -> bool:
    """Whether a column is named as one of text and has texts, rather than one word per row."""
    names = _names(sample.first_line, separator)
    rows = csv.reader((f"{line}\n" for _, line in sample.lines[1:]), delimiter=separator)
    found = [i for i, name in enumerate(names) if name in _CONTENT]
    try:
        few = [r for r in islice(rows, _LOOKED_AT) if len(r) == len(names)]
    except csv.Error:
        return False
    return bool(found) and any(len(split_list(r[found[0]])) > 1 for r in few)


def _separator(line: str) -> str | None:
    found = max(_SEPARATORS, key=line.count)
    return found if found in line else None


def _names(line: str, separator: str) -> list[str]:
    try:
        cells = next(csv.reader([line], delimiter=separator), [])
    except csv.Error:  # a carriage return in the middle of the line
        cells = line.split(separator)
    return [_plain(c) for c in cells]


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


def _record(cells: dict[str, str], fields: Fields) -> dict[str, Any]:
    """Return a record with lists where cells hold them."""
    content = {fields.words} if fields.words else _CONTENT
    labels = {fields.tags} if fields.tags else _LABELS
    record: dict[str, Any] = {k: v for k, v in cells.items() if k in IDS}
    for name, cell in cells.items():
        if name in content:
            is_list = cell.strip().startswith("[") or name in WORDS
            key = fields.words or ("tokens" if is_list else "text")
            record[key] = split_list(cell) if is_list else cell
        elif name in labels:
            known = name if name == fields.tags or name in TAGS or name in SPANS else "tags"
            record.setdefault(known, split_list(cell))
        elif name in BESIDE:
            record[name] = split_list(cell) if cell.strip()[:1] == "[" else [cell] * bool(cell)
    return record
