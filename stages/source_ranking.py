"""Which source language is near a target: what of its text a source's gold data knows already.

Taggers carry over best between languages that share words, and between corpora that share names
(Lin et al. 2019; for MasakhaNER 2, Adelani et al. 2022: 14 F1 between English and the best source).
Both are counted in text, so that nothing has to be known about the languages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from pipeline.errors import DataError
from pipeline.schema import Sentence

Subwords = Callable[[Sequence[str]], Iterable[str]]
"""Cuts the words of a sentence."""


@dataclass(frozen=True, slots=True)
class Nearness:
    """How near a source is to a target.

    Attributes:
        source: The source language.
        sentences: Its sentences that were read.
        entities: Their entities.
        subwords: Share of the target's subwords that its text has, each as often as there: the
            overlap of two distributions, in [0, 1].
        names: Share of the target's words that are names in its gold data, in [0, 1].
        nearness: Mean of both shares, each divided by that of the best source.
    """

    source: str
    sentences: int
    entities: int
    subwords: float
    names: float
    nearness: float = 0.0


class SourceText:
    """What is counted in the gold data of a source language.

    Args:
        source: The language.
        sentences: Its sentences.
        cut: Cuts words into subwords.

    Raises:
        DataError: If there are no words.
    """

    def __init__(self, source: str, sentences: Iterable[Sentence], cut: Subwords) -> None:
        self.source = source
        self.sentences = self.entities = 0
        inside: Counter[str] = Counter()
        words: Counter[str] = Counter()
        subwords: Counter[str] = Counter()
        for sentence in sentences:
            self.sentences += 1
            self.entities += len(sentence.spans)
            words.update(sentence.words)
            subwords.update(cut(sentence.words))
            for span in sentence.spans:
                inside.update(sentence.words[span.start : span.end])
        self.shares = shares(subwords, source)
        # Not "of" and "the", which names hold as well.
        self.names = {w for w, n in inside.items() if _tells(w) and 2 * n > words[w]}


def shares(counts: Counter[str], lang: str) -> dict[str, float]:
    """Return relative frequencies.

    Raises:
        DataError: If nothing was counted.
    """
    total = counts.total()
    if not total:
        raise DataError(f"{lang}: there is no text to compare")
    return {key: count / total for key, count in counts.items()}


def ranked(
    sources: Sequence[SourceText], target: str, sentences: Iterable[Sequence[str]], cut: Subwords
) -> list[Nearness]:
    """Return the sources, the nearest to a target language first.

    Args:
        sources: What was counted in their gold data.
        target: The target language.
        sentences: Words of sentences of the target language; no labels are needed.
        cut: Cuts words into subwords, as for the sources.

    Raises:
        DataError: If the target has no words.
    """
    words: Counter[str] = Counter()
    subwords: Counter[str] = Counter()
    for sentence in sentences:
        words.update(w for w in sentence if _tells(w))
        subwords.update(cut(sentence))
    theirs, known = shares(subwords, target), shares(words, target)
    found = [
        Nearness(
            s.source,
            s.sentences,
            s.entities,
            sum(min(share, s.shares.get(key, 0.0)) for key, share in theirs.items()),
            sum(share for word, share in known.items() if word in s.names),
        )
        for s in sources
    ]
    most = (max(n.subwords for n in found), max(n.names for n in found))
    near = [
        replace(
            n, nearness=fmean(_part(v, m) for v, m in zip((n.subwords, n.names), most, strict=True))
        )
        for n in found
    ]
    return sorted(near, key=lambda n: -n.nearness)


def nearest_to_all(rankings: Mapping[str, Sequence[Nearness]]) -> list[str]:
    """Return the sources by their mean nearness to several targets, the nearest first."""
    means: dict[str, list[float]] = {}
    for ranking in rankings.values():
        for near in ranking:
            means.setdefault(near.source, []).append(near.nearness)
    return sorted(means, key=lambda source: -fmean(means[source]))


def _part(value: float, most: float) -> float:
    return value / most if most else 0.0


def _tells(word: str) -> bool:
    return len(word) > 1 and any(character.isalpha() for character in word)
