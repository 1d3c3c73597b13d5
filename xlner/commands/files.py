"""How a command reads its files: ``--encoding``, and ``--data`` for other keys of a data source."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pipeline.config import DataSource
from pipeline.errors import ConfigError, DataError, suggest
from pipeline.explain import read_as
from xlner.commands.options import with_more

_OTHERS: Final = ("path", "hub", "hub_config", "split", "revision", "limit", "documents")
"""Keys that say which sentences are read; a command reads its files whole, a record as one."""
_ADVISED: Final = re.compile(
    r"(?:\b(?:set|as|or|and|example|the|another) |\()"
    r"(?:(?P<column>tag_column)(?:: (?P<name>[^;()]*[^;() ]))?"
    r"|(?P<key>scheme|entity_type|word_column|label_names|span_end"
    r"|(?<=set )(?:format|columns|offsets))(?:: (?P<value>[\w.+-]*\w))?)(?![\w/'-]|\.\w)"
)
"""Keys where errors advise them, with the value if they name one; no such words in file names."""


class Files:
    """What was said of the files of a command; each key goes to the files that can use it."""

    def __init__(self, encoding: str, more: Iterable[str]) -> None:
        """Check what was given.

        Args:
            encoding: Of text files.
            more: What ``--data`` gave.

        Raises:
            ConfigError: If that is no key of a data source, or not one for a command.
        """
        given: dict[str, Any] = {"encoding": encoding}
        self._typed = with_more(given, more, "tag_column=2", "--data")
        usable = [key for key in DataSource.model_fields if key not in _OTHERS]
        wrong = [f"--data {key}: is for configs; leave it out" for key in _OTHERS if key in given]
        wrong += [
            f"unknown key '--data {key}'{suggest(key, usable)}; allowed: {', '.join(usable)}"
            for key in given
            if key not in DataSource.model_fields
        ]
        if wrong:
            raise ConfigError(wrong)
        self._source = read_as(DataSource, given, self._typed)
        self._given = frozenset(given) - ({"encoding"} if self.encoding == "utf-8" else set())
        self._idle = self._given
        self._read: list[str] = []

    @property
    def encoding(self) -> str:
        """Of text files."""
        return self._source.encoding

    def of(self, path: Path, known: str | None = None, *, labelled: bool = False) -> DataSource:
        """Return how one file is read, with its format.

        Args:
            path: The file.
            known: Its format, where there is no choice; otherwise the one that was given, or as
                which it is recognised.
            labelled: Whether its labels are read.
        """
        from pipeline.formats import FORMATS, detect_format
        from pipeline.formats.format import ABOUT_LABELS

        form = known or self._source.format
        if form == "auto":
            # Whether a file has labels is seen from its content, whatever is wanted of it.
            form = detect_format(path, labelled=False, encoding=self.encoding)
        taken = FORMATS[form].options - (frozenset() if labelled else ABOUT_LABELS)
        self._idle -= taken if known else taken | {"format"}
        self._read.append(f"{path} ({form}{'' if labelled else ', labels not read'})")
        kept = taken & self._given
        return DataSource(format=form, **{key: getattr(self._source, key) for key in kept})

    def refuse_idle(self) -> None:
        """Refuse keys that no file could use.

        Raises:
            DataError: If there is one.
        """
        for key in sorted(self._idle):
            other = (
                "" if "format" in self._given else "; if one is of another format, --data format=…"
            )
            raise DataError(
                f"{self._typed(key)}: does nothing for {', '.join(self._read)}; remove it{other}"
            )

    @contextmanager
    def advised(self) -> Iterator[None]:
        """Let errors that advise keys of a data source say how a command is given them."""
        try:
            yield
        except DataError as error:
            found = dict[str, str]()
            for match in _ADVISED.finditer(str(error)):
                key, value = match["column"] or match["key"], match["name"] or match["value"]
                if key not in self._given:  # whoever gave it knows how
                    found[key] = found.get(key) or value or ""
            if not found or "--data" in str(error):
                raise
            said = " ".join(
                "--data " + (shlex.quote(f"{key}={value}") if value else f"{key}=…")
                for key, value in found.items()
            )
            raise DataError(f"{error} (on the command line: {said})") from None
