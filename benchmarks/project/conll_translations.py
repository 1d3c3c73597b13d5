"""Pairs the T-Projection files with the CoNLL sentences that they translate.

``projected/t-projection-conll`` holds machine translations of the English CoNLL training sentences
in their order, without ids, and with some sentences missing. Which ones is found by
:func:`stages.prepare.matching.match`; translations whose place is not certain are dropped, counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.project.corpora import DATA
from pipeline.config import DataSource
from pipeline.formats import read_labelled
from pipeline.schema import Sentence
from stages.prepare.matching import match

LANGUAGES = ("swa", "hau", "yor")


@dataclass(slots=True)
class Matched:
    """Translations with their source sentences.

    Attributes:
        source: English sentences with their gold labels.
        target: Their translations with T-Projection's labels, line by line.
        missing: English sentences that have no translation.
        uncertain: Translations dropped because two places would suit them.
    """

    source: list[Sentence]
    target: list[Sentence]
    missing: int
    uncertain: int


def load(lang: str, data: Path = DATA, *, subset: int | None = None) -> Matched:
    """Read and match the translations into a language; ``subset`` keeps the first so many."""
    english = _read(data / "ner/conll/en/train.txt", "en")
    translated = _read(data / f"projected/t-projection-conll/{lang}.train.txt", lang)
    place, sure = match(english, translated, key=lang)
    kept = [(english[i], translated[j]) for j, i in enumerate(place) if sure[j]]
    pairs = kept[:subset]
    return Matched(
        [s for s, _ in pairs],
        [t for _, t in pairs],
        len(english) - len(translated),
        len(translated) - len(kept),
    )


def _read(path: Path, lang: str) -> list[Sentence]:
    return list(read_labelled(DataSource(), lang, path=path))
