"""Which language a text is in: py3langid (Lui and Baldwin 2012), asked for one language."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from pipeline.languages import base
from pipeline.listed import batched

# py3langid's names where they are not ours.
_NAMES: Final = {"nb": "no", "ff": "fuv", "gn": "gug", "ki": "kik"}
_AT_ONCE: Final = 1_000  # texts
_BETWEEN: Final = b"\xff"  # between texts: no UTF-8, the automaton begins anew
_LANE: Final = 128  # bytes; texts laid end to end are cut into such stretches, side by side
_REACH: Final = 8  # bytes before a stretch, from which on its state is that of all that is before


def name_of(lang: str) -> str | None:
    """Return what py3langid calls a language; ``None`` if it does not know it."""
    labels = _identifier().labels
    lang = base(lang)
    return next((name for name in (lang, _NAMES.get(lang)) if name in labels), None)


def language_scorer(lang: str) -> LanguageScorer | None:
    """Return what tells how probable ``lang`` is; ``None`` if it is unknown."""
    name = name_of(lang)
    return None if name is None else LanguageScorer(name)


def likeliest(text: str) -> str:
    """Return the likeliest language of a text, as py3langid calls it."""
    return str(_identifier().classify(text)[0])


class LanguageScorer:
    """The probability of one language.

    Args:
        name: The language, as py3langid calls it.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def one(self, text: str) -> float:
        """Return the probability for a text."""
        identifier = _identifier()
        best, probability = identifier.classify(text)
        # The whole ranking costs as much again; mostly the first place is all that is asked.
        return float(probability if best == self._name else dict(identifier.rank(text))[self._name])

    def many(self, texts: Sequence[str]) -> list[float]:
        """Return the probability for each of the texts, the same as :meth:`one` to rounding.

        They are walked through as one, in many places at once, which takes a tenth of the
        time. What a text gets depends on no other.
        """
        automaton = _automaton()
        if automaton is None:
            return [self.one(text) for text in texts]
        return automaton.probabilities(texts, self._name)


class _Automaton:
    """py3langid's tables as arrays, for many texts at once.

    Args:
        identifier: Whose.

    Raises:
        AttributeError: If py3langid keeps them elsewhere now.
        ValueError: If it does not begin anew between texts.
    """

    def __init__(self, identifier: Any) -> None:
        self._encode = identifier._encode
        self._next = np.asarray(identifier.tk_nextmove)
        self._row = np.array(identifier.tk_row, np.int64) << 8
        if self._next[self._row + _BETWEEN[0]].any():
            raise ValueError("the automaton does not begin anew between texts")
        self._feature = np.array(identifier.tk_output, np.int32)
        self._weights, self._prior = identifier.nb_ptc, identifier.nb_pc
        self._classes = list(identifier.nb_classes)

    def probabilities(self, texts: Sequence[str], name: str) -> list[float]:
        """Return the probability of a language for each text."""
        mine = [k for k, label in enumerate(self._classes) if label == name]
        found: list[float] = []
        for group in batched(texts, _AT_ONCE):
            scores = self._scores([self._encode(text) for text in group])
            found += scores[:, mine].sum(axis=1).tolist()
        return found

    def _scores(self, texts: Sequence[bytes]) -> npt.NDArray[np.float32]:
        """Return the probabilities of all classes."""
        from scipy.sparse import csr_matrix

        rows, features = self._visited(texts)
        known = np.zeros(len(self._weights), np.bool_)
        known[features] = True
        used = np.flatnonzero(known)
        column = np.cumsum(known) - 1
        met, times = np.unique(rows * len(used) + column[features], return_counts=True)
        firsts = np.searchsorted(met, np.arange(len(texts) + 1) * len(used))
        counts = csr_matrix(
            (times.astype(np.float32), met % max(1, len(used)), firsts), (len(texts), len(used))
        )
        counts.data = np.log1p(counts.data)
        scores = counts @ self._weights[used].astype(np.float32) + self._prior
        scores[np.diff(counts.indptr) == 0] = 0.0  # nothing is known of such a text
        lengths = np.maximum(1, [len(text) for text in texts])
        scores *= (1.0 / np.sqrt(lengths)).astype(np.float32)[:, None]
        np.exp(scores - scores.max(axis=1, keepdims=True), out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        probabilities: npt.NDArray[np.float32] = scores
        return probabilities

    def _visited(self, texts: Sequence[bytes]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return the features that the automaton meets: the text of each, and its number."""
        letters = np.frombuffer(_BETWEEN.join(texts), np.uint8)
        lanes = len(letters) // _LANE + 1
        padded = np.full(_REACH + lanes * _LANE, _BETWEEN[0], np.uint8)
        padded[_REACH : _REACH + len(letters)] = letters
        columns = sliding_window_view(padded, _REACH + _LANE)[::_LANE].T
        state = np.zeros(lanes, np.int64)
        met = np.empty(columns.shape, np.int32)
        for at, column in enumerate(columns):
            met[at] = state = self._next[self._row[state] + column]
        features = self._feature[met[_REACH:].T.reshape(-1)]
        places = np.flatnonzero(features >= 0)
        ends = np.cumsum([len(text) + 1 for text in texts])
        return np.searchsorted(ends, places, side="right"), features[places]


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


_SAID: Final = ("The minister spoke in Bonn.", "Das ist nicht ÜBEL, oder?", "", "EZ DA", "\u5c71")
_PROBES: Final = (*_SAID, " ".join(_SAID * 9))  # the last is longer than a lane


@cache
def _automaton() -> _Automaton | None:
    """Return the tables, if they are where they were and give what py3langid itself gives."""
    identifier = _identifier()
    try:
        automaton = _Automaton(identifier)
        for label in ("en", "de"):
            found = automaton.probabilities(_PROBES, label)
            wanted = [dict(identifier.rank(text))[label] for text in _PROBES]
            if not np.allclose(found, wanted, rtol=1e-3, atol=1e-6):
                return None
    except (AttributeError, IndexError, TypeError, ValueError):
        return None  # another py3langid
    return automaton
