"""CROP's numbered slots (Yang et al. 2022): entities marked, or stood in for, through translation.

- *insert*: ``__SLOT0__ Angela Merkel __SLOT0__ besuchte …``: a slot before and after each entity.
- *replace*: ``__SLOT0__ besuchte …``: the slot stands in for the entity; in a translation without
  slots, the entity is what stands where the slot stands in the other.

The number says which entity it is. What comes back from a translator is read leniently: underscores
may be lost or spaced out, case may change.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final, Literal

from pipeline.formats.words import UNSPACED
from pipeline.schema import Span

SlotStyle = Literal["insert", "replace"]
_SLOT: Final = re.compile(r"_*\s*slot\s*_?\s*(\d{1,6})(?!\d)\s*_*", re.IGNORECASE)
_TOKEN: Final = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+(?:[-'’][^\W{UNSPACED}]+)*|[^\w\s]")
_LEAST_CONTEXT: Final = 0.5
"""Share of the words around the slots that both translations must have in common."""
_LONGEST: Final = 3
"""A gap of more than this times the words of the entity, and two, is no rendering of it."""


def put_slots(words: Sequence[str], spans: Sequence[Span], style: SlotStyle) -> list[str]:
    """Return the words with slots around (``insert``) or instead of (``replace``) the spans.

    Slots are numbered by the index of their span; spans must not overlap.
    """
    out: list[str] = []
    at = 0
    for number, span in sorted(enumerate(spans), key=lambda item: item[1].start):
        out += words[at : span.start]
        slot = f"__SLOT{number}__"
        out += [slot, *words[span.start : span.end], slot] if style == "insert" else [slot]
        at = span.end
    return [*out, *words[at:]]


def has_slot(text: str) -> bool:
    """Return whether a text holds what could be taken for a slot."""
    return _SLOT.search(text) is not None


def remove_slots(text: str) -> str:
    """Return a text without its slots and with single spaces."""
    return " ".join(_SLOT.sub(" ", text).split())


def slots_of(text: str) -> list[int]:
    """Return the numbers of the slots of a text, in their order."""
    return [int(match[1]) for match in _SLOT.finditer(text)]


def fill_slots(text: str, names: Sequence[str]) -> str:
    """Return a text with the names in the places of their slots.

    White space around a slot stays: a pattern that reads leniently would take it for a part.
    """

    def name(match: re.Match[str]) -> str:
        found = match[0]
        ahead, behind = found[: -len(found.lstrip())], found[len(found.rstrip()) :]
        return f"{ahead}{names[int(match[1])]}{behind}"

    return _SLOT.sub(name, text)


def spoiled(marked: str, entities: int) -> bool:
    """Return whether a translation with inserted slots went wrong where they are.

    A number that is missing altogether does no harm; one that stands there once or many times, that
    no entity has, or with nothing between its slots, shows that the translator lost its way.
    """
    places: dict[int, list[re.Match[str]]] = {}
    for match in _SLOT.finditer(marked):
        places.setdefault(int(match[1]), []).append(match)
    return any(
        number >= entities
        or len(found) != 2
        or not _SLOT.sub("", marked[found[0].end() : found[1].start()]).strip(" _")
        for number, found in places.items()
    )


def read_inserted(marked: str) -> dict[int, tuple[int, int]]:
    """Return what stands between the two slots of each number.

    Places are counted in characters of the text that are neither white space nor slots. A number
    that does not stand there exactly twice, or with another number between, is left out.
    """
    seen: dict[int, list[int]] = {}
    order: list[int] = []
    place = at = 0
    for match in _SLOT.finditer(marked):
        place += sum(not c.isspace() for c in marked[at : match.start()])
        at = match.end()
        seen.setdefault(int(match[1]), []).append(place)
        order.append(int(match[1]))
    together = {a for a, b in itertools.pairwise(order) if a == b}
    return {
        number: (places[0], places[1])
        for number, places in seen.items()
        if len(places) == 2 and places[0] < places[1] and number in together
    }


def read_replaced(
    marked: str, words: Sequence[str], sizes: Sequence[int]
) -> dict[int, tuple[int, int]]:
    """Return which words of the plain translation stand where the slots stand in the marked one.

    Args:
        marked: The translation of the sentence with slots, words separated by white space.
        words: The translation of the sentence itself.
        sizes: Words of each entity, by number.

    Returns:
        Half-open word ranges by number. A slot is left out if it does not occur exactly once, if
        the two translations differ too much, or next to it, or if the gap is empty or too long.
    """
    tokens: list[str] = []
    slots: dict[int, list[int]] = {}
    at = 0
    for match in _SLOT.finditer(marked):
        tokens += _tokens(marked[at : match.start()])
        slots.setdefault(int(match[1]), []).append(len(tokens))
        tokens.append(f"\0{match[1]}")
        at = match.end()
    tokens += _tokens(marked[at:])
    plain: list[str] = []
    word_of: list[int] = []
    for index, word in enumerate(words):
        cut = _tokens(word)
        plain += cut
        word_of += [index] * len(cut)
    blocks = SequenceMatcher(None, tokens, plain, autojunk=False).get_matching_blocks()
    place = {b.a + k: b.b + k for b in blocks for k in range(b.size)}
    context = len(tokens) - sum(len(p) for p in slots.values())
    if len(place) < _LEAST_CONTEXT * context:
        return {}
    found = {}
    for number, where in slots.items():
        if len(where) != 1 or number >= len(sizes):
            continue
        before, after = where[0] - 1, where[0] + 1
        start = 0 if before < 0 else place.get(before, -2) + 1
        end = len(plain) if after == len(tokens) else place.get(after, -1)
        if 0 <= start < end:
            first, last = word_of[start], word_of[end - 1] + 1
            if last - first <= _LONGEST * sizes[number] + 2:
                found[number] = (first, last)
    return found


def _tokens(text: str) -> list[str]:
    # Punctuation apart, and scripts without spaces by the letter, whatever the tokeniser does.
    return [w.casefold() for w in _TOKEN.findall(text)]
