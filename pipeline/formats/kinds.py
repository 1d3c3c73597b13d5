"""The formats that there are, by name; and which of them a file or folder is in."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pipeline import format_table
from pipeline.errors import DataError
from pipeline.formats.files import require_file
from pipeline.formats.foreign import (
    refuse_columns,
    refuse_foreign,
    refuse_rows_of_words,
    refuse_xml,
)
from pipeline.formats.format import Format, Sample
from pipeline.formats.splits import local_files
from pipeline.kinds import Kinds

FORMATS: Final[Kinds[type[Format]]] = format_table.FORMATS
"""In the order in which a file is tried; those of other packages come before the last resorts."""


def detect_format(path: Path, *, labelled: bool = True, encoding: str = "utf-8") -> str:
    """Tell the format of a local file by its name and content; of a folder, that of its files.

    A text file without labels to read is ``conll`` if its rows have equal widths and a column of
    tags, or hold one word each with blank lines between sentences.

    Raises:
        DataError: If it is missing, or a folder of nothing that can be read.
    """
    if path.is_dir():
        path = local_files(path)[0]  # itself, where it is one data set as a whole
    else:
        require_file(path)
    sample = Sample(path, encoding=encoding, labelled=labelled)
    for name in sorted(FORMATS, key=lambda n: FORMATS[n].last_resort):
        kind = FORMATS[name]
        if kind.last_resort and not sample.is_folder:
            refuse_xml(sample)
            if labelled:
                refuse_foreign(sample)
        if (kind.takes_folders or not sample.is_folder) and kind.sniff(sample):
            if not kind.has_labels:
                refuse_rows_of_words(sample)
                refuse_columns(sample)
            return name
    require_file(path)
    raise DataError(f"{path}: in none of the formats {', '.join(FORMATS)}")
