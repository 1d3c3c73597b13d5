"""Other ways to write the target side of a gold corpus, its labels and links along with it.

They stand in for languages and scripts that there is no gold for.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b

import numpy as np

from benchmarks.project.corpora import GoldBitext
from pipeline.schema import Link, Sentence, Span

Links = list[list[Link]]
Rewrite = Callable[[str, random.Random], list[str]]
"""Returns what stands for a word."""
_LATIN = "abcdefghijklmnopqrstuvwxyz"
_CYRILLIC = "абцдефгхижклмнопкрстуввкиз"
_GEORGIAN = "აბცდეფგჰიჟკლმნოპქრსტუვვხიზ"
_TO_CYRILLIC = str.maketrans(_LATIN + _LATIN.upper(), _CYRILLIC + _CYRILLIC.upper())
_TO_GEORGIAN = str.maketrans(_LATIN, _GEORGIAN)


def in_cyrillic(word: str) -> str:
    """Write a word in Cyrillic letters."""
    return _plain(word).translate(_TO_CYRILLIC) or word


def without_case(word: str) -> str:
    """Write a word in Georgian letters: what it would be in a script that has no case."""
    return (_plain(word.lower()) or word).translate(_TO_GEORGIAN)


def _plain(word: str) -> str:
    plain = unicodedata.normalize("NFKD", word)
    return "".join(c for c in plain if not unicodedata.combining(c))


def unspaced(word: str, rng: random.Random) -> list[str]:
    """Return Chinese characters for a word, punctuation in full width."""
    if not word.isalpha():
        return [word.translate({c: c + 0xFEE0 for c in range(0x21, 0x7F)})]
    size = max(1, round(len(word) / 3))
    digest = blake2b(word.lower().encode(), digest_size=2 * size).digest()
    codes = np.frombuffer(digest, np.uint16)
    return [chr(0x4E00 + int(code) % 3000) for code in codes]


def in_characters(word: str, rng: random.Random) -> list[str]:
    """Write a word as Chinese characters, the word staying one."""
    return ["".join(unspaced(word, rng))]


def inflected(word: str, rng: random.Random) -> list[str]:
    """Return the word with a random ending."""
    return [word + rng.choice(["", "a", "om", "ami"]) if word.isalpha() else word]


def marks(word: str, rng: random.Random) -> list[str]:
    """Return the word and, half of the time, a mark that was cut off it."""
    return [word, "\u0300"] if word.isalpha() and rng.random() < 0.5 else [word]


def lower(word: str, rng: random.Random) -> list[str]:
    """Return the word without capitals."""
    return [word.lower()]


def rewritten(corpus: GoldBitext, links: Links, rewrite: Rewrite) -> tuple[GoldBitext, Links]:
    """Return the corpus with its target words rewritten, gold spans and links along with them."""
    rng = random.Random(7)
    targets: list[Sentence] = []
    moved: Links = []
    for sentence, row in zip(corpus.target, links, strict=True):
        pieces = [rewrite(w, rng) for w in sentence.words]
        at = np.concatenate([[0], np.cumsum([len(p) for p in pieces])]).astype(int).tolist()
        spans = [Span(at[s.start], at[s.end], s.type) for s in sentence.spans]
        targets.append(replace(sentence, words=[w for p in pieces for w in p], spans=spans))
        moved.append(
            [Link(x.source, j, x.prob) for x in row for j in range(at[x.target], at[x.target + 1])]
        )
    return GoldBitext(corpus.name, corpus.source, targets), moved
