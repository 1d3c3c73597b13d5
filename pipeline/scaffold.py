"""``run_pipeline init``: writes a commented config for a folder of the user's files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from pipeline.errors import ConfigError, DataError
from pipeline.languages import canonical, english_name

_LABELLED = {".txt", ".conll", ".conll02", ".conll03", ".iob", ".iob2", ".bio", ".tsv", ".jsonl"}
_LABELLED |= {".parquet", ".json", ""}
_SPLITS = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "devel": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
    "testa": "dev",
    "testb": "test",
    "unlabelled": "unlabelled",
    "unlabeled": "unlabelled",
    "raw": "unlabelled",
}


@dataclass(slots=True)
class Found:
    """What a folder holds.

    Attributes:
        files: Path relative to the folder, by split and language.
        unclear: Files whose split or language could not be told from their path.
    """

    files: dict[tuple[str, str], str] = field(default_factory=dict)
    unclear: list[str] = field(default_factory=list)

    def languages(self, split: str) -> list[str]:
        """Return the languages that have a file of a split."""
        return sorted(lang for s, lang in self.files if s == split)


def look_into(folder: Path, source: str = "en") -> Found:
    """Tell splits and languages from the names of files and folders.

    ``de/test.txt``, ``test.de.conll``, ``masakhaner/swa/dev.txt`` and the like are understood; a
    training file without a language is taken to be in the source language.

    Raises:
        DataError: If the folder does not exist.
    """
    if not folder.is_dir():
        raise DataError(f"folder not found: {folder}")
    found = Found()
    for path in sorted(_candidates(folder)):
        name = str(path.relative_to(folder))
        words = re.split(r"[/._\-]+", name.lower())
        split = next((_SPLITS[w] for w in reversed(words) if w in _SPLITS), None)
        lang = next((code for w in words if (code := _language(w))), None)
        if lang is None and split in ("train", "dev"):
            lang = source
        if split is None or lang is None or (split, lang) in found.files:
            found.unclear.append(name)
        else:
            found.files[split, lang] = name
    return found


def _candidates(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(p.startswith(".") for p in path.relative_to(folder).parts)
        if path.is_file() and not hidden and path.suffix.lower() in _LABELLED:
            if path.name.upper().startswith(("README", "LICENSE", "LICENCE")):
                continue
            yield path


def _language(word: str) -> str | None:
    # Words of three letters are mostly not codes ("raw", "dev", "bio" are, as it happens).
    if word in _SPLITS or word in {"txt", "bio", "iob", "tsv", "ner", "all", "new", "gold", "data"}:
        return None
    if not re.fullmatch(r"[a-z]{2,3}", word):
        return None
    try:
        return canonical(word)
    except ConfigError:
        return None


def write_config(folder: Path, source: str = "en") -> Path:
    """Write ``xlner.yaml`` into a folder; an existing one is never overwritten.

    Raises:
        ConfigError: If there is one already.
        DataError: If the folder does not exist.
    """
    found = look_into(folder, source)
    path = folder / "xlner.yaml"
    if path.exists():
        raise ConfigError(f"{path} exists already; move it away, or edit it")
    path.write_text(_text(folder, found, source), encoding="utf-8")
    return path


def _text(folder: Path, found: Found, source: str) -> str:
    targets = sorted({lang for _, lang in found.files if lang != source})
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-._") or "mine"
    train = found.files.get(("train", source))
    dev = found.files.get(("dev", source))
    lines = [
        "# A run on your own files, written by `run_pipeline init`. Look it through, then:",
        f"#   run_pipeline {_quote(str(folder / 'xlner.yaml'))} --dry-run",
        f"name: {_quote(name)}",
        "seed: 13",
        "",
        f"source: {source}                 # {english_name(source)}: the labelled language",
        f"languages: [{', '.join(targets)}]"
        + ("" if targets else "   # name your target languages here, for example [de, sw]"),
        "",
        "# Files are relative to this config. Formats (CoNLL variants, JSONL, Parquet, HF data",
        "# sets) and tag schemes are recognised; add format: or scheme: to a source to state them.",
        "data:",
    ]
    lines.append(
        f"  train: {{path: {_quote(train)}}}"
        if train
        else "  # train: {path: …}           # labelled source text: required"
    )
    lines.append(
        f"  dev: {{path: {_quote(dev)}}}             # chooses checkpoints"
        if dev
        else "  # dev: {path: …}             # labelled source text, to choose checkpoints"
    )
    for key, split, remark in (
        ("test", "test", "gold target test data: what the comparison is measured on"),
        ("target_train", "train", "gold target training data: only the arm supervised uses it"),
        ("unlabelled", "unlabelled", "real unlabelled target text, for self-training"),
    ):
        langs = [lang for lang in found.languages(split) if lang != source]
        if langs:
            lines.append(f"  {key}:                    # {remark}")
            lines += [f"    {la}: {{path: {_quote(found.files[split, la])}}}" for la in langs]
        else:
            lines.append(f"  # {key}: {{de: {{path: …}}}}   # {remark}")
    arms = ["zero_shot", "fused", "projected", "self_trained"]
    if any(s == "train" and la != source for s, la in found.files):
        arms.append("supervised")
    lines += [
        "",
        "# labels:",
        "#   map: {MISC: O}             # rename labels, or drop them with O",
        "",
        "# The small models that ship know en, de, es, fr, nl and sw. For other languages name",
        "# models of the hub, or local folders in the same format:",
        "# models:",
        "#   encoder: bert-base-multilingual-cased",
        "#   translator: facebook/nllb-200-distilled-600M",
        "",
        "# What to compare; see the README for what each arm is.",
        f"arms: [{', '.join(arms)}]",
        "seeds: [13, 14, 15]",
    ]
    if found.unclear:
        lines += ["", "# Not used, because split or language could not be told from the name:"]
        lines += [f"#   {name}" for name in found.unclear]
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    return yaml.safe_dump(text, default_style=None, width=10_000, allow_unicode=True).split("\n")[0]
