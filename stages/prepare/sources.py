"""Which corpora a run names, where each of them is, and what is wrong with them."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.config import DataSource, RunConfig
from pipeline.data_config import TRANSLATED
from pipeline.errors import ConfigError, DataError, suggest
from pipeline.languages import alpha3
from pipeline.stage import Problem
from stages.several_sources import votes

if TYPE_CHECKING:
    from pipeline.formats import Format

SOURCE_KEYS: Final = ("train", "dev", "source_test", "source_unlabelled")
TARGET_KEYS: Final = ("test", "target_dev", "target_train", "unlabelled")
UNLABELLED: Final = frozenset({"unlabelled", "source_unlabelled"})
TO_SOURCE: Final = frozenset({"test_parallel", "unlabelled_parallel"})
"""Translations to the source language: no arm may see what labels they have."""
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
        by: Of several translations, who made it: a system, a rival.
        target: Of translations, the language of what they translate or are made into.
    """

    key: str
    lang: str
    name: str
    source: DataSource
    path: Path | None
    split_named: bool = True
    by: str | None = None
    target: str | None = None

    @property
    def to_read(self) -> DataSource:
        """What to read: without the split that the key suggests, where it chooses no files.

        Data sets have splits of their own; of files, only a split that the user names chooses.
        """
        from pipeline.formats.splits import has_splits

        if self.split_named or self.path is None or has_splits(self.path):
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
        """The name of its output: ``<key>/<lang>``, ``<key>/<who made it>/<lang>``."""
        lang = self.target or self.lang
        return f"{self.key}/{lang}" if self.by is None else f"{self.key}/{self.by}/{lang}"

    @property
    def labelled(self) -> bool:
        """Whether its labels are read: nearly always; a translation may be plain text."""
        if self.key == "parallel":  # what a machine translated has no gold labels
            return self.by is None and not self._plain()
        return self.key not in UNLABELLED and self.key not in TO_SOURCE

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
    found = [corpus_of(config, key, lang) for key in SOURCE_KEYS for lang in config.sources]
    found += [corpus_of(config, key, lang) for key in TARGET_KEYS for lang in config.languages]
    translated = (
        t
        for key in TRANSLATED
        for lang in config.languages
        for t in translations(config, key, lang)
    )
    return [*(c for c in found if c is not None), *translated]


def translations(config: RunConfig, key: str, lang: str) -> list[Corpus]:
    """Return the translations that ``data.<key>`` names for a target language."""
    found = []
    for number, (by, source) in enumerate(config.data.translations(key, lang).items()):
        value = getattr(config.data, key)
        name = f"data.{key}"
        if key == "rivals":
            name, value = f"{name}.{by}", value[by]
        if isinstance(value, dict):
            name, value = f"{name}.{lang}", value[lang]
        if isinstance(value, list):
            name += f".{number}"
        into = config.source if key in TO_SOURCE else lang
        found.append(
            replace(_corpus(config, key, lang, name, source), lang=into, by=by, target=lang)
        )
    return found


def is_translated(config: RunConfig, found: Corpus) -> bool:
    """Return whether there are translations of a corpus."""
    return any(
        config.data.translations(key, lang)
        for key, of in TRANSLATED.items()
        if of == found.key
        for lang in (config.languages if of == "train" else [found.lang])
    )


def is_joined(config: RunConfig, found: Corpus) -> bool:
    """Return whether a corpus has to match another one, sentence by sentence.

    So do translations, and the training data of further source languages where all of them have
    one translation (``data.parallel``): these are translations of each other.
    """
    if found.key == "train" and found.lang != config.source:
        return any(votes(config, lang) for lang in config.languages)
    return found.target is not None


def translated(config: RunConfig, found: Corpus) -> Corpus:
    """Return the corpus that one is joined with: what translations are made of.

    Raises:
        ConfigError: If the configuration does not name it.
    """
    of = TRANSLATED.get(found.key, "train")
    lang = config.source if of == "train" else str(found.target)
    source = corpus_of(config, of, lang)
    if source is None:
        none = "is not set" if getattr(config.data, of) is None else f"has none for {lang}"
        raise ConfigError(f"{found.name}: these are translations of data.{of}, which {none}")
    return source


def corpus_of(config: RunConfig, key: str, lang: str) -> Corpus | None:
    """Return what ``data.<key>`` names for a language, or ``None``.

    A source with a path and a hub id is the path if ``data.root`` is set, and the hub otherwise.
    """
    source = config.data.per_language(key, lang)
    if source is None:
        return None
    name = f"data.{key}"
    if not isinstance(getattr(config.data, key), DataSource):
        name += f".{lang}"
    return _corpus(config, key, lang, name, source)


def _corpus(config: RunConfig, key: str, lang: str, name: str, source: DataSource) -> Corpus:
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
    for keys, languages in ((SOURCE_KEYS, config.sources), (TARGET_KEYS, config.languages)):
        for key in keys:
            yield from _language_problems(languages, f"data.{key}", getattr(data, key))
    for key in TRANSLATED:
        yield from _translation_problems(config, key)
    for item in corpora(config):
        yield from _corpus_problems(item)
        if item.source.documents == "split" and (
            is_joined(config, item) or is_translated(config, item)
        ):
            yield Problem(
                f"{item.name}.documents",
                "translations match what they translate row by row, so no row is split; remove it",
            )
    yield from _label_problems(config)


def _language_problems(languages: Sequence[str], name: str, source: Any) -> Iterator[Problem]:
    """Yield that a source would be the same for each language, or is for none of them."""
    if isinstance(source, Mapping) and languages and not source.keys() & set(languages):
        yield Problem(
            name,
            f"has data for {', '.join(source) or 'no language'}, and the run is for "
            f"{', '.join(languages)}; name theirs, or leave {name} out",
        )
    if not isinstance(source, DataSource):
        return
    texts = [source.path, source.hub, source.hub_config, source.split]
    if len(languages) > 1 and not any(p in t for t in texts if t for p in _PLACEHOLDERS):
        yield Problem(
            name,
            f"the same data would stand for {', '.join(languages)}; put {{lang}} "
            "into its path, or give a mapping from language to data",
        )


def _translation_problems(config: RunConfig, key: str) -> Iterator[Problem]:
    value = getattr(config.data, key)
    named = value.items() if key == "rivals" else [(None, value)]
    for name, source in named:
        where = f"data.{key}" if name is None else f"data.{key}.{name}"
        yield from _language_problems(config.languages, where, source)
        for number, one in enumerate(source if isinstance(source, list) else ()):
            yield from _language_problems(config.languages, f"{where}.{number}", one)
    for lang in config.languages:
        for found in translations(config, key, lang):
            if found.by in config.languages:
                yield Problem(found.name, f"{found.by!r} is a language; call the system otherwise")
            try:
                translated(config, found)
            except ConfigError as error:
                yield Problem(*str(error).split(": ", 1))


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
    for name in config.labels.ignore:
        if name in types:
            yield Problem("labels.ignore", f"{name!r} is in labels.types as well: learn it or not")
        elif name in config.labels.map and config.labels.map[name] != name:
            yield Problem(
                "labels.ignore",
                f"labels.map makes {name!r} into {config.labels.map[name]!r}: take it from one",
            )
    if "O" in types:
        yield Problem("labels.types", "O is not an entity type: leave it out")
    if len(set(types)) != len(types):
        yield Problem("labels.types", f"a type is named twice: {', '.join(types)}")
