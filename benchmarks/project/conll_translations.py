"""Pairs the T-Projection files with the CoNLL sentences that they translate.

``projected/t-projection-conll`` holds machine translations of the English CoNLL training sentences
in their order, without ids, and with some sentences missing. Which ones is found by a monotone
alignment: every translation gets one English sentence, later ones later; the total similarity
(words that both share, rare ones more, and the lengths) is maximal. Labels are not looked at.

Translations that share no word with their sentence are only placed by their neighbours. They are
kept where that leaves no choice (no sentence is missing between the neighbours) and dropped,
counted, where it does.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.project.corpora import DATA
from pipeline.config import DataSource
from pipeline.formats import read_labelled
from pipeline.schema import Sentence
from stages.project.words import fold

LANGUAGES = ("swa", "hau", "yor")
PER_CHARACTER = 0.2
"""What a log ratio of 1 between the lengths costs, where a word seen once is worth about 9."""


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
    place, sure = match(english, translated)
    kept = [(english[i], translated[j]) for j, i in enumerate(place) if sure[j]]
    pairs = kept[:subset]
    return Matched(
        [s for s, _ in pairs],
        [t for _, t in pairs],
        len(english) - len(translated),
        len(translated) - len(kept),
    )


def match(english: list[Sentence], translated: list[Sentence]) -> tuple[list[int], list[bool]]:
    """Return the English sentence of each translation, and whether it is certain.

    Raises:
        SystemExit: If there are more translations than sentences.
    """
    skips = len(english) - len(translated)
    if skips < 0:
        raise SystemExit(f"{len(translated)} translations of {len(english)} sentences")
    words = [[{fold(w) for w in s.words} - {""} for s in side] for side in (english, translated)]
    counts = Counter(w for s in words[0] for w in s)
    worth = {w: float(np.log((len(english) + 1) / n)) for w, n in counts.items()}
    sizes = [[sum(len(w) for w in s.words) + 1 for s in side] for side in (english, translated)]
    best = np.zeros(skips + 1)  # best[k]: the first j translations placed, k sentences skipped
    came = np.zeros((len(translated), skips + 1), np.int32)
    shared = np.zeros((len(translated), skips + 1))
    for j, mine in enumerate(words[1]):
        value = np.empty(skips + 1)
        for k in range(skips + 1):
            overlap = sum(worth[w] for w in mine & words[0][j + k])
            shared[j, k] = overlap
            ratio = abs(np.log(sizes[0][j + k] / sizes[1][j]))
            value[k] = overlap - PER_CHARACTER * ratio
        came[j] = _running_argmax(best)
        best = best[came[j]] + value
    place = [0] * len(translated)
    k = int(np.argmax(best))
    for j in range(len(translated) - 1, -1, -1):
        place[j] = j + k
        overlap = shared[j, k]
        k = int(came[j, k])
        shared[j, 0] = overlap
    anchored = shared[:, 0] > 0
    return place, _certain(place, anchored.tolist(), len(english))


def _running_argmax(values: np.ndarray) -> np.ndarray:
    """Return, per position, where the greatest value up to it is (the first such)."""
    top = np.maximum.accumulate(values)
    fresh = np.r_[True, values[1:] > top[:-1]]
    index: np.ndarray = np.maximum.accumulate(np.where(fresh, np.arange(len(values)), 0))
    return index


def _certain(place: list[int], anchored: list[bool], n_source: int) -> list[bool]:
    """A place is certain if the translation shares a word, or its neighbours leave one place."""
    sure = list(anchored)
    anchors = [-1, *(j for j, a in enumerate(anchored) if a), len(place)]
    where = [-1, *(place[j] for j in anchors[1:-1]), n_source]
    for (a, b), (p, q) in zip(pairwise(anchors), pairwise(where), strict=True):
        if q - p == b - a:
            sure[a + 1 : b] = [True] * (b - a - 1)
    return sure


def _read(path: Path, lang: str) -> list[Sentence]:
    return list(read_labelled(DataSource(), lang, path=path))
