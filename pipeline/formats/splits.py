"""Which files a path stands for: itself, the files of a split in a folder, or those of a glob.

Splits are told from names as HF ``datasets`` tells them: ``train-00000-of-00002.parquet``,
``test.jsonl``, ``data/dev/part-1.conll``, and ``eng.testa`` of the CoNLL shared tasks.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from pipeline.errors import ConfigError, DataError, suggest
from pipeline.format_table import FORMATS
from pipeline.formats.format import Sample
from pipeline.formats.packed import SUFFIXES
from pipeline.languages import canonical

SPLITS: Final = {
    "train": "train",
    "training": "train",
    "dev": "validation",
    "devel": "validation",
    "development": "validation",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "testa": "validation",
    "test": "test",
    "testing": "test",
    "testb": "test",
    "eval": "test",
    "evaluation": "test",
}
"""Words in the names of files and folders, and the split that each stands for."""

_SHARD: Final = re.compile(r"(.+?)-\d{5}-of-\d{5}")
NO_DATA: Final = re.compile(r"(?i)readme|licen[sc]e|copying|citation|changelog")
_NO_DATA_FILES: Final = frozenset(
    {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "config.json"}
)
_DEPTH: Final = 3


def is_pattern(text: str | Path) -> bool:
    """Whether a path has the characters of a glob and is not that of a file itself."""
    return glob.has_magic(str(text)) and not Path(text).exists()


def doubtful_split(path: Path, files: Sequence[Path], split: str | None) -> str | None:
    """Return a sentence where names tell of other splits than what is read; ``None`` otherwise."""
    named = {split_of(f, f.parent) for f in files} - {None}
    if split is None:
        if not is_pattern(path) or len(named) < 2:
            return None
        return f"the pattern fits files of several splits: {', '.join(sorted(map(str, named)))}"
    wanted = {SPLITS.get(part.strip().lower(), part.strip()) for part in split.split("+")}
    if path.is_dir() or not named or named <= wanted:
        return None
    return f"split is {split!r}, but the name says {', '.join(sorted(map(str, named)))}"


def matches(pattern: Path) -> list[Path]:
    """Return what a glob fits, sorted; hidden files only where it says so."""
    parts = pattern.parts
    first = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    rest = "/".join(parts[first:])
    found = Path(*parts[:first]).glob(rest)
    return sorted(p for p in found if not p.name.startswith(".") or parts[-1].startswith("."))


def local_files(path: Path, split: str | None = None, format_: str = "auto") -> list[Path]:
    """Return the files that a path stands for, in order.

    A file is itself, and so is a folder that is one data set as a whole (``save_to_disk``, brat) or
    in which nothing can be read. Of another folder it is the data files (or such folders) of the
    split; where none is named, all of them, if they are of one split. A glob is its files, sorted.

    Args:
        path: A file, a folder or a glob.
        split: The split, under any of the names of :data:`SPLITS` or the name in the files; a sum
            (``train+validation``) is one after the other.
        format_: The format, if it is stated: of a folder, only files with its suffixes count.

    Raises:
        DataError: If a glob fits nothing, a folder holds several splits and none is named, or it
            lacks the one that is.
    """
    if is_pattern(path):
        found = matches(path)
        files = [p for p in found if p.is_file() and not NO_DATA.match(p.name)]
        files = files or [p for p in found if p.is_dir() and is_one_data_set(p)]
        if not files:
            what = "only folders" if found else "no file"
            raise DataError(f"{path}: {what} with such a name; correct the pattern")
        return files if split is None else _of_split(path, files, split)
    if not path.is_dir() or is_one_data_set(path):
        return [path]
    files = _data_sets(path) or data_files(path, format_)
    if not files:
        return [path]
    if split is not None:
        return _of_split(path, files, split)
    groups = _groups(path, files)
    if None in groups and len(files) > 1 and files[0].is_dir():
        raise DataError(
            f"{path}: holds several data sets ({_listed(path, files)}); name one of them, or a "
            "glob of those to read one after the other"
        )
    splits = [name for name in groups if name is not None]
    # A folder of Parquet files is one table unless its files say otherwise.
    if len(splits) > 1 or (splits and None in groups and files[0].suffix != ".parquet"):
        listed = "; ".join(f"{n or 'no split'}: {_listed(path, g)}" for n, g in groups.items())
        raise DataError(
            f"{path}: holds several splits ({listed}); set split to one of "
            f"{', '.join(splits)}, or name the files"
        )
    return _one_kind(path, files)


def is_one_data_set(folder: Path) -> bool:
    """Whether a folder is one data set as a whole (``save_to_disk``, brat)."""
    sample = Sample(folder)
    kinds = (FORMATS[name] for name in FORMATS)
    return any(kind.takes_folders and kind.sniff(sample) for kind in kinds)


def has_splits(path: Path) -> bool:
    """Whether ``path`` is a folder that ``save_to_disk`` wrote of several splits."""
    return (path / "dataset_dict.json").is_file()


def _data_sets(folder: Path) -> list[Path]:
    """Return the folders below that are data sets as a whole: ``train/`` and ``dev/``, say."""
    found: list[Path] = []
    for inner in sorted(p for p in folder.iterdir() if p.is_dir()):
        if inner.name.startswith((".", "_")):
            continue
        found += [inner] if is_one_data_set(inner) else _data_sets(inner)
    return found


def data_files(folder: Path, format_: str = "auto") -> list[Path]:
    """Return the data files in a folder, sorted: Parquet files in it, or else all down to depth 3.

    Hidden files, READMEs, licences and the metadata of HF data sets are none.
    """
    tables = sorted(folder.glob("*.parquet"))
    if tables and format_ in ("auto", "parquet"):
        return tables
    known = readable_suffixes(format_)
    found = []
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if len(parts) > _DEPTH or any(p.startswith((".", "_")) for p in parts):
            continue
        if NO_DATA.match(path.name) or path.name in _NO_DATA_FILES or not path.is_file():
            continue
        bare = Path(path.stem) if path.suffix.lower() in SUFFIXES else path
        # CoNLL's shared tasks name their files eng.train, esp.testa.
        if bare.suffix.lower() in known or bare.suffix[1:].lower() in SPLITS:
            found.append(path)
    return sorted(found)


def readable_suffixes(format_: str = "auto") -> frozenset[str]:
    """Return how names of data files end, in one format or in any."""
    names = list(FORMATS) if format_ == "auto" else [format_]
    # Of CoNLL, many a file is called .txt or .tsv.
    return frozenset((*(s for name in names for s in FORMATS[name].suffixes), ".txt", ".tsv"))


def split_of(path: Path, folder: Path) -> str | None:
    """Return the split that the name of a file tells, or else those of its folders."""
    try:
        parts = path.relative_to(folder).parts
    except ValueError:
        parts = (path.name,)
    shard = _SHARD.match(path.name)
    if shard:
        return _canonical(shard[1]) or shard[1]
    found = next((split for name in reversed(parts) if (split := _canonical(name))), None)
    return found or SPLITS.get(folder.resolve().name.lower())


def _canonical(name: str) -> str | None:
    words = re.split(r"[^a-z0-9]+", name.lower())
    return next((SPLITS[w] for w in reversed(words) if w in SPLITS), None)


def _groups(folder: Path, files: Iterable[Path]) -> dict[str | None, list[Path]]:
    groups: dict[str | None, list[Path]] = {}
    for file in files:
        groups.setdefault(split_of(file, folder), []).append(file)
    order = {"train": 0, "validation": 1, "test": 2}
    return dict(sorted(groups.items(), key=lambda g: (g[0] is None, order.get(g[0] or "", 3))))


def _of_split(path: Path, files: Sequence[Path], split: str) -> list[Path]:
    if "[" in split:
        raise DataError(
            f"{path}: split {split!r}: slices are for data sets of the hub; name the split alone, "
            "and use limit for its first sentences"
        )
    groups = _groups(path if path.is_dir() else path.parent, files)
    found: list[Path] = []
    for part in split.split("+"):
        name = part.strip()
        wanted = name if name in groups else SPLITS.get(name.lower(), name)
        if wanted == "train" and list(groups) == [None]:  # as HF datasets takes nameless files
            wanted = None  # type: ignore[assignment]
        if wanted not in groups:
            known = [n for n in groups if n is not None]
            there = (
                ", ".join(known) if known else f"no file that names one ({_listed(path, files)})"
            )
            raise DataError(f"{path}: no split {name!r}{suggest(name, known)}; there is {there}")
        found += _one_kind(path, groups[wanted])
    return found


def _one_kind(folder: Path, files: list[Path]) -> list[Path]:
    """Refuse files that are hardly parts of one thing: of several formats or languages."""
    suffixes = {suffix_of(f) for f in files}
    if len(suffixes) > 1:
        raise DataError(
            f"{folder}: {_listed(folder, files)} are of several formats "
            f"({', '.join(sorted(suffixes))}); name the file, or a glob such as "
            f"{folder}/*{suffix_of(files[0])}"
        )
    languages = {_languages(f, folder) for f in files}
    if len(languages) > 1:
        raise DataError(
            f"{folder}: {_listed(folder, files)} are named for several languages; name the file of "
            "one, or a glob of its files"
        )
    return files


def suffix_of(path: Path) -> str:
    """Return how a name ends, less what packs it; empty where that is a split (``eng.train``)."""
    bare = Path(path.stem) if path.suffix.lower() in SUFFIXES else path
    suffix = bare.suffix.lower()
    return "" if suffix[1:] in SPLITS else suffix


def _languages(path: Path, folder: Path) -> tuple[str, ...]:
    """Return the languages that the name of a file and those of its folders tell."""
    found = []
    within = path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name)
    for word in re.split(r"[^a-z0-9]+", str(within.with_suffix("")).lower()):
        if word in SPLITS or not re.fullmatch(r"[a-z]{2,3}", word) or word == "of":
            continue
        try:
            code = canonical(word)
        except ConfigError:
            continue
        # Most words of three letters are the code of some language: "one", "new", "web".
        if len(code) == 2:
            found.append(code)
    return tuple(found)


def _listed(folder: Path, files: Sequence[Path]) -> str:
    base = folder if folder.is_dir() else folder.parent
    names = [str(f.relative_to(base)) if f.is_relative_to(base) else f.name for f in files]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
