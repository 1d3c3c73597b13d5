"""Tagged training pairs from plain parallel text (compare LabelPigeon, arXiv 2603.12021).

Phrase pairs that agree with the word links are put between `<a>` and `</a>`, `<b>` and `</b>` and
so on, on both sides: several, nested, adjacent. A tag is one subword of the vocabulary, written
with a space before it, which belongs to it: without the tags a side has the subwords that it had.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from model_recipes.translator.bitext import Bitext, Phrase

LETTERS = "abcdefghij"
"""What tags are called; sentences with more entities leave some without."""
OPENING = [f" <{letter}>" for letter in LETTERS]
CLOSING = [f" </{letter}>" for letter in LETTERS]
SLOTS = [f"__SLOT{number}__" for number in range(10)]


def tag_symbols() -> list[str]:
    """The subwords that SentencePiece must not cut: tags with the space before them, and slots."""
    subwords = [text.replace(" ", "\u2581") for text in (*OPENING, *CLOSING)]
    return [*subwords, *("\u2581" + slot for slot in SLOTS), *SLOTS]


def consistent_phrases(
    links: Sequence[tuple[int, int]], source: int, target: int, longest: int = 6
) -> list[Phrase]:
    """The phrase pairs of at most `longest` words a side that agree with the links.

    No word inside is linked to one outside (Och & Ney 2004), and the first and last word of either
    side are linked.
    """
    ahead: list[list[int]] = [[] for _ in range(source)]
    back: list[list[int]] = [[] for _ in range(target)]
    for i, j in links:
        ahead[i].append(j)
        back[j].append(i)
    found = []
    for start in range(source):
        low, high = target, -1
        if not ahead[start]:
            continue
        for end in range(start + 1, min(source, start + longest) + 1):
            for j in ahead[end - 1]:
                low, high = min(low, j), max(high, j)
            if not ahead[end - 1]:
                continue
            if high - low >= longest:
                break
            if all(start <= i < end for j in range(low, high + 1) for i in back[j]):
                found.append(Phrase(start, end, low, high + 1))
    return found


def choose(phrases: Sequence[Phrase], most: int, rng: random.Random) -> list[Phrase]:
    """Up to `most` phrases that nest alike on both sides or lie apart on both, in source order."""
    chosen: list[Phrase] = []
    for phrase in rng.sample(list(phrases), len(phrases)):
        if len(chosen) == most:
            break
        if all(_relation(phrase, other) for other in chosen):
            chosen.append(phrase)
    return sorted(chosen, key=lambda p: (p.source, -p.source_end))


def _relation(p: Phrase, q: Phrase) -> bool:
    apart = (p[1] <= q[0] or q[1] <= p[0]) and (p[3] <= q[2] or q[3] <= p[2])
    inside = q[0] <= p[0] and p[1] <= q[1] and q[2] <= p[2] and p[3] <= q[3]
    around = p[0] <= q[0] and q[1] <= p[1] and p[2] <= q[2] and q[3] <= p[3]
    # Of two that are the same on one side it could not be told which is inside.
    same = p[:2] == q[:2] or p[2:] == q[2:]
    return not same and (apart or inside or around)


def tagged(pair: Bitext, phrases: Sequence[Phrase], letters: Sequence[int]) -> tuple[str, str]:
    """Both sides written out with the phrases in tags; `letters[i]` numbers the tag of the i-th."""
    texts = []
    for side, first in ((pair.source, 0), (pair.target, 2)):
        before: dict[int, str] = {}
        after: dict[int, str] = {}
        # Longer ones open first and close last.
        order = sorted(range(len(phrases)), key=lambda k: phrases[k][first] - phrases[k][first + 1])
        for k in order:
            start, end = phrases[k][first], phrases[k][first + 1] - 1
            before[start] = before.get(start, "") + OPENING[letters[k]]
            after[end] = CLOSING[letters[k]] + after.get(end, "")
        texts.append(side.text(before, after))
    return texts[0], texts[1]
