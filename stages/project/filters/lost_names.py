"""``lost_names``: translations that have nothing to do with their source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Final

import numpy as np
from pydantic import Field

from pipeline.config import ConfigModel
from stages.project.filters.base import AtMost, Row
from stages.project.filters.sentence_pairs import SentencePairs
from stages.project.words import FloatArray

_LEAST_NAMES: Final = 3  # names and numbers, at least: few may be put otherwise
_ALIKE: Final = 60.0  # of 100: spelling from which a name is taken to be there
_DIGITS: Final = re.compile(r"\d+")


class LostNamesOptions(ConfigModel):
    """Options of ``lost_names``."""

    max_lost_names: float | None = Field(
        0.8, ge=0, le=1, description="largest share of names and numbers that are not there"
    )


class Filter(AtMost[LostNamesOptions]):
    """A measure of hallucination."""

    about: ClassVar[str] = (
        "share of names and numbers (three or more) of which nothing is there and no span was "
        "projected"
    )
    reason: ClassVar[str] = "lost_names"
    says: ClassVar[str] = "the translation has hardly any name or number of the source"

    @classmethod
    def scores(cls, pairs: SentencePairs) -> FloatArray:
        """Return the share of names and numbers that are not there."""
        out = np.full(len(pairs), np.nan)
        numbers = pairs.where(pairs.source, _is_number) & ~pairs.named
        total = pairs.source.sums(numbers) + np.bincount(pairs.names.rows, minlength=len(pairs))
        out[total >= _LEAST_NAMES] = 0.0
        missing = np.bincount(pairs.names.rows, ~pairs.names.found, len(pairs))
        unsure = (total >= _LEAST_NAMES) & (pairs.source.sums(numbers) + missing > 0)
        for k in np.flatnonzero(unsure).tolist():
            pair = pairs[k]
            out[k] = lost_names(pair.source, pair.target, pair.spans, set(pair.found))
        return out


def lost_names(
    source: Sequence[str], target: Sequence[str], spans: Sequence[Row], found: set[int]
) -> float | None:
    """Return the share of names and numbers of the source that the target lacks, if there are some.

    ``None`` for fewer than three: they are often put otherwise ("Germany", "the Germans").
    """
    inside = {i for s in spans for i in range(s["start"], s["end"])}
    numbers = [runs for i, w in enumerate(source) if i not in inside if (runs := _digits(w))]
    total = len(numbers) + len(spans)
    if total < _LEAST_NAMES:
        return None
    lost = sum(
        not _there(source[s["start"] : s["end"]], target)
        for k, s in enumerate(spans)
        if k not in found
    )
    if numbers:
        written = [_DIGITS.findall(w) for w in target]
        digits = {run for runs in written for run in runs}
        joined = {"".join(runs) for runs in written}
        lost += sum(not digits.issuperset(runs) and "".join(runs) not in joined for runs in numbers)
    return lost / total


def _is_number(word: str) -> bool:
    return bool(_digits(word))


def _digits(word: str) -> list[str]:
    """Return the runs of digits of a word that has two or more."""
    if len(word) < 2 or word.isalpha():
        return []
    runs = _DIGITS.findall(word)
    return runs if len("".join(runs)) > 1 else []


def _there(name: Sequence[str], target: Sequence[str]) -> bool:
    """Whether a word of the name is spelt alike in the target."""
    from rapidfuzz import fuzz, process

    return any(
        process.extractOne(
            w.casefold(), target, processor=str.casefold, scorer=fuzz.ratio, score_cutoff=_ALIKE
        )
        for w in name
        if len(w) > 2
    )
