"""A pair of sentences as words, with the phrase pairs that translate each other.

Everything that varies a pair (other names, slots, tags, joining) works on its words, so that what
is known of its phrases stays right. Writing a side out gives back its text, letter by letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*|\d+(?:[.,:/-]\d+)*|[^\w\s]|_")

_APART = frozenset(',;:!?"()[]')
_OPENING = frozenset('"([')


class Phrase(NamedTuple):
    """Word ranges of both sides, half-open, that translate each other."""

    source: int
    source_end: int
    target: int
    target_end: int


@dataclass(slots=True)
class SpacedWords:
    """One side of a pair.

    Attributes:
        words: Its words; punctuation, apostrophes too, stand alone.
        glued: For each word, whether it follows the one before it without a space.
    """

    words: list[str]
    glued: list[bool]

    @classmethod
    def of(cls, text: str) -> SpacedWords:
        """Cut a text into words."""
        words: list[str] = []
        glued: list[bool] = []
        at = 0
        for match in _WORD.finditer(text):
            words.append(match[0])
            glued.append(match.start() == at and at > 0)
            at = match.end()
        return cls(words, glued)

    def text(self, marks: Mapping[int, str] | None = None, after: Mapping[int, str] = {}) -> str:
        """Write the side out.

        Args:
            marks: What to put before the words of these indices, before the space that precedes
                them; without the marks and the space that each begins with, the text is as it was.
            after: What to put behind the words of these indices.
        """
        parts: list[str] = []
        for index, (word, close) in enumerate(zip(self.words, self.glued, strict=True)):
            if marks and index in marks:
                parts.append(marks[index])
            parts.append(word if close else " " + word)
            if after and index in after:
                parts.append(after[index])
        return "".join(parts).lstrip(" ")

    def spaced(self) -> SpacedWords:
        """The side with spaces around its punctuation, as labelled corpora have it."""
        last = len(self.words) - 1
        glued = [
            close
            and not (
                word in _APART
                or (index > 0 and self.words[index - 1] in _OPENING)
                or (word in ".…" and index == last)
            )
            for index, (word, close) in enumerate(zip(self.words, self.glued, strict=True))
        ]
        return SpacedWords(self.words, glued)


@dataclass(slots=True)
class Bitext:
    """A pair of sentences; the first side is in the pivot language."""

    language: str
    source: SpacedWords
    target: SpacedWords
    phrases: list[Phrase] = field(default_factory=list)
    names: list[Phrase] = field(default_factory=list)
    """Those phrases that are names; they are among `phrases`."""

    @classmethod
    def of(cls, language: str, source: str, target: str, phrases: Iterable[Phrase] = ()) -> Bitext:
        """Cut both sides into words; phrases beyond them are left out."""
        sides = SpacedWords.of(source), SpacedWords.of(target)
        ends = len(sides[0].words), len(sides[1].words)
        kept = [p for p in phrases if p.source_end <= ends[0] and p.target_end <= ends[1]]
        return cls(language, *sides, kept)

    def replace(self, phrase: Phrase, source: Sequence[str], target: Sequence[str]) -> Phrase:
        """Put other words in the place of a phrase; other phrases that touch it are forgotten.

        Returns:
            Where the new words are; it is a name, and among the phrases.
        """
        a, a_end, b, b_end = phrase
        grown = len(source) - (a_end - a), len(target) - (b_end - b)
        for side, start, end, words in (
            (self.source, a, a_end, source),
            (self.target, b, b_end, target),
        ):
            side.words[start:end] = words
            side.glued[start:end] = [side.glued[start], *[False] * (len(words) - 1)]
        new = Phrase(a, a + len(source), b, b + len(target))
        self.names = [*_moved(self.names, phrase, grown), new]
        self.phrases = [*_moved(self.phrases, phrase, grown), new]
        return new

    def extend(self, other: Bitext) -> None:
        """Put another pair of the same language behind this one."""
        ahead = len(self.source.words), len(self.target.words)
        for mine, its in ((self.source, other.source), (self.target, other.target)):
            mine.words += its.words
            mine.glued += its.glued
        for own, more in ((self.phrases, other.phrases), (self.names, other.names)):
            own += [
                Phrase(p[0] + ahead[0], p[1] + ahead[0], p[2] + ahead[1], p[3] + ahead[1])
                for p in more
            ]


def _moved(phrases: Iterable[Phrase], gone: Phrase, grown: tuple[int, int]) -> list[Phrase]:
    kept = []
    for p in phrases:
        place = []
        for start, end, first, last, more in (
            (p[0], p[1], gone[0], gone[1], grown[0]),
            (p[2], p[3], gone[2], gone[3], grown[1]),
        ):
            if end <= first:
                place += [start, end]
            elif start >= last:
                place += [start + more, end + more]
            elif start <= first and end >= last and (start, end) != (first, last):
                place += [start, end + more]
            else:
                break
        if len(place) == 4:
            kept.append(Phrase(*place))
    return kept
