"""Which columns of a CoNLL-like file hold the words, and which tell sentences apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from pipeline.formats.evidence import NOTHING, SENTENCE_NAMES, WORD_NAMES, Columns, number_kind

_PARTS_OF_SPEECH: Final = frozenset(
    {"ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN"}
    | {"PUNCT", "SCONJ", "SYM", "VERB", "X", "CONJ", "SPACE"}  # UD, and before
    | {"CC", "CD", "DT", "EX", "FW", "IN", "JJ", "JJR", "JJS", "LS", "MD", "NN", "NNP", "NNPS"}
    | {"NNS", "PDT", "POS", "PRP", "PRP$", "RB", "RBR", "RBS", "RP", "TO", "UH", "VB", "VBD"}
    | {"VBG", "VBN", "VBP", "VBZ", "WDT", "WP", "WP$", "WRB", "HYPH", "NFP", "ADD", "AFX", "GW"}
    | {"-LRB-", "-RRB-", "LRB", "RRB"}
)
_RICHER: Final = 2
"""How many times as many different words another column must have."""


def choose_word(found: Columns, tag: int | None) -> int:
    """Return the column of the words: what its name says, else what its values say.

    That is the first column that counts nothing, or one after it that has far more different words.
    """
    for i in range(found.width):
        if i != tag and found.name(i) in WORD_NAMES:
            return i
    if found.ontonotes and found.width > 10:
        return 3
    others = [i for i in range(found.width) if i != tag]
    if len(others) < 2:
        return others[0] if others else 0
    others = [i for i in others if not _counts(found, i)] or others[:1]
    others = [i for i in others if not _is_parts_of_speech(found, i)] or others
    if found.width < 3 or len(set(found.values(others[0]))) * 2 > len(found.rows):
        return others[0]
    # Values that come again and again may be words, but hardly if another column has far more.
    words = {i: _distinct_words(found, i) for i in others}
    richest = max(others, key=lambda i: (words[i], -i))
    return richest if words[richest] > _RICHER * words[others[0]] else others[0]


def _is_parts_of_speech(found: Columns, index: int) -> bool:
    """Whether a column holds parts of speech of UD or the Penn treebank, and marks."""
    names = {v for v in found.values(index) if any(map(str.isalnum, v))}
    return bool(names) and names <= _PARTS_OF_SPEECH


def _distinct_words(found: Columns, index: int) -> int:
    """Return how many different values of a column have letters and no digits or equals signs."""
    values = set(found.values(index))
    return sum(any(map(str.isalpha, v)) and not re.search(r"[\d=]", v) for v in values)


def _counts(found: Columns, index: int) -> bool:
    """Whether a column numbers words or sentences, or names documents."""
    return number_kind(found, index) is not None or _is_label(found, index)


def _is_label(found: Columns, index: int) -> bool:
    """Whether a column names the document or sentence: runs of a value that does not come back."""
    values = _filled(found.values(index))
    if len(values) < 4 or found.fit(index) is not None or _is_parts_of_speech(found, index):
        return False
    runs = 1 + sum(a != b for a, b in pairwise(values))
    distinct = len(set(values))
    most = max(len(set(found.values(i))) for i in range(found.width))
    return distinct == runs and runs * 2 <= len(values) and most >= 2 * distinct


def _filled(values: Sequence[str]) -> list[str]:
    """Return the values, an empty one replaced by the one before it."""
    filled: list[str] = []
    for value in values:
        filled.append(filled[-1] if filled and value in NOTHING else value)
    return filled


def sentence_columns(
    found: Columns, word: int, tag: int | None
) -> tuple[int | None, tuple[int, ...], int | None]:
    """Return the column that counts words, those that tell sentences apart, and that of marks."""
    others = [i for i in range(found.width) if i not in (word, tag)]
    flags = next((i for i in others if _has_flags(found, i)), None)
    if found.ontonotes and found.width > 10:
        return None, (), flags
    if found.width < 3:
        return None, (), flags
    left = [i for i in others if i < word]
    counts = (i for i in left if number_kind(found, i) == "words")
    ids = next((i for i in counts if found.name(i) not in SENTENCE_NAMES), None)
    sentence = [i for i in left if number_kind(found, i) == "sentences" or _is_label(found, i)]
    right = [i for i in others if i > word and not found.blank_lines]
    sentence += [i for i in right if _numbers_sentences(found, i) or _is_label(found, i)]
    sentence += [i for i in others if found.name(i) in SENTENCE_NAMES and i not in sentence]
    return ids, tuple(sentence), flags


def _has_flags(found: Columns, index: int) -> bool:
    return any("EndOfSentence" in v for v in found.values(index))


def _numbers_sentences(found: Columns, index: int) -> bool:
    values = found.values(index)
    if number_kind(found, index) != "sentences" or not all(v.isdecimal() for v in values):
        return False
    steps = [int(b) - int(a) for a, b in pairwise(values)]
    return set(steps) == {0, 1} and steps.count(0) >= steps.count(1)
