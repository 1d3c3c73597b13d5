"""What a file format is: recognised, read, and (some) written; see :data:`FORMATS` for the table.

A format is one module with one subclass of :class:`Format` and one line in
:mod:`pipeline.formats.kinds`; a package of others declares an entry point of the group
``xlner.formats`` instead. Its name then works in ``format:`` of a data source, stands in help texts
and errors, and is tried when a file is recognised.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Final

from pipeline.config import DataSource
from pipeline.errors import DataError
from pipeline.formats.files import read_lines
from pipeline.formats.packed import inner_name, open_bytes
from pipeline.formats.report import Fields, RawSentence, ReadReport

JSON_SUFFIXES: Final = frozenset({".jsonl", ".ndjson", ".json"})
SNIFFED: Final = 2000
"""How many lines of a file are looked at."""

ENCODED: Final = frozenset({"encoding"})
"""The option of formats that are text."""
TAGGED: Final = frozenset({"scheme", "entity_type"})
"""The options of formats that have tags."""
POSITIONED: Final = frozenset({"offsets", "span_end", "documents"})
"""The options of formats that have spans in a text, or in words, by positions."""
RECORDS: Final = TAGGED | POSITIONED | {"tag_column", "word_column", "label_names"}
"""The options of formats whose records hold tags or spans in fields of any name."""
CHOSEN: Final = RECORDS | ENCODED | {"columns"}
"""The options of a data source that are not for all formats, but for ``split``: see ``splits``."""
ABOUT_LABELS: Final = RECORDS - {"documents", "word_column"}
"""Those of them that do nothing where labels are not read."""


class Sample:
    """A look into a file or folder, from which formats tell whether it is theirs.

    Attributes:
        path: The file or folder.
        encoding: The encoding of its text.
        labelled: Whether labels are to be read.
    """

    def __init__(self, path: Path, *, encoding: str = "utf-8", labelled: bool = True) -> None:
        self.path = path
        self.encoding = encoding
        self.labelled = labelled

    @cached_property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.path.is_dir()

    @cached_property
    def suffix(self) -> str:
        """The suffix of its name, in lower case; of a packed file, that of what it holds."""
        return Path(inner_name(self.path)).suffix.lower()

    @cached_property
    def head(self) -> bytes:
        """Its first bytes, unpacked; empty for a folder."""
        if self.is_folder:
            return b""
        with open_bytes(self.path) as file:
            return file.read(65536)

    @cached_property
    def lines(self) -> list[tuple[int, str]]:
        """Its first 2,000 lines, with their numbers from 1.

        Raises:
            DataError: If it is no text in this encoding.
        """
        if self.is_folder:
            return []
        return list(islice(read_lines(self.path, self.encoding), SNIFFED))

    @cached_property
    def first_line(self) -> str:
        """The first line that is not blank, of the first 20."""
        return next((line for _, line in self.lines[:20] if line.strip()), "")

    @cached_property
    def record(self) -> Any:
        """The first JSON value: of lines, the first line's; of an array, its first element.

        ``None`` where it is not JSON, or where the value is longer than the lines looked at.
        """
        if self.is_folder or self.first_line.lstrip()[:1] not in ("{", "["):
            return None
        text = self.first_line.lstrip()
        found = _first_value(text)
        if found is None:
            found = _first_value("\n".join(line for _, line in self.lines).lstrip())
        return found


def _first_value(text: str) -> Any:
    decoder = json.JSONDecoder()
    try:
        if text.startswith("["):
            inner = text[1:].lstrip()
            # A line may itself be an array: ["text", {"entities": []}].
            return decoder.raw_decode(inner if inner[:1] in ("{", "[") else text)[0]
        return decoder.raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be read.

    Attributes:
        path: The file or folder; ``None`` for a data set of the hub.
        source: The options of the data source.
        lang: Language of the words.
        labelled: Whether to read labels; without, they are not even looked at.
        docstarts: Whether ``-DOCSTART-`` lines are yielded too (``RawSentence.docstart``).
    """

    path: Path | None
    source: DataSource
    lang: str
    labelled: bool
    docstarts: bool = False

    @property
    def fields(self) -> Fields:
        """The fields of records that ``tag_column`` and ``word_column`` name.

        Raises:
            DataError: If one is a number: fields of records have names.
        """
        keys = ("tag_column", "word_column")
        found = [getattr(self.source, key) for key in keys]
        for key, name in zip(keys, found, strict=True):
            if isinstance(name, int):
                raise DataError(f"{self.path}: {key}: {name}: name the field instead")
        return Fields(*found)

    @property
    def file(self) -> Path:
        """The path, where there must be one.

        Raises:
            DataError: If there is none.
        """
        if self.path is None:
            raise DataError("a data source needs a path or a hub data set; it has neither")
        return self.path


class Format(ABC):
    """One format. An instance reads one source; it may be read several times.

    Args:
        request: What is to be read.
        report: Is told what is known before the first sentence.

    Attributes:
        about: One line for help texts and tables.
        suffixes: Suffixes of its files, if it has some of its own.
        has_labels: Whether it has labels.
        takes_folders: Whether a folder, rather than a file, can be one data set of this format.
        options: The options of a data source that it reads, of those that are not for all formats
            (:data:`CHOSEN`): the others are refused. ``encoding`` says that it is text,
            ``documents`` that a record may be a document of several sentences.
        last_resort: Whether it is only tried after the others.
        may_have_prefix: Whether words may have a ``lang:`` prefix.
        where: What errors name.
    """

    about: ClassVar[str]
    suffixes: ClassVar[frozenset[str]] = frozenset()
    has_labels: ClassVar[bool] = True
    takes_folders: ClassVar[bool] = False
    options: ClassVar[frozenset[str]] = ENCODED
    last_resort: ClassVar[bool] = False
    may_have_prefix: bool = False

    def __init__(self, request: Request, report: ReadReport) -> None:
        self.request = request
        self.where = str(request.path)
        if "encoding" in self.options:
            report.encoding = request.source.encoding

    @classmethod
    @abstractmethod
    def sniff(cls, sample: Sample) -> bool:
        """Whether a file or folder is of this format.

        Raises:
            DataError: If it is damaged, or in another encoding.
        """

    @abstractmethod
    def read(self, report: ReadReport) -> Iterator[RawSentence]:
        """Yield the sentences from the beginning.

        Args:
            report: Is told what was found and left out on the way.

        Raises:
            DataError: If a row does not fit, with file and line.
        """
