"""The quality gate: scores for every sentence, and a decision made from the scores.

Scores, by name:

=================  ================================================================================
``language``       probability of the target language (py3langid); only of texts that are long
                   enough and of languages that it knows
``length_ratio``   letters of the sentence over letters of its source (from the maker)
``repetition``     share of word pairs that occurred before in the sentence
``near_duplicate`` largest Jaccard similarity of word triples with a sentence kept earlier
``test_overlap``   largest share of an evaluation sentence's word triples
``round_trip``     similarity to what translating back gives (:mod:`stages.synthesize.round_trip`)
``perplexity``     pseudo-perplexity under a masked language model
=================  ================================================================================

All but ``near_duplicate`` are taken of every sentence, kept or not, and stored, so that thresholds
can be moved without making the text anew: what is stored passes through the gate again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from pipeline.schema import as_stored
from stages.language_id import language_scorer
from stages.synthesize.config import GateConfig
from stages.synthesize.makers.base import Made
from stages.synthesize.overlap import EvaluationIndex, shingles, words_key
from stages.tokenise import detokenise

_PERMUTATIONS = 64

REASONS = frozenset(
    {
        "test_overlap",
        "sentence_length",
        "wrong_language",
        "length_ratio",
        "repetition",
        "round_trip",
        "perplexity",
        "duplicate",
        "near_duplicate",
    }
)
"""Why the gate drops a sentence; any other reason is its maker's."""

RoundTripScores = Callable[[Sequence[Made], str], Sequence[float]]
"""From sentences and the name of their maker to similarities in [0, 1]."""


class Measures:
    """Takes the scores that need a sentence alone and the evaluation sets.

    Args:
        lang: Language that the sentences should be in.
        config: Which of them are wanted.
        evaluation: What must not be among the sentences.
    """

    def __init__(self, lang: str, config: GateConfig, evaluation: EvaluationIndex) -> None:
        self._lang = lang
        self._config = config
        self._evaluation = evaluation
        self._language = language_scorer(lang) if config.language is not None else None

    @property
    def judges_language(self) -> bool:
        """Whether language identification knows the language."""
        return self._language is not None

    def __call__(
        self, words: Sequence[str], known: Mapping[str, float] | None = None
    ) -> dict[str, float]:
        """Return the scores of a sentence; those among ``known`` are not taken again."""
        known = known or {}
        scores = {}
        for name, measure in (
            ("repetition", repetition),
            ("test_overlap", self._evaluation.overlap),
        ):
            scores[name] = known[name] if name in known else measure(words)
        if self._language is not None:
            text = detokenise(words, self._lang)
            if len(text) >= self._config.language_min_chars:
                found = known.get("language")
                scores["language"] = self._language.one(text) if found is None else found
        return scores


class Gate:
    """Judges sentences one after another; later ones are compared with those kept before.

    Args:
        lang: Language that the sentences should be in.
        config: Thresholds.
        evaluation: What must not be among the sentences.
        median_ratio: Usual length ratio by maker, see :func:`median_ratios`.
        perplexity: Scores a sentence with a language model, if wanted.
        round_trip: Scores sentences of a maker by translating them back, if wanted.
    """

    def __init__(
        self,
        lang: str,
        config: GateConfig,
        evaluation: EvaluationIndex,
        median_ratio: Mapping[str, float] | None = None,
        perplexity: Callable[[Sequence[str]], float] | None = None,
        round_trip: RoundTripScores | None = None,
    ) -> None:
        from datasketch import MinHash, MinHashLSH

        self._config = config
        self._measures = Measures(lang, config, evaluation)
        self._median_ratio = dict(median_ratio or {})
        self._perplexity = perplexity
        self._round_trip = round_trip
        self._seen: set[str] = set()
        self._kept: list[frozenset[int]] = []
        self._near: Any = None
        if config.near_duplicate is not None:
            # A little below the threshold, so that hardly any pair above it is missed; the exact
            # similarity decides.
            threshold = max(0.1, config.near_duplicate - 0.15)
            # Copies of an empty sketch share its permutations, which are dear to make.
            self._empty = MinHash(num_perm=_PERMUTATIONS, seed=1, hashfunc=_low_bits)
            self._near = MinHashLSH(threshold=threshold, num_perm=_PERMUTATIONS)

    @property
    def judges_language(self) -> bool:
        """Whether language identification knows the language."""
        return self._measures.judges_language

    def judge_all(
        self, sentences: Sequence[Made], maker: str
    ) -> list[tuple[dict[str, float], str | None]]:
        """Return scores and reasons of several sentences, the same as one after another.

        Every measure is taken of every sentence that its maker has not given up, and stored:
        thresholds can be moved up and down. Measures that the sentences bring along are not taken
        again.
        """
        usual = self._median_ratio.get(maker)
        scores = [dict(s.scores) for s in sentences]
        reasons = [s.reason for s in sentences]
        made = [i for i, reason in enumerate(reasons) if reason is None]
        for i in made:
            found = self._measures(sentences[i].words, scores[i])
            scores[i] = {k: v for k, v in scores[i].items() if k != "language"} | found
        if self._round_trip is not None:
            values = self._round_trip([sentences[i] for i in made], maker)
            for i, value in zip(made, values, strict=True):
                scores[i]["round_trip"] = value
        if self._perplexity is not None:
            for i in made:
                scores[i]["perplexity"] = self._perplexity(sentences[i].words)
        for i in made:
            words = sentences[i].words
            reasons[i] = decide(len(words), scores[i], self._config, usual)
            if reasons[i] is None:
                reasons[i] = self._duplicate(words, scores[i])
        return list(zip(scores, reasons, strict=True))

    def _duplicate(self, words: Sequence[str], scores: dict[str, float]) -> str | None:
        key = words_key(words)
        if key in self._seen:
            scores["near_duplicate"] = 1.0
            return "duplicate"
        if self._near is not None:
            found = shingles(words)
            sketch = self._empty.copy()
            sketch.update_batch(found)
            similar = max(
                (_jaccard(found, self._kept[i]) for i in self._near.query(sketch)), default=0.0
            )
            scores["near_duplicate"] = similar
            if similar >= (self._config.near_duplicate or 2.0):
                return "near_duplicate"
            self._near.insert(len(self._kept), sketch, check_duplication=False)
            self._kept.append(found)
        self._seen.add(key)
        return None


def decide(
    words: int, scores: Mapping[str, float], config: GateConfig, median_ratio: float | None = None
) -> str | None:
    """Return the reason to drop a sentence, from its scores alone, or ``None`` to keep it.

    Whether it is a duplicate hangs on what is kept before it: :class:`Gate` asks that.

    Args:
        words: Its number of words.
        scores: Its scores by name; a score that is not there decides nothing.
        config: Thresholds.
        median_ratio: The usual length ratio of its maker.
    """
    stored = {name: as_stored(value) for name, value in scores.items()}

    def below(name: str, least: float | None) -> bool:
        return least is not None and stored.get(name, math.inf) < as_stored(least)

    def above(name: str, most: float | None) -> bool:
        return most is not None and stored.get(name, -math.inf) > as_stored(most)

    if stored.get("test_overlap", 0.0) >= as_stored(config.test_overlap):
        return "test_overlap"
    if not config.min_words <= words <= config.max_words:
        return "sentence_length"
    if below("language", config.language):
        return "wrong_language"
    if config.length_ratio is not None and median_ratio and "length_ratio" in stored:
        relative = stored["length_ratio"] / median_ratio
        if not 1 / config.length_ratio <= relative <= config.length_ratio:
            return "length_ratio"
    if above("repetition", config.repetition):
        return "repetition"
    if below("round_trip", config.round_trip):
        return "round_trip"
    if above("perplexity", config.perplexity):
        return "perplexity"
    return None


def median_ratios(made: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the median length ratio of each maker that has enough of them to tell."""
    return {
        name: median(map(as_stored, values)) for name, values in made.items() if len(values) >= 20
    }


def repetition(words: Sequence[str]) -> float:
    """Return the share of word pairs that occurred before in the sentence."""
    pairs = [f"{a}\t{b}".casefold() for a, b in pairwise(words)]
    return 1 - len(set(pairs)) / len(pairs) if pairs else 0.0


def _low_bits(shingle: int) -> int:
    # MinHash permutes 32 bits; the shingles are hashes already.
    return shingle & 0xFFFFFFFF


def _jaccard(a: frozenset[int], b: frozenset[int]) -> float:
    return len(a & b) / len(a | b) if a or b else 1.0
