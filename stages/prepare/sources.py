"""Which corpora a run names, where each of them is, and what is wrong with them."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline.config import DataSource, RunConfig
from pipeline.errors import DataError, suggest
from pipeline.languages import alpha3
from pipeline.stage import Problem

if TYPE_CHECKING:
    from pipeline.formats import Format

SOURCE_KEYS: Final = ("train", "dev", "source_test", "source_unlabelled")
TARGET_KEYS: Final = ("test", "target_dev", "target_train", "parallel", "unlabelled")
UNLABELLED: Final = frozenset({"unlabelled", "source_unlabelled"})
_SPLITS: Final = {
    "dev": "validation",
    "target_dev": "validation",
    "test": "test",
    "source_test": "test",
}
_PLACEHOLDERS: Final = ("{lang}", "{lang3}")


@dataclass(frozen=True, slots=True)
class Corpus:
    """One corpus of a run, in one language.

    Attributes:
        key: Its name below ``data``: ``train``, ``test`` …
        lang: Its language.
        name: Its key in the configuration: ``data.train``, ``data.test.de`` …
        source: What the configuration says of it, with ``{lang}`` and ``{lang3}`` filled in and
            the split that the key suggests.
        path: Where it is on this machine, or ``None`` if it is a data set of the hub.
        split_named: Whether the configuration names the split.
    """

    key: str
    lang: str
    name: str
    source: DataSource
    path: Path | None
    split_named: bool = True

    @property
    def to_read(self) -> DataSource:
        """What to read: without the split that the key suggests, where it chooses no files.

        Data sets have splits of their own; of files, only a split that the user names chooses.
        """
        from pipeline.formats.hub import is_saved_dataset

        if self.split_named or self.path is None or is_saved_dataset(self.path):
            return self.source
        return self.source.model_copy(update={"split": None})

    def files(self) -> list[Path]:
        """Return the files or folders on this machine that are read.

        Raises:
            DataError: If there are none, or it is not clear which.
        """
        from pipeline.formats.splits import local_files

        return (
            []
            if self.path is None
            else local_files(self.path, self.to_read.split, self.source.format)
        )

    @property
    def unit(self) -> str:
        """The name of its output: ``<key>/<lang>``."""
        return f"{self.key}/{self.lang}"

    @property
    def labelled(self) -> bool:
        """Whether its labels are read: nearly always; a translation may be plain text."""
        return self.key not in UNLABELLED and not (self.key == "parallel" and self._plain())

    def _plain(self) -> bool:
        from pipeline.formats import detect_format

        if self.source.format != "auto" or self.path is None:
            return self.source.format == "text"
        first = self.files()[0]
        if not first.is_file():
            return False
        return detect_format(first, labelled=False, encoding=self.source.encoding) == "text"

    @property
    def origin(self) -> str | None:
        """What its sentences say of their origin: the path as configured, the same everywhere."""
        return self.source.path if self.path is not None else None


def corpora(config: RunConfig) -> list[Corpus]:
    """Return all corpora of a run, those of the source language first."""
    found = [corpus(config, key, config.source) for key in SOURCE_KEYS]
    found += [corpus(config, key, lang) for key in TARGET_KEYS for lang in config.languages]
    return [c for c in found if c is not None]


def corpus(config: RunConfig, key: str, lang: str) -> Corpus | None:
    """Return what ``data.<key>`` names for a language, or ``None``.

    A source with a path and a hub id is the path if ``data.root`` is set, and the hub otherwise.
    """
    source = config.data.per_language(key, lang)
    if source is None:
        return None
    name = f"data.{key}"
    if not isinstance(getattr(config.data, key), DataSource):
        name += f".{lang}"
    filled = {
        field: _fill(value, lang)
        for field in ("path", "hub", "hub_config", "split")
        if (value := getattr(source, field)) is not None
    }
    split_named = "split" in filled
    filled.setdefault("split", _SPLITS.get(key, "train"))
    source = source.model_copy(update=filled)
    path = None
    if source.path is not None and (config.data.root is not None or source.hub is None):
        path = _locate(config, source.path)
    return Corpus(key, lang, name, source, path, split_named)


def _fill(text: str, lang: str) -> str:
    # Not str.format: a path may have braces of its own.
    filled = text.replace("{lang}", lang)
    return filled.replace("{lang3}", alpha3(lang)) if "{lang3}" in filled else filled


def _locate(config: RunConfig, text: str) -> Path:
    if config.data.root is not None and not Path(text).expanduser().is_absolute():
        return config.path(config.data.root) / text
    return config.path(text)


def problems(config: RunConfig) -> Iterator[Problem]:
    """Yield what is wrong with the corpora of a run, as far as can be seen without reading them."""
    data = config.data
    if data.root is not None and not config.path(data.root).is_dir():
        yield Problem("data.root", f"folder not found: {config.path(data.root)}")
        return
    if data.parallel is not None and data.train is None:
        yield Problem("data.parallel", "is the target side of data.train, which is not set")
    for key in TARGET_KEYS:
        source = getattr(data, key)
        if isinstance(source, DataSource) and len(config.languages) > 1:
            texts = [source.path, source.hub, source.hub_config, source.split]
            if not any(p in t for t in texts if t for p in _PLACEHOLDERS):
                yield Problem(
                    f"data.{key}",
                    f"the same data would stand for {', '.join(config.languages)}; put {{lang}} "
                    "into its path, or give a mapping from language to data",
                )
    for item in corpora(config):
        yield from _corpus_problems(item)
    yield from _label_problems(config)


def _corpus_problems(item: Corpus) -> Iterator[Problem]:
    from pipeline.formats import FORMATS

    name, source, path = item.name, item.source, item.path
    if source.path is None and source.hub is None:
        yield Problem(name, "names neither a path nor a hub data set; set one of them")
        return
    kind = None if source.format == "auto" else FORMATS[source.format]
    if item.labelled and kind is not None and not kind.has_labels and item.key != "parallel":
        allowed = ", ".join(n for n in FORMATS if FORMATS[n].has_labels)
        yield Problem(f"{name}.format", f"plain text has no labels; allowed: auto, {allowed}")
    try:
        codecs.lookup(source.encoding)
    except LookupError:
        yield Problem(
            f"{name}.encoding", f"{source.encoding!r} is not an encoding that Python knows"
        )
    if path is None:
        yield from _hub_problems(item)
    elif not path.exists() and not has_magic(str(path)):
        folder = path.parent
        near = suggest(path.name, [p.name for p in folder.iterdir()] if folder.is_dir() else [])
        yield Problem(f"{name}.path", f"file not found: {path}{near}")
    else:
        yield from _file_problems(item, kind)


def _file_problems(item: Corpus, kind: type[Format] | None) -> Iterator[Problem]:
    path = item.path
    assert path is not None
    try:
        files = item.files()
    except DataError as error:
        key = "split" if item.split_named and path.is_dir() else "path"
        yield Problem(f"{item.name}.{key}", str(error))
        return
    if files == [path] and path.is_dir() and kind is not None and not kind.takes_folders:
        yield Problem(
            f"{item.name}.path", f"{path} is a folder, but format {item.source.format} is a file"
        )


def _hub_problems(item: Corpus) -> Iterator[Problem]:
    from pipeline.formats.hub import hub_problem

    source = item.source
    if source.hub is None:
        return
    found = hub_problem(
        source.hub,
        config=source.hub_config,
        split=source.split or "train",
        revision=source.revision,
    )
    if found is not None:
        yield Problem(f"{item.name}.{found[0]}", found[1])


def _label_problems(config: RunConfig) -> Iterator[Problem]:
    for old, new in config.labels.map.items():
        if not new or new != "".join(new.split()):
            yield Problem(
                f"labels.map.{old}", f"{new!r} is not a label: it is empty or has white space"
            )
        for label in (old, new):
            if label[:2] in ("B-", "I-"):
                yield Problem(
                    f"labels.map.{old}",
                    f"name the entity type, {label[2:]!r}, not the tag {label!r}",
                )
    types = config.labels.types or []
    if "O" in types:
        yield Problem("labels.types", "O is not an entity type: leave it out")
    if len(set(types)) != len(types):
        yield Problem("labels.types", f"a type is named twice: {', '.join(types)}")
