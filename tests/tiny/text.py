"""Toy text: sentences of words that there are not, and sentences with people and places."""

from __future__ import annotations

import random

from pipeline.schema import Span

TYPES = ["LOC", "PER"]
LABELS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]

_ONSETS = ["b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z", "ch", "st"]
_VOWELS = ["a", "e", "i", "o", "u", "ei", "au"]
_PEOPLE = ["Anna Meier", "Juan", "Kofi Adu Mensah", "Li Wei", "Olga Petrova", "Tom"]
_PLACES = ["Paris", "New York", "Kisumu", "Rio de Janeiro", "Bonn", "Accra"]
_FRAMES = [
    "{p} lives in {l} .",
    "yesterday {p} flew from {l} to {k} with a friend",
    "in {l} it rains",
    "{p} met {q} !",
    "the weather is unbelievably extraordinary today , they said",
]


def toy_rows(count: int) -> list[tuple[list[str], list[Span]]]:
    """Return ``count`` sentences with their spans; the same ones every time."""
    rows = []
    for i in range(count):
        words: list[str] = []
        spans: list[Span] = []
        fill = {
            "{p}": ("PER", i),
            "{q}": ("PER", i + 3),
            "{l}": ("LOC", i // 2),
            "{k}": ("LOC", i + 1),
        }
        for token in _FRAMES[i % len(_FRAMES)].split():
            if token not in fill:
                words.append(token)
                continue
            kind, index = fill[token]
            pool = _PEOPLE if kind == "PER" else _PLACES
            name = pool[index % len(pool)].split()
            spans.append(Span(len(words), len(words) + len(name), kind))
            words += name
        rows.append((words, spans))
    return rows


def sentences(count: int, seed: int = 0, longest: int = 14) -> list[str]:
    """Return made-up sentences of 1 to ``longest`` words, punctuated and with capitals."""
    draw = random.Random(seed)
    words = [
        "".join(draw.choice(_ONSETS) + draw.choice(_VOWELS) for _ in range(draw.randint(1, 3)))
        for _ in range(300)
    ]
    lines = []
    for _ in range(count):
        chosen = [draw.choice(words) for _ in range(draw.randint(1, longest))]
        chosen[0] = chosen[0].capitalize()
        if len(chosen) > 5:
            chosen[3] += ","
        lines.append(" ".join(chosen) + draw.choice([".", "!", "?", "."]))
    return lines
