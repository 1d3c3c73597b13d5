"""Whether an encoder knows the languages at hand: do its links agree with those of statistics?

What :mod:`stages.word_alignment.statistical` asserts is right nine times out of ten in any
language, and with little text too (it then asserts little). An encoder that knows both languages
asserts most of these links as well, one that has never met the script next to none. So much is its
opinion worth. As far as it is trusted, statistics take what it links for pseudo-counts of
translations.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.schema import Link
from stages.word_alignment.aligner import Aligner, LinkedWords, WordPair, asserted
from stages.word_alignment.pair_source import PairSource, sample
from stages.word_alignment.statistical.aligner import StatisticalAligner
from stages.word_alignment.statistical.spelling import plain

_FILE: Final = "trust.json"
# Pairs of words that are looked at: some 250 sentence pairs of 20 words.
_CELLS: Final = 100_000
# Between these shares of links that the encoder asserts too, trust goes from none to full. Seen:
# 0.56 (ten pairs) to 0.77 in languages that it knows, 0.24 to 0.49 in three that it does not
# but can spell, 0.10 to 0.16 in other scripts.
_NONE, _FULL = 0.45, 0.6
# With few links to go by, the share leans on this one by so many links.
_LEAN, _STRENGTH = 0.57, 10.0
# Pairs of words that encoders are asked about: some 1,000 sentence pairs of 20 words. They are
# there for words that are seen once or twice; of a larger corpus, statistics learn by themselves.
_HINT_CELLS: Final = 400_000
# Whether an encoder knows the languages is told by statistics that it did not guide.
_PLAIN_CELLS: Final = 100_000


class Agreement(NamedTuple):
    """How many links statistics assert, and how many of them an encoder asserts too."""

    asserted: int
    shared: int

    @property
    def trust(self) -> float:
        """By what the encoder's weight is to be multiplied, in [0, 1]."""
        share = (self.shared + _LEAN * _STRENGTH) / (self.asserted + _STRENGTH)
        return min(max((share - _NONE) / (_FULL - _NONE), 0.0), 1.0)


def compare(
    pairs: Sequence[WordPair],
    statistical: Sequence[Sequence[Link]],
    encoder: Sequence[Sequence[Link]],
) -> Agreement:
    """Count the links that both assert.

    Only words that have letters and are not spelt alike count: names, numbers and signs are found
    in any language.

    Args:
        pairs: The sentence pairs.
        statistical: The links of statistics.
        encoder: Those of the encoder.
    """
    count = shared = 0
    for (source, target), sure, other in zip(pairs, statistical, encoder, strict=True):
        both = {(k.source, k.target) for k in asserted(other)}
        for link in asserted(sure):
            if _tells(source[link.source], target[link.target]):
                count += 1
                shared += (link.source, link.target) in both
    return Agreement(count, shared)


def _tells(source: str, target: str) -> bool:
    return (
        any(map(str.isalpha, source))
        and any(map(str.isalpha, target))
        and plain(source) != plain(target)
    )


def judge(
    own: PairSource, statistical: Aligner, encoders: Mapping[int, Aligner], folder: Path
) -> None:
    """Write how far each encoder is to be trusted.

    Args:
        own: The pairs that are to be aligned; a sample of them is looked at.
        statistical: The aligner that learnt from them.
        encoders: Other aligners, by their place among the members of an ensemble.
        folder: Where to write.
    """
    pairs = sample(own, lambda: iter(()), _CELLS).pairs
    sure = statistical.align(pairs)
    found = {str(k): compare(pairs, sure, one.align(pairs)) for k, one in encoders.items()}
    text = {k: {**a._asdict(), "trust": round(a.trust, 6)} for k, a in found.items()}
    (folder / _FILE).write_text(json.dumps(text, indent=1), encoding="utf-8")


def trusts(folder: Path) -> dict[int, float]:
    """Return what :func:`judge` wrote: by place among the members, how far each is trusted."""
    text = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    return {int(k): float(row["trust"]) for k, row in text.items()}


def unguided(own: PairSource, extra: PairSource) -> StatisticalAligner:
    """Return statistics of a sample of the pairs, those that are to be aligned first."""
    return StatisticalAligner.fit(own, extra, max_cells=_PLAIN_CELLS)


def hints(
    own: PairSource, guides: Mapping[int, Aligner], trusted: Mapping[int, float]
) -> list[LinkedWords]:
    """Return what the guides link in a sample of the pairs.

    Args:
        own: The pairs that are to be aligned.
        guides: The encoders' aligners, by their place among the members.
        trusted: How far each is trusted, by which the probabilities of its links are multiplied.
    """
    pairs = sample(own, lambda: iter(()), _HINT_CELLS).pairs
    return [
        (pair, [Link(k.source, k.target, k.prob * trusted[place]) for k in links])
        for place, guide in guides.items()
        if trusted[place] > 0
        for pair, links in zip(pairs, guide.align(pairs), strict=True)
    ]
