"""How corpora are cut into words in languages without spaces: otherwise than text, or twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from pipeline.languages import base, english_name
from stages.tokenise import UNSPACED_LANGUAGES, detokenise, tokenise

_LEAST: Final = 0.5
"""Share of the words from which on two ways to cut are one. Half of Chinese words are one
character, so that a third of the characters of a text are words; two segmenters agree on more."""
_SPACED: Final = 0.5
"""Words between spaces for each word of text that is split already, at the least."""


def cut_otherwise(sentences: Iterable[Sequence[str]], lang: str) -> str | None:
    """Say that the words of a corpus are others than those of text in its language.

    Args:
        sentences: Words of some of its sentences.
        lang: Its language.

    Returns:
        The advice; ``None`` where most words are the same, or spaces say what a word is.
    """
    if base(lang) not in UNSPACED_LANGUAGES:
        return None
    words = same = 0
    example = None
    for given in sentences:
        found = tokenise(detokenise(given, lang), lang)
        both = _places(given) & _places(found)
        words, same = words + len(given), same + len(both)
        if example is None and len(both) < len(given):
            example = f"{' '.join(given[:8])!r}, which is {' '.join(found[:8])!r} there"
    if not words or same >= _LEAST * words:
        return None
    return (
        f"only {same / words:.0%} of its words are words of {english_name(lang)} text as it is "
        f"split here (translations, plain text): {example}; taggers that learn from such text meet "
        "other words in this, which costs F1. Have both split alike: with prepare.tokenise: false, "
        "plain text keeps the words between its spaces"
    )


class Splitter:
    """Splits text into words, and notices text whose words have spaces between them already.

    Args:
        lang: The language of the text.
    """

    def __init__(self, lang: str) -> None:
        self._lang = lang
        self._unspaced = base(lang) in UNSPACED_LANGUAGES
        self._spaced = self._found = 0
        self._example: str | None = None

    def __call__(self, text: str) -> list[str]:
        """Return the words of a text, see :func:`stages.tokenise.tokenise`."""
        words = tokenise(text, self._lang)
        if self._unspaced:
            spaced = text.split()
            self._spaced += len(spaced)
            self._found += len(words)
            if self._example is None and 1 < len(spaced) < len(words):
                self._example = f"{' '.join(spaced[:8])!r} as {' '.join(words[:8])!r}"
        return words

    def cut_again(self) -> str | None:
        """Say that words with spaces between them were split again; ``None`` if they were not.

        Text as it is written has a space for every fifth word at most (Thai, between phrases).
        """
        if self._example is None or self._spaced < _SPACED * self._found:
            return None
        return (
            f"its {self._spaced:,} words between spaces were split into {self._found:,}, "
            f"{self._example}; to keep them, here and in all other plain text of the run: "
            "prepare.tokenise: false"
        )


def _places(words: Sequence[str]) -> set[tuple[int, int]]:
    """Return where words begin and end, in characters that are no white space."""
    ends = list(accumulate(len("".join(word.split())) for word in words))
    return set(zip([0, *ends], ends, strict=False))
