"""Marks entities with brackets before translation (EasyProject, Chen et al. 2023)."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.schema import Span
from stages.translate.tokenise import detokenise

OPEN, CLOSE = "[", "]"


def mark(words: Sequence[str], spans: Sequence[Span], lang: str) -> str | None:
    """Return the text of a sentence with every entity in brackets.

    Args:
        words: The words.
        spans: Its entities; not overlapping.
        lang: Language of the words.

    Returns:
        ``None`` where there is nothing to mark, or where the sentence has brackets of its own,
        which could not be told from markers afterwards.
    """
    if not spans or any(OPEN in w or CLOSE in w for w in words):
        return None
    starts = {s.start for s in spans}
    ends = {s.end for s in spans}
    marked: list[str] = []
    for index, word in enumerate(words):
        if index in starts:
            marked.append(OPEN)
        marked.append(word)
        if index + 1 in ends:
            marked.append(CLOSE)
    return detokenise(marked, lang)


def unmark(text: str) -> str:
    """Remove the brackets from a translation of marked text."""
    return " ".join(text.replace(OPEN, "").replace(CLOSE, "").split())
