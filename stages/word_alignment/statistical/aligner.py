"""The aligner ``statistical``: learns from the pairs that it is to align, and from any others."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.schema import Link
from pipeline.task import Advance, no_advance
from stages.word_alignment.aligner import ASSERTED, Aligner, LinkedWords, WordPair
from stages.word_alignment.pair_source import MAX_WORDS, PairSource, sample
from stages.word_alignment.statistical import collapsed
from stages.word_alignment.statistical.collapsed import CollapsedModel, DirectionCounts, learn, link
from stages.word_alignment.statistical.corpus import Floats, NumberedBitext, build_corpus
from stages.word_alignment.statistical.hints import hinted
from stages.word_alignment.statistical.hmm import Jumps
from stages.word_alignment.statistical.known import KnownLinks, strong
from stages.word_alignment.statistical.spelling import GRANULARITIES, likeness
from stages.word_alignment.statistical.training import HMM_ROUNDS, MODEL1_ROUNDS, train

_log = logging.getLogger(__name__)

MAX_CELLS: Final = 20_000_000
"""The most pairs of words that are learnt from: 300,000 sentence pairs of 8 words a side."""
_CHUNK_CELLS: Final = 2_000_000
# Beyond, the HMM takes long and position tells little; the lexicon alone decides.
_HMM_CELLS: Final = 250_000
# Translations that are expected to have been linked less often, and are not spelt alike, are
# forgotten.
_KEPT: Final = 0.01
# Links are kept from here on, or from the floor on where that is lower.
_SOFTEST: Final = 0.01
_TEXT: Final = "text.json"
ROUNDS: Final = len(GRANULARITIES) * (MODEL1_ROUNDS + HMM_ROUNDS + collapsed.ROUNDS)
"""How many rounds learning takes."""


@dataclass(frozen=True, slots=True)
class _Grain:
    """What is known on one granularity."""

    form: Callable[[str], str]
    source: dict[str, int]
    target: dict[str, int]
    model: CollapsedModel

    def corpus(self, pairs: Sequence[WordPair]) -> NumberedBitext:
        """Lay out pairs; unknown words get a number of their own."""
        return build_corpus(
            _ids(pairs, self.form, self.source, self.target),
            len(self.target) + 1,
            self.model.keys,
        )


def _ids(
    pairs: Sequence[WordPair],
    form: Callable[[str], str],
    source: dict[str, int],
    target: dict[str, int],
) -> list[tuple[list[int], list[int]]]:
    known: tuple[dict[str, int], dict[str, int]] = ({}, {})

    def number(word: str, side: int, vocabulary: dict[str, int]) -> int:
        if word not in known[side]:
            known[side][word] = vocabulary.get(form(word), len(vocabulary))
        return known[side][word]

    return [
        ([number(w, 0, source) for w in a], [number(w, 1, target) for w in b]) for a, b in pairs
    ]


class StatisticalAligner(Aligner):
    """Aligns with hidden Markov models of both directions on three granularities.

    The probability of a link is its mean posterior probability over directions and granularities.
    In a pair that was to be aligned it is what all other pairs make of it.

    Args:
        grains: Gives what was learnt; asked when a pair comes whose links are not known.
        known: The links of the pairs that were to be aligned.
        words: Number of source words that were learnt from.
        floor: The least probability of a link that is handed out.
    """

    name = "statistical"

    def __init__(
        self,
        grains: Callable[[], Sequence[_Grain]],
        known: KnownLinks,
        words: int,
        floor: float = ASSERTED,
    ) -> None:
        self._grains = cache(grains)
        self._known = known
        self._words = words
        self._floor = floor

    @classmethod
    def fit(
        cls,
        own: PairSource,
        extra: PairSource,
        *,
        hints: Sequence[LinkedWords] = (),
        max_cells: int = MAX_CELLS,
        floor: float = ASSERTED,
        advance: Advance = no_advance,
    ) -> StatisticalAligner:
        """Learn from sentence pairs.

        Args:
            own: The pairs that are to be aligned.
            extra: Further pairs in the same languages.
            hints: What another aligner links in some pairs: pseudo-counts of translations.
            max_cells: Bounds memory and time, see :func:`stages.word_alignment.pair_source.sample`.
            floor: The least probability of a link that is handed out.
            advance: Told each of the :data:`ROUNDS` that is done.
        """
        taken = sample(own, extra, max_cells)
        if not taken.pairs and any(a and b for a, b in own()):
            _log.warning(
                "statistical: nothing to learn from: every sentence pair has a side of more than "
                "%d words, and none will be linked; split the text into sentences, or add "
                "parallel text",
                MAX_WORDS,
            )
        own_pairs = taken.pairs[: taken.own]
        probs = np.zeros(sum(len(a) * len(b) for a, b in own_pairs), dtype=np.float32)
        grains = []
        for form in GRANULARITIES.values():
            grain, links = _learn(taken.pairs, form, hints, advance)
            grains.append(grain)
            probs += links[: len(probs)]
        probs /= len(grains)
        return cls(
            lambda: grains,
            KnownLinks.of(own_pairs, *strong(own_pairs, probs, min(floor, _SOFTEST))),
            sum(len(a) for a, _ in taken.pairs),
            floor,
        )

    def _align(self, pairs: Sequence[WordPair], advance: Advance) -> list[list[Link]]:
        """Align sentence pairs (see :meth:`Aligner.align`)."""
        links = self._known.look_up(pairs, self._floor)
        new = [k for k, found in enumerate(links) if found is None]
        advance(len(pairs) - len(new))
        at = iter(new)
        for chunk in _chunks([pairs[k] for k in new]):
            for found in self._align_chunk(chunk):
                links[next(at)] = found
            advance(len(chunk))
        return [found or [] for found in links]

    def _align_chunk(self, pairs: Sequence[WordPair]) -> list[list[Link]]:
        use_hmm = not _too_long(pairs[0])
        probs = np.zeros(sum(len(a) * len(b) for a, b in pairs), dtype=np.float32)
        for grain in self._grains():
            probs += link(grain.model, grain.corpus(pairs), use_hmm)
        probs /= len(GRANULARITIES)
        links: list[list[Link]] = [[] for _ in pairs]
        owner, words, kept = strong(pairs, probs, self._floor)
        for pair, (i, j), prob in zip(owner.tolist(), words.tolist(), kept.tolist(), strict=True):
            links[pair].append(Link(i, j, prob))
        return links

    def save(self, folder: Path) -> None:
        """Write what was learnt into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self._known.save(folder)
        (folder / _TEXT).write_text(json.dumps({"source_words": self._words}), encoding="utf-8")
        for name, grain in zip(GRANULARITIES, self._grains(), strict=True):
            model = grain.model
            kept = _kept(model)
            arrays: dict[str, Any] = {
                "keys": model.keys[kept],
                "counts": np.append(model.counts[:-1][kept], model.counts[-1]),
                "pseudo": np.append(model.pseudo[:-1][kept], model.pseudo[-1]),
            }
            for prefix, side in zip(("ahead", "back"), model.sides, strict=True):
                arrays[f"{prefix}_total"] = side.total
                arrays[f"{prefix}_null"] = side.null
                arrays[f"{prefix}_widths"] = side.jumps.widths
                arrays[f"{prefix}_first"] = side.jumps.first
                arrays[f"{prefix}_fertility"] = side.fertility
            np.savez(folder / f"{name}.npz", **arrays)
            words = {"source": list(grain.source), "target": list(grain.target)}
            text = json.dumps(words, ensure_ascii=False)
            (folder / f"{name}.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, *, floor: float = ASSERTED) -> StatisticalAligner:
        """Read what :meth:`save` wrote."""
        known, words = KnownLinks.load(folder), learnt_words(folder)
        return cls(lambda: _read(folder), known, words, floor)


def learnt_words(folder: Path) -> int:
    """Return how many source words an aligner that was saved has learnt from."""
    text = json.loads((folder / _TEXT).read_text(encoding="utf-8"))
    return int(text["source_words"])


def _read(folder: Path) -> list[_Grain]:
    grains = []
    for name, form in GRANULARITIES.items():
        words = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        with np.load(folder / f"{name}.npz") as arrays:
            sides = [
                DirectionCounts(
                    arrays[f"{prefix}_total"],
                    arrays[f"{prefix}_null"],
                    Jumps(arrays[f"{prefix}_widths"], arrays[f"{prefix}_first"]),
                    arrays[f"{prefix}_fertility"],
                )
                for prefix in ("ahead", "back")
            ]
            keys, counts, pseudo = (arrays[name] for name in ("keys", "counts", "pseudo"))
            model = CollapsedModel(keys, counts, pseudo, (sides[0], sides[1]))
        source, target = ({w: i for i, w in enumerate(words[s])} for s in ("source", "target"))
        grains.append(_Grain(form, source, target, model))
    return grains


def _kept(model: CollapsedModel) -> npt.NDArray[np.bool_]:
    """Tell which pairs of words are worth being remembered."""
    alike = model.pseudo[:-1] > 2 * collapsed.PRIOR
    return np.asarray((model.counts[:-1] >= _KEPT) | alike)


def _learn(
    pairs: Sequence[WordPair],
    form: Callable[[str], str],
    hints: Sequence[LinkedWords],
    advance: Advance,
) -> tuple[_Grain, Floats]:
    source = {w: i for i, w in enumerate(dict.fromkeys(form(w) for a, _ in pairs for w in a))}
    target = {w: i for i, w in enumerate(dict.fromkeys(form(w) for _, b in pairs for w in b))}
    # One more number on each side, for words that are not known.
    sizes = (len(source) + 1, len(target) + 1)
    corpus = build_corpus(_ids(pairs, form, source, target), sizes[1])
    alike = likeness(corpus.keys, list(source), list(target), sizes[1])
    alike = np.maximum(alike, hinted(hints, form, source, target, corpus.keys))
    start = train(corpus, sizes, alike, advance)
    model, links = learn(corpus, sizes, alike, start, advance)
    return _Grain(form, source, target, model), links


def _too_long(pair: WordPair) -> bool:
    return len(pair[0]) * len(pair[1]) > _HMM_CELLS


def _chunks(pairs: Sequence[WordPair]) -> Iterator[Sequence[WordPair]]:
    """Cut into runs of bounded size; a pair that is too long for the HMM comes alone."""
    start = size = 0
    for index, (a, b) in enumerate(pairs):
        cells = len(a) * len(b)
        alone = _too_long((a, b)) or (index > start and _too_long(pairs[index - 1]))
        if index > start and (alone or size + cells > _CHUNK_CELLS):
            yield pairs[start:index]
            start, size = index, 0
        size += cells
    if start < len(pairs):
        yield pairs[start:]
