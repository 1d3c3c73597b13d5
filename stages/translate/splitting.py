"""Splits texts that are too long for a model where a reader would pause."""

from __future__ import annotations

import re
from collections.abc import Callable

# From the best place to the worst: after a sentence, after a clause, between words, anywhere.
_PLACES = (
    re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？؟।])"),
    re.compile(r"(?<=[;:,])\s+|\s+(?=[-–—(])|(?<=[，、；：،])"),
    re.compile(r"\s+"),
)


def split_text(text: str, limit: int, length: Callable[[str], int]) -> list[str]:
    """Split ``text`` into sections of at most ``limit`` tokens.

    Of all places of the best kind in the middle three fifths of the text, the one nearest to the
    middle is taken, so that the halves are of similar length; halves that are still too long are
    split again.

    Args:
        text: The text.
        limit: Largest length of a section, at least 1.
        length: Returns the number of tokens of a text.

    Returns:
        The sections in order, white space at the cuts left out.

    Raises:
        ValueError: If a single character is longer than the limit.
    """
    text = text.strip()
    if length(text) <= limit:
        return [text] if text else []
    if len(text) < 2:
        raise ValueError(f"{text!r} alone has more than {limit} tokens")
    left, right = _cut(text)
    return [*split_text(left, limit, length), *split_text(right, limit, length)]


def _cut(text: str) -> tuple[str, str]:
    middle = len(text) / 2
    brackets = [m.span() for m in re.finditer(r"\[[^\[\]]*\]", text)]
    for place in _PLACES:
        last = place is _PLACES[-1]
        low, high = (0.0, 1.0) if last else (0.2, 0.8)
        cuts = [
            m
            for m in place.finditer(text)
            if low * len(text) < m.start() and m.end() < high * len(text)
        ]
        # Entities in markers stay whole where there is another way.
        whole = [m for m in cuts if not any(a < m.start() < b for a, b in brackets)]
        if whole or (cuts and last):
            best = min(whole or cuts, key=lambda m: abs((m.start() + m.end()) / 2 - middle))
            return text[: best.end()].rstrip(), text[best.end() :].lstrip()
    half = len(text) // 2
    return text[:half], text[half:]
