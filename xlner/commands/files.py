"""How a command reads its files: ``--encoding``, and ``--data`` for other keys of a data source."""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from pipeline.config import DataSource
from pipeline.errors import ConfigError, DataError, suggest
from pipeline.explain import read_as
from xlner.commands.options import with_more

SIDES: Final = ("source", "target")
"""What the two files of sentence pairs are called, as in ``--data target.scheme=io``."""
_OTHERS: Final = ("path", "hub", "hub_config", "split", "revision", "limit", "documents")
"""Keys that say which sentences are read; a command reads its files whole, a record as one."""
_ADVISED: Final = re.compile(
    r"(?:\b(?:set|as|or|and|example|the|another) |\()"
    r"(?P<key>scheme|entity_type|tag_column|word_column|label_names|span_end"
    r"|(?<=set )(?:format|columns|offsets))"
    r'(?:: (?P<value>"(?:[^"\\]|\\.)*"|[\w.+-]*\w))?(?![\w/\'-]|\.\w)'
)
"""Keys where errors and warnings advise them, with the value if they name one, as it is in YAML;
no such words in file names."""
_ENCODING: Final = re.compile(r"--encoding (?=\S+ on the command line)")


class Files:
    """What was said of the files of a command; each key goes to the files that can use it."""

    def __init__(self, encoding: str, more: Iterable[str], sides: Sequence[str] = ()) -> None:
        """Check what was given.

        Args:
            encoding: Of text files.
            more: What ``--data`` gave.
            sides: What the files are called where there are several; ``target.scheme`` goes to the
                one called ``target``.

        Raises:
            ConfigError: If that is no key of a data source, or not one for a command.
        """
        given: dict[str, Any] = {"encoding": encoding}
        self._typed = with_more(given, more, "tag_column=2", "--data")
        self._own: dict[str, dict[str, Any]] = {s: given.pop(s, {}) for s in sides} or {"": {}}
        _refuse_others(given, self._own)
        self._sources = {
            side: read_as(DataSource, given | own, partial(self._told, side))
            for side, own in self._own.items()
        }
        self._given = {k for k in given if k != "encoding" or given[k] != "utf-8"}
        self._given |= {_of(side, key) for side, own in self._own.items() for key in own}
        self._idle = set(self._given)
        self._paths: dict[str, Path] = {}
        self._read: list[str] = []

    def _told(self, side: str, key: str) -> str:
        return self._typed(self._name(side, key))

    def _name(self, side: str, key: str) -> str:
        """Return what a key of one side is called: with the side where it was given for that."""
        return _of(side, key) if key.partition(".")[0] in self._own[side] else key

    def of(
        self, path: Path, known: str | None = None, side: str = "", *, labelled: bool = False
    ) -> DataSource:
        """Return how one file is read, with its format.

        Args:
            path: The file.
            known: Its format, where there is no choice; otherwise the one that was given, or as
                which it is recognised.
            side: What it is called.
            labelled: Whether its labels are read.
        """
        from pipeline.formats import FORMATS, detect_format
        from pipeline.formats.format import ABOUT_LABELS

        self._paths[side] = path
        source = self._sources[side]
        form = known or source.format
        if form == "auto":
            # Whether a file has labels is seen from its content, whatever is wanted of it.
            form = detect_format(path, labelled=False, encoding=source.encoding)
        taken = FORMATS[form].options - (frozenset() if labelled else ABOUT_LABELS)
        self._idle -= {self._name(side, k) for k in (taken if known else taken | {"format"})}
        self._read.append(f"{path} ({form}{'' if labelled else ', labels not read'})")
        kept = [key for key in taken if self._name(side, key) in self._given]
        return DataSource(format=form, **{key: getattr(source, key) for key in kept})

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
        """Let errors and warnings that advise keys of a data source say how a command gets them."""

        def advise(record: logging.LogRecord) -> bool:
            record.msg, record.args = self._with_advice(record.getMessage()), ()
            return True

        logger = logging.getLogger("pipeline.formats.report")
        logger.addFilter(advise)
        try:
            yield
        except DataError as error:
            raise DataError(self._with_advice(str(error))) from None
        finally:
            logger.removeFilter(advise)

    def _with_advice(self, text: str) -> str:
        if "--data" in text:
            return text
        side = self._side_of(text)
        found = dict[str, str]()
        for match in _ADVISED.finditer(text):
            key = match["key"]
            if not self._given & {key, _of(side, key)}:  # whoever gave it knows how
                found[key] = found.get(key) or match["value"] or ""
        if side:
            text = _ENCODING.sub(f"--data {side}.encoding=", text)
        if not found:
            return text
        said = " ".join(
            "--data " + (shlex.quote(f"{name}={value}") if value else f"{name}=…")
            for name, value in ((_of(side, key), value) for key, value in found.items())
        )
        return f"{text} (on the command line: {said})"

    def _side_of(self, text: str) -> str:
        """Return the side whose file a message begins with, if it is that of one alone."""
        begins = {
            side: len(str(path))
            for side, path in self._paths.items()
            if re.match(rf"{re.escape(str(path))}[:/ ]", text)
        }
        sides = [side for side, length in begins.items() if length == max(begins.values())]
        return sides[0] if len(sides) == 1 else ""


def _of(side: str, key: str) -> str:
    return f"{side}.{key}" if side else key


def _refuse_others(given: dict[str, Any], own: dict[str, dict[str, Any]]) -> None:
    usable = [key for key in DataSource.model_fields if key not in _OTHERS]
    wrong = []
    for side, keys in (("", given), *own.items()):
        if not isinstance(keys, dict):
            wrong.append(f"--data {side}: name a key of it, for example {side}.tag_column=2")
            continue
        for key in keys:
            if key in _OTHERS:
                wrong.append(f"--data {_of(side, key)}: is for configs; leave it out")
            elif key not in usable:
                hint, allowed = suggest(key, usable), ", ".join(usable)
                wrong.append(f"unknown key '--data {_of(side, key)}'{hint}; allowed: {allowed}")
    if wrong:
        raise ConfigError(wrong)
