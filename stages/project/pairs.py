"""How far a translation can be trusted: scores of sentence pairs, for the filters to decide on.

Translation models go wrong in ways of their own: they stutter, copy the source, answer in another
language, say something that has nothing to do with the source (hallucinate), or lose and double its
names. What such a pair teaches a tagger is wrong, however well its words are aligned.

Scores, by name (a score that is not there decides nothing):

================  =================================================================================
``repetition``    share of the words of the translation that only repeat the words right before
                  them, over that share in the source
``copied``        share of the source's own words (no names, no numbers, in small letters or all
                  in capitals) that stand in the translation as they are
``lost_names``    share of the source's names and numbers that the translation lacks: no span was
                  projected, no word of it is spelt alike
``doubled_names`` how often more the translation has a name of the source than the source itself
``length_ratio``  characters of the translation over those of the source, over the corpus' median
``language``      probability of the target language (py3langid), given the words that the source
                  does not have too; only of texts that are long enough and of languages that it
                  knows
================  =================================================================================
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from stages.language_id import language_scorer

if TYPE_CHECKING:
    import pyarrow as pa

LANGUAGE_FROM: Final = 50
"""Characters; language identification is a guess below."""
_PERIOD: Final = 8  # words; the longest stretch that a stutter is looked for in
_LEAST_COPIED: Final = 3  # words that could be copied, at least
_LEAST_RATIOS: Final = 20  # pairs that a median takes
_PADDING: Final = 10.0  # characters, so that the lengths of short texts may differ more
_LEAST_NAMES: Final = 3  # names and numbers, at least: few may be put otherwise
_ALIKE: Final = 60.0  # of 100: spelling from which a name is taken to be there

_DIGITS: Final = re.compile(r"\d+")
_FILE: Final = "pairs.json"

Row = Mapping[str, Any]


class PairScorer:
    """Scores projected rows, in the language of each.

    Args:
        usual_ratio: The corpus' median of :func:`length_ratio`, if it is known.
    """

    def __init__(self, usual_ratio: float | None = None) -> None:
        self._usual_ratio = usual_ratio

    def __call__(self, row: Row) -> list[dict[str, Any]]:
        """Return the scores of a row that has been projected, as they are stored."""
        found = {span["source"] for span in row["spans"]}
        scores = pair_scores(row, found, _language_scorer(row["lang"]), self._usual_ratio)
        return [{"name": name, "value": value} for name, value in scores.items()]


@cache
def _language_scorer(lang: str) -> Callable[[str], float] | None:
    return language_scorer(lang)


def save_usual_ratio(tables: Iterable[pa.Table], folder: Path) -> None:
    """Write the median length ratio of translations, which are read once, into a folder."""
    ratios = [
        length_ratio(source, target)
        for data in tables
        for source, target in zip(
            data.column("source_words").to_pylist(), data.column("words").to_pylist(), strict=True
        )
        if source and target
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _FILE).write_text(json.dumps({"usual_ratio": usual_ratio(ratios)}), encoding="utf-8")


def load_usual_ratio(folder: Path) -> float | None:
    """Read what :func:`save_usual_ratio` wrote; ``None`` where nothing was."""
    path = folder / _FILE
    if not path.exists():
        return None
    found: float | None = json.loads(path.read_text(encoding="utf-8"))["usual_ratio"]
    return found


def pair_scores(
    row: Row,
    found: Iterable[int],
    language: Callable[[str], float] | None = None,
    usual_ratio: float | None = None,
) -> dict[str, float]:
    """Return the scores of a sentence pair.

    Args:
        row: ``source_words``, ``source_spans`` and ``words``.
        found: The source spans (by index) that have a span in the translation.
        language: Gives the probability of the target language, if it is known.
        usual_ratio: The corpus' median of :func:`length_ratio`, if it is known.
    """
    source, target, spans = row["source_words"], row["words"], row["source_spans"]
    if not source or not target:
        return {}
    scores = {"repetition": max(0.0, stutter(target) - stutter(source))}
    names = {i for s in spans for i in range(s["start"], s["end"])}
    if (share := copied(source, target, names)) is not None:
        scores["copied"] = share
    if (share := lost_names(source, target, spans, set(found))) is not None:
        scores["lost_names"] = share
    if spans:
        scores["doubled_names"] = float(doubled_names(source, target, spans))
    if usual_ratio:
        scores["length_ratio"] = length_ratio(source, target) / usual_ratio
    if language is not None:
        there = {w.casefold() for w in source}
        text = " ".join(w for w in target if w.casefold() not in there)
        if len(text) >= LANGUAGE_FROM:
            scores["language"] = language(text)
    return scores


def stutter(words: Sequence[str]) -> float:
    """Return the share of words that only repeat the stretch (of 1 to 8 words) before them."""
    said = [w.casefold() for w in words if any(map(str.isalnum, w))]
    again = [False] * len(said)
    for period in range(1, min(_PERIOD, len(said) // 2) + 1):
        run = 0
        for i in range(period, len(said)):
            run = run + 1 if said[i] == said[i - period] else 0
            stretch = said[i - period + 1 : i + 1]
            if run >= period and any(map(_has_letter, stretch)):  # 6-3 6-3 is a result
                again[i - period + 1 : i + 1] = [True] * period
    # Once is no stutter: "sehr, sehr", "Boutros Boutros".
    return sum(again) / len(said) if sum(again) > 1 else 0.0


def _has_letter(word: str) -> bool:
    return any(map(str.isalpha, word))


def copied(source: Sequence[str], target: Sequence[str], names: set[int]) -> float | None:
    """Return the share of plain source words that stand in the target; ``None`` for too few.

    Args:
        source: Its words.
        target: Its words.
        names: The source words that belong to names.
    """
    plain = [w for i, w in enumerate(source) if i not in names and w.isalpha() and len(w) > 1]
    # Words with a capital may be names that nobody labelled, but for headlines all in capitals.
    plain = [w for w in plain if not w[0].isupper()] or [w for w in plain if w.isupper()]
    if len(plain) < _LEAST_COPIED:
        return None
    there = Counter(target)
    taken = Counter(plain) & there
    return taken.total() / len(plain)


def lost_names(
    source: Sequence[str], target: Sequence[str], spans: Sequence[Row], found: set[int]
) -> float | None:
    """Return the share of names and numbers of the source that the target lacks, if there are some.

    ``None`` for fewer than three: they are often put otherwise ("Germany", "the Germans").
    """
    from rapidfuzz import fuzz, process

    digits = {run for w in target for run in _DIGITS.findall(w)}
    inside = {i for s in spans for i in range(s["start"], s["end"])}
    numbers = [
        runs
        for i, w in enumerate(source)
        if i not in inside and len("".join(runs := _DIGITS.findall(w))) > 1
    ]
    joined = {"".join(_DIGITS.findall(w)) for w in target}
    lost = sum(not digits.issuperset(runs) and "".join(runs) not in joined for runs in numbers)
    for index, span in enumerate(spans):
        if index in found:
            continue
        words = source[span["start"] : span["end"]]
        alike = any(
            process.extractOne(
                w.casefold(), target, processor=str.casefold, scorer=fuzz.ratio, score_cutoff=_ALIKE
            )
            for w in words
            if len(w) > 2
        )
        lost += not alike
    total = len(numbers) + len(spans)
    return lost / total if total >= _LEAST_NAMES else None


def doubled_names(source: Sequence[str], target: Sequence[str], spans: Sequence[Row]) -> int:
    """Return how often more the target has one of the names than the source, at most."""
    texts = {tuple(source[s["start"] : s["end"]]) for s in spans}
    return max((_count(target, t) - _count(source, t) for t in texts), default=0)


def _count(words: Sequence[str], name: Sequence[str]) -> int:
    size = len(name)
    return sum(tuple(words[i : i + size]) == tuple(name) for i in range(len(words) - size + 1))


def length_ratio(source: Sequence[str], target: Sequence[str]) -> float:
    """Return the length of the target over that of the source, in characters, damped."""
    return (sum(map(len, target)) + _PADDING) / (sum(map(len, source)) + _PADDING)


def usual_ratio(ratios: Sequence[float]) -> float | None:
    """Return the median of :func:`length_ratio`, if there are enough pairs to tell."""
    return median(ratios) if len(ratios) >= _LEAST_RATIOS else None
