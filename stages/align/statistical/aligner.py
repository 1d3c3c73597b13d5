"""The aligner ``statistical``: learns from the pairs that it is to align, and from any others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipeline.schema import Link
from stages.align.aligner import ASSERTED, Advance, Aligner, WordPair, no_advance
from stages.align.pair_source import PairSource, sample
from stages.align.statistical.corpus import Corpus, build_corpus
from stages.align.statistical.hmm import Direction, Floats, Jumps
from stages.align.statistical.spelling import GRANULARITIES, likeness
from stages.align.statistical.training import Lexicon, Model, Settings, posterior, train

MAX_CELLS: Final = 20_000_000
"""The most pairs of words that are learnt from: 300,000 sentence pairs of 8 words a side."""
_MAX_WORDS: Final = 150
_CHUNK_CELLS: Final = 2_000_000
# Beyond, the HMM takes long and position tells little; the lexicon alone decides.
_HMM_CELLS: Final = 250_000
# Translations less probable than this are forgotten.
_KEPT: Final = 1e-7


@dataclass(frozen=True, slots=True)
class _Grain:
    """What is known on one granularity."""

    form: Callable[[str], str]
    source: dict[str, int]
    target: dict[str, int]
    model: Model

    def corpus(self, pairs: Sequence[WordPair]) -> Corpus:
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

    Args:
        grains: What was learnt.
        settings: How.
        soft: Whether to hand out links below 0.5.
        floor: The least probability of those.
    """

    name = "statistical"

    def __init__(
        self,
        grains: Sequence[_Grain],
        settings: Settings,
        soft: bool = False,
        floor: float = 0.05,
    ) -> None:
        self._grains = list(grains)
        self._settings = settings
        self._floor = floor if soft else ASSERTED

    @classmethod
    def fit(
        cls,
        own: PairSource,
        extra: PairSource,
        *,
        settings: Settings | None = None,
        max_cells: int = MAX_CELLS,
        soft: bool = False,
        floor: float = 0.05,
        advance: Advance = no_advance,
    ) -> StatisticalAligner:
        """Learn from sentence pairs.

        Args:
            own: The pairs that are to be aligned.
            extra: Further pairs in the same languages.
            settings: How to learn.
            max_cells: Bounds memory and time, see :func:`stages.align.pair_source.sample`.
            soft: Whether to hand out links below 0.5.
            floor: The least probability of those.
            advance: Told each of the :meth:`rounds` that is done.
        """
        settings = settings or Settings()
        pairs = sample(own, extra, max_cells, _MAX_WORDS)
        grains = [_learn(pairs, form, settings, advance) for form in GRANULARITIES.values()]
        return cls(grains, settings, soft, floor)

    @staticmethod
    def rounds(settings: Settings | None = None) -> int:
        """Return how many rounds :meth:`fit` takes."""
        settings = settings or Settings()
        return len(GRANULARITIES) * (settings.model1 + settings.hmm)

    def align(self, pairs: Sequence[WordPair], advance: Advance = no_advance) -> list[list[Link]]:
        """Align sentence pairs (see :meth:`Aligner.align`)."""
        links: list[list[Link]] = []
        for chunk in _chunks(pairs):
            links.extend(self._align_chunk(chunk))
            advance(len(chunk))
        return links

    def _align_chunk(self, pairs: Sequence[WordPair]) -> list[list[Link]]:
        use_hmm = not _too_long(pairs[0])
        probs: Floats | None = None
        offsets = cols = np.zeros(0, dtype=np.int64)
        for grain in self._grains:
            corpus = grain.corpus(pairs)
            offsets, cols = corpus.offsets, corpus.cols
            for swapped, lexicon in ((False, grain.model.ahead), (True, grain.model.back)):
                direction = Direction(corpus, swapped)
                found, _ = posterior(direction, lexicon, self._settings, use_hmm)
                probs = found if probs is None else probs + found
        assert probs is not None
        probs /= 2 * len(self._grains)
        cells = np.flatnonzero(probs >= self._floor)
        owner = np.searchsorted(offsets, cells, side="right") - 1
        local = cells - offsets[owner]
        links: list[list[Link]] = [[] for _ in pairs]
        for pair, i, j, prob in zip(
            owner.tolist(),
            (local // cols[owner]).tolist(),
            (local % cols[owner]).tolist(),
            np.minimum(probs[cells], 1).tolist(),
            strict=True,
        ):
            links[pair].append(Link(i, j, prob))
        return links

    def save(self, folder: Path) -> None:
        """Write what was learnt into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, grain in zip(GRANULARITIES, self._grains, strict=True):
            model = grain.model
            kept = np.maximum(model.ahead.table[:-1], model.back.table[:-1]) >= _KEPT
            arrays: dict[str, Any] = {"keys": model.keys[kept]}
            for side, lexicon in (("ahead", model.ahead), ("back", model.back)):
                arrays[f"{side}_table"] = np.append(lexicon.table[:-1][kept], lexicon.table[-1])
                arrays[f"{side}_null"] = lexicon.null
                arrays[f"{side}_widths"] = lexicon.jumps.widths
                arrays[f"{side}_first"] = lexicon.jumps.first
            np.savez(folder / f"{name}.npz", **arrays)
            words = {"source": list(grain.source), "target": list(grain.target)}
            text = json.dumps(words, ensure_ascii=False)
            (folder / f"{name}.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, *, soft: bool = False, floor: float = 0.05) -> StatisticalAligner:
        """Read what :meth:`save` wrote."""
        grains = []
        for name, form in GRANULARITIES.items():
            words = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
            with np.load(folder / f"{name}.npz") as arrays:
                sides = [
                    Lexicon(
                        arrays[f"{side}_table"],
                        arrays[f"{side}_null"],
                        Jumps(arrays[f"{side}_widths"], arrays[f"{side}_first"]),
                    )
                    for side in ("ahead", "back")
                ]
                model = Model(arrays["keys"], *sides)
            source, target = ({w: i for i, w in enumerate(words[s])} for s in ("source", "target"))
            grains.append(_Grain(form, source, target, model))
        return cls(grains, Settings(), soft, floor)


def _learn(
    pairs: Sequence[WordPair],
    form: Callable[[str], str],
    settings: Settings,
    advance: Advance,
) -> _Grain:
    source = {w: i for i, w in enumerate(dict.fromkeys(form(w) for a, _ in pairs for w in a))}
    target = {w: i for i, w in enumerate(dict.fromkeys(form(w) for _, b in pairs for w in b))}
    # One more number on each side, for words that are not known.
    sizes = (len(source) + 1, len(target) + 1)
    corpus = build_corpus(_ids(pairs, form, source, target), sizes[1])
    alike = likeness(corpus.keys, list(source), list(target), sizes[1])
    return _Grain(form, source, target, train(corpus, sizes, alike, settings, advance))


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
