"""Text that is in another language than the configuration says: a file in the place of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

from pipeline.languages import base, english_name
from stages.language_id import likeliest, name_of

_LENGTH: Final = 200  # characters; sentences by themselves are too short to be sure
_FEW: Final = 5  # stretches of that length
_ENOUGH: Final = 50
_MOST: Final = 0.7
"""Share of the stretches that are in another language; tables and lists of names look like any."""
_NONE: Final = 0.05
"""Share of them that may be in the language that was said."""


class OtherLanguage:
    """Notices that the text of a corpus is in another language of the run.

    Languages that the run has nothing to do with are no suspects: telling relatives apart is hard,
    and the mistake that happens is a file in the place of another.

    Args:
        lang: The language that it is said to be in.
        others: The other languages of the run.
    """

    def __init__(self, lang: str, others: Collection[str]) -> None:
        self._lang = lang
        self._others = {base(other) for other in others} - {base(lang)}
        self._stretches: list[str] = []
        self._words: list[str] = []
        self._length = 0

    def feed(self, words: Sequence[str]) -> None:
        """Look at a sentence, if it is one of the first."""
        if len(self._stretches) >= _ENOUGH or not self._others:
            return
        self._words += words
        self._length += sum(map(len, words)) + len(words)
        if self._length >= _LENGTH:
            self._stretches.append(" ".join(self._words))
            self._words, self._length = [], 0

    def told(self) -> str | None:
        """Return what to tell the user; ``None`` if all seems well, or too little is known."""
        if len(self._stretches) < _FEW or (mine := name_of(self._lang)) is None:
            return None
        suspects = {name_of(other): other for other in self._others}
        found = Counter(likeliest(stretch) for stretch in self._stretches)
        name, times = found.most_common(1)[0]
        many = len(self._stretches)
        if name not in suspects or times < _MOST * many or found[mine] > _NONE * many:
            return None
        return (
            f"is {english_name(suspects[name])} as far as letters tell, not "
            f"{english_name(self._lang)}, as the configuration says; is it the file of another "
            "language?"
        )
