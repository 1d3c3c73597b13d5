"""Which words of a translation are none, by a list of words beside the model.

A translator that writes subwords also writes words that do not exist (*Spanienschafter*), the less
it has learnt the more of them. Among the likeliest translations of a sentence there is mostly one
with fewer. A list is `words.<language>.txt` in the folder of the model, one word a line;
`train_translator` writes one of all words that the model could learn from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pipeline.errors import ModelError
from pipeline.formats.words import folded
from pipeline.languages import base, canonical

WORD: Final = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
"""Letters, with hyphens and apostrophes between them."""
_ENDINGS: Final = re.compile("'?s$")  # of names, in several languages: Angela's, Angelas


class WordList:
    """The words of one language.

    Args:
        words: As :func:`words_of` returns them.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)

    @classmethod
    def beside(cls, folder: Path, language: str) -> WordList | None:
        """Return the list in a model's folder; ``None`` where it has none for the language.

        Raises:
            ModelError: If it is not UTF-8.
        """
        for code in dict.fromkeys((language, canonical(language), base(language))):
            file = file_of(folder, code)
            if file.is_file():
                try:
                    return cls(words_of(file.read_text(encoding="utf-8")))
                except UnicodeDecodeError as error:
                    raise ModelError(f"{file}: a list of words must be UTF-8: {error}") from error
        return None

    def unknown(self, text: str, source: str) -> int:
        """Return how many words of a translation are none: not in the list, nor of a name.

        Names are what its source does not write in small letters.
        """
        new = [word for word in words_of(text) if not self._knows(word)]
        if not new:
            return 0
        names = words_of(" ".join(w for w in WORD.findall(source) if not w.islower()))
        known = {_ENDINGS.sub("", name) for name in names}.union(names)
        return sum(word not in known and _ENDINGS.sub("", word) not in known for word in new)

    def _knows(self, word: str) -> bool:
        return word in self._words or ("-" in word and self._words.issuperset(word.split("-")))


def words_of(text: str) -> list[str]:
    """Return the words of a text as lists have them: composed, case-folded, plain apostrophes."""
    return WORD.findall(folded(text).replace("’", "'"))


def file_of(folder: Path, language: str) -> Path:
    """Return where the list of a language is in the folder of a model."""
    return folder / f"words.{language}.txt"


def write_word_list(folder: Path, language: str, texts: Iterable[str]) -> int:
    """Write the distinct words of texts as the list of a language; return how many they are."""
    words = sorted({word for text in texts for word in words_of(text)})
    file_of(folder, language).write_text("".join(f"{w}\n" for w in words), encoding="utf-8")
    return len(words)
