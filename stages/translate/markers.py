"""Marks entities before translation, and takes the markers out of the translation again.

Brackets are EasyProject's (Chen et al. 2023), numbered slots CROP's (Yang et al. 2022), tags
LabelPigeon's (2026); what a marked translation says is read by :mod:`stages.project.markers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pipeline.formats.words import locate_words
from pipeline.schema import Span
from stages.tokenise import detokenise
from stages.translate.slots import has_slot, put_slots, remove_slots, spoiled
from stages.translate.tags import has_tag, put_tags, read_tags, remove_tags

OPEN, CLOSE = "[", "]"
MarkerStyle = Literal["brackets", "insert", "replace", "xml"]


def mark(
    words: Sequence[str], spans: Sequence[Span], lang: str, style: MarkerStyle = "brackets"
) -> str | None:
    """Return the text of a sentence with every entity marked.

    Args:
        words: The words.
        spans: Its entities; not overlapping.
        lang: Language of the words.
        style: ``brackets`` around each entity; ``insert``: a numbered slot before and after it;
            ``replace``: the slot stands in for it; ``xml``: ``<a>`` before the first and ``</a>``
            after it, ``<b>`` and so on, for as many as have letters.

    Returns:
        ``None`` where there is nothing to mark, or where the sentence has brackets (slots, tags) of
        its own, which could not be told from markers afterwards.
    """
    if not spans:
        return None
    if style == "xml":
        text = detokenise(words, lang)
        return None if has_tag(text) else put_tags(text, places(text, words, spans))
    if style != "brackets":
        slotted = put_slots(words, spans, style)
        return None if has_slot(" ".join(words)) else detokenise(slotted, lang)
    if any(OPEN in w or CLOSE in w for w in words):
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


def places(text: str, words: Sequence[str], spans: Sequence[Span]) -> list[tuple[int, int]]:
    """Return where in their detokenised text the spans stand, in characters."""
    ranges = locate_words(text, words)
    assert ranges is not None, "it is made of them"
    return [(ranges[span.start][0], ranges[span.end - 1][1]) for span in spans]


def unmark(text: str, style: MarkerStyle = "brackets") -> str:
    """Remove the brackets, slots or tags from a translation of marked text."""
    if style == "xml":
        return remove_tags(text)
    if style != "brackets":
        return remove_slots(text)
    return " ".join(text.replace(OPEN, "").replace(CLOSE, "").split())


def went_wrong(text: str, entities: int, style: MarkerStyle) -> bool:
    """Return whether a translation of marked text is better made again without markers.

    So it is if markers stand where they make no sense, and if none has come through.

    Args:
        text: The translation.
        entities: How many entities were marked.
        style: How; with ``replace`` there is a translation without slots anyway.
    """
    if style == "xml":
        return not read_tags(text)
    if style == "brackets":
        opening, closing = text.count(OPEN), text.count(CLOSE)
        return opening != closing or not 0 < opening <= entities
    return style == "insert" and (not has_slot(text) or spoiled(text, entities))
