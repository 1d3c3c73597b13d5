"""``run_pipeline init``: writes a commented config for a folder of the user's files."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import yaml

from pipeline.config import DataSource
from pipeline.errors import ConfigError, DataError, XlnerError, first_line
from pipeline.formats import ReadReport, detect_format, read_labelled
from pipeline.formats.labels import nearest_type
from pipeline.formats.splits import (
    NO_DATA,
    SPLITS,
    is_one_data_set,
    local_files,
    readable_suffixes,
    suffix_of,
)
from pipeline.languages import base, canonical, english_name

SHIPPED_LANGUAGES: Final = frozenset({"de", "en", "es", "fr", "nl", "sw"})
"""What the models that ship can read and write."""

_TEMPLATE: Final = "scaffold.yaml.j2"
_TRANSLATOR: Final = "facebook/nllb-200-distilled-600M"
_SCRIPT = re.compile("[A-Z][a-z]{3}")
_SHARD = re.compile(r"-\d{5}-of-")
_SHARED_TASKS = {"esp": "es", "ned": "nl"}  # as CoNLL-2002 calls its files: esp.train, ned.testb
_ALIKE = 5  # files of a kind that is not read are named each up to here
_PLAIN: Final = frozenset({"unlabelled", "unlabeled", "raw"})
_NO_LANGUAGES = {"txt", "bio", "iob", "tsv", "ner", "all", "new", "gold", "data"}
_PEEK = 2000  # sentences that are read of each labelled file


@dataclass(slots=True)
class FoundFiles:
    """What a folder holds.

    Attributes:
        files: Path relative to the folder, by split (``train``, ``dev``, ``test`` or
            ``unlabelled``) and language.
        types: The entity types seen in the first sentences of each labelled file.
        read: What was understood of each file that is used.
        unused: Files that were left aside, each with the reason.
    """

    files: dict[tuple[str, str], str] = field(default_factory=dict)
    types: dict[str, Counter[str]] = field(default_factory=dict)
    read: dict[str, str] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)


def look_into(folder: Path, source: str = "en") -> FoundFiles:
    """Tell splits and languages from names, and from a look into each file what it holds.

    ``de/test.txt``, ``test.de.conll``, ``masakhaner/swa/dev.txt`` and the like are understood. A
    training, dev or test file without a language is taken to be in the source language; a file of
    plain text with a language is unlabelled text, whatever else its name says.

    Raises:
        ConfigError: If the folder does not exist.
    """
    if not folder.is_dir():
        if folder.exists():
            raise ConfigError(f"{folder} is a file; name the folder that it lies in")
        raise ConfigError(f"folder not found: {folder}")
    found = FoundFiles()
    candidates, found.unused = _candidates(folder)
    for path in candidates:
        name = str(path.relative_to(folder))
        split = _named_split(name)
        try:
            report = _peek(path, plain=split == "unlabelled")
        except (XlnerError, OSError, ValueError) as error:
            found.unused[name] = f"cannot be read: {_first_line(error, path)}"
            continue
        lang = _named_language(name)
        if not report.labelled:
            if split in ("train", "dev", "test"):
                found.unused[name] = "plain text without labels, though its name says otherwise"
                continue
            split = "unlabelled"
        elif split == "unlabelled":
            found.unused[name] = "it has labels, though its name says otherwise"
            continue
        if lang is None and split in ("train", "dev", "test"):
            lang = source
        if split is None or lang is None:
            missing = "split (train, dev, test)" if split is None else "language"
            found.unused[name] = f"its name tells no {missing}"
        elif (split, lang) in found.files:
            found.unused[name] = f"{found.files[split, lang]} is used as {split} of {lang}"
        else:
            found.files[split, lang] = name
            found.read[name] = report.summary().removeprefix(f"{path}: ")
            if report.labelled:
                found.types[name] = report.spans
    return found


def _candidates(folder: Path) -> tuple[list[Path], dict[str, str]]:
    """Return the files (and folders that are one data set) to look into, and why not the others."""
    whole = [p for p in folder.rglob("*") if p.is_dir() and is_one_data_set(p)]
    whole = [p for p in whole if not any(p.is_relative_to(q) for q in whole if q != p)]
    found, unused, known = list(whole), {}, {"", *(f".{w}" for w in _PLAIN)} | readable_suffixes()
    others: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        hidden = any(p.startswith(".") for p in path.relative_to(folder).parts)
        if hidden or not path.is_file() or any(path.is_relative_to(p) for p in whole):
            continue
        if NO_DATA.match(path.name):
            unused[name] = "a text about the data"
        elif name == "xlner.yaml":
            unused[name] = "a config"
        elif suffix_of(path) in known:
            found.append(path)
        else:
            others.setdefault(suffix_of(path), []).append(name)
    for suffix, names in others.items():
        why = f"files that end in {suffix} are not read"
        if len(names) > _ALIKE:
            unused[f"*{suffix}, {len(names):,} files"] = why
        else:
            unused.update(dict.fromkeys(names, why))
    return _shards_together(sorted(found)), unused


def _shards_together(paths: list[Path]) -> list[Path]:
    """Return shards (``train-00000-of-00002.parquet`` …) as the glob that fits them all."""

    def pattern(path: Path) -> Path:
        return path.with_name(_SHARD.sub("-*-of-", path.name, count=1))

    shards = Counter(map(pattern, paths))
    joined = (p if shards[pattern(p)] < 2 else pattern(p) for p in paths)
    return list(dict.fromkeys(joined))


def _named_split(name: str) -> str | None:
    """Return the split that a name tells: ``train``, ``dev``, ``test`` or ``unlabelled``."""
    for word in reversed(re.split(r"[^a-z0-9]+", name.lower())):
        if word in _PLAIN:
            return "unlabelled"
        if word in SPLITS:
            return "dev" if SPLITS[word] == "validation" else SPLITS[word]
    return None


def _peek(path: Path, *, plain: bool) -> ReadReport:
    """Return what is understood of a file, from its first sentences.

    Args:
        path: The file.
        plain: Whether its name says that it has no labels: then it need not have any.

    Raises:
        XlnerError: If the file cannot be read, or holds nothing.
    """
    if path.is_file() and path.stat().st_size == 0:
        raise ConfigError("the file is empty")
    labelled = detect_format(local_files(path)[0], labelled=False) != "text"
    source = DataSource(path=str(path))
    try:
        stream = read_labelled(source, "en", path=path, labelled=labelled, sample=_PEEK)
    except DataError:
        if not plain:
            raise
        stream = read_labelled(source, "en", path=path, labelled=False, sample=_PEEK)
    for _ in stream:
        pass
    return stream.report


def _first_line(error: Exception, path: Path) -> str:
    text = first_line(error).removeprefix(f"{path}:").strip()
    return re.sub(r"^(\d+): ", r"line \1: ", text)


def _named_language(name: str) -> str | None:
    """Return the language that a name holds, with its script or region: ``zh-Hant``.

    What stands nearer to the file tells more: ``en/test.de.conll`` is German.
    """
    words = [w for part in reversed(Path(name).parts) for w in re.split(r"[^A-Za-z0-9_-]+", part)]
    for word in words:
        parts = re.split(r"[_-]", word)
        pairs = (f"{a}-{b}" for a, b in pairwise(parts) if _SCRIPT.fullmatch(b))
        for part in (word, *pairs, *parts):
            tag = re.fullmatch(r"([A-Za-z]{2,3})[_-]([A-Z][a-z]{3}|[A-Z]{2})", part)
            if tag and _language(tag[1].lower()):
                try:
                    return canonical(part)
                except ConfigError:
                    continue
            if code := _language(part.lower()):
                return code
    return None


def _language(word: str) -> str | None:
    # Words of three letters are mostly not codes ("raw", "dev", "bio" are, as it happens).
    if word in _SHARED_TASKS:
        return _SHARED_TASKS[word]
    if word in (*SPLITS, *_PLAIN, *_NO_LANGUAGES) or not re.fullmatch(r"[a-z]{2,3}", word):
        return None
    try:
        return canonical(word)
    except ConfigError:
        return None


def write_config(folder: Path, source: str = "en", found: FoundFiles | None = None) -> Path:
    """Write ``xlner.yaml`` into a folder; an existing one is never overwritten.

    Args:
        folder: The folder.
        source: The labelled language.
        found: What :func:`look_into` found there, if it was called already.

    Raises:
        ConfigError: If there is a config already, no folder, or no labelled training data.
    """
    found = found or look_into(folder, source)
    path = folder / "xlner.yaml"
    if path.exists():
        raise ConfigError(f"{path} exists already; move it away, or edit it")
    if ("train", source) not in found.files:
        others = "".join(f"\n  {name}: {why}" for name, why in found.unused.items())
        there = [f"{name} ({split} of {lang})" for (split, lang), name in found.files.items()]
        labelled = [lang for split, lang in found.files if split == "train"]
        hint = f" Found: {', '.join(there)}." if there else ""
        if labelled:
            hint += f" If the labelled language is {english_name(labelled[0])}: --source-lang "
            hint += f"{labelled[0]}."
        raise ConfigError(
            f"{folder} holds no labelled {english_name(source)} training data, which every run "
            f"needs: put it there as train.conll or {source}/train.txt, say (CoNLL, JSONL or "
            "Parquet); test data of a target language as de/test.txt, plain text as "
            f"de/unlabelled.txt.{hint}{f' Not used:{others}' if others else ''}"
        )
    path.write_text(_text(folder, found, source), encoding="utf-8")
    return path


def _text(folder: Path, found: FoundFiles, source: str) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"yaml": _quote, "english": english_name}
    named = sorted({lang for _, lang in found.files if lang != source})
    targets = named or ["de"]
    languages = [source, *targets]
    types = sorted({t for seen in found.types.values() for t in seen})
    known = set(found.types.get(found.files["train", source], ()))
    others = [t for t in types if t not in known]
    untranslatable = _untranslatable(source, targets)
    arms = ["zero_shot", "fused", *([] if untranslatable else ["projected", "self_trained_last"])]
    if all(("train", lang) in found.files for lang in targets):
        arms.append("supervised")
    return environment.get_template(_TEMPLATE).render(
        config=str(folder / "xlner.yaml"),
        name=re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-._") or "mine",
        source=source,
        targets=targets,
        named=named,
        files=found.files,
        unused=found.unused,
        types=types,
        other_types=others,
        near_types={t: near for t in others if (near := nearest_type(t, known))},
        shipped=sorted(SHIPPED_LANGUAGES),
        unknown=[lang for lang in languages if base(lang) not in SHIPPED_LANGUAGES],
        translator=_TRANSLATOR,
        untranslatable=untranslatable,
        arms=arms,
        tested=any(("test", lang) in found.files for lang in targets),
    )


def _untranslatable(source: str, targets: list[str]) -> list[str]:
    """Return the target languages that the translator that is proposed does not know."""
    from stages.translate.codes import direction_problem

    if all(base(lang) in SHIPPED_LANGUAGES for lang in (source, *targets)):
        return []
    return [t for t in targets if direction_problem(_TRANSLATOR, None, source, t)]


def _quote(text: str) -> str:
    """Return a text as it stands in a flow sequence or mapping of YAML; ``no`` is quoted."""
    dumped: str = yaml.safe_dump([text], default_flow_style=True, width=10_000, allow_unicode=True)
    return dumped.strip()[1:-1]
