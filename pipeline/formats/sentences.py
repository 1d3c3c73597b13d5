"""From documents to sentences, with the spans that lie in them.

Borders come from ICU (Unicode Annex 29), less those after abbreviations, initials and ordinal
numbers. No span is cut: a border inside a span is left out, so that the two sentences stay one, and
the span is counted.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from itertools import accumulate, pairwise
from typing import Final, TypeVar

from pipeline.formats.encoding import without_halves
from pipeline.formats.report import CharSpan, RawSentence
from pipeline.schema import Span

_LAST_WORD: Final = re.compile(r"(?:^|[\s(\[{\"'“„«‹/-])([^\s(\[{\"'“„«‹/-]+)\.$")
_ORDINAL: Final = re.compile(r"\d{1,2}")
ORDINALS: Final = frozenset(
    {"de", "da", "no", "nb", "nn", "fi", "cs", "sk", "sl", "hu", "hr", "et", "lv", "is", "sr"}
)
"""Languages that write ordinal numbers with a full stop: "am 1. Mai"."""
S = TypeVar("S", CharSpan, Span)
_ENDS: Final = frozenset(".!?…:;。！？؟।॥។။")


def split_text(text: str, lang: str) -> list[tuple[int, int]]:
    """Return the sentences of ``text`` as character ranges without the white space around them.

    A line break ends a sentence unless the line goes on in the middle of one: the next line begins
    with a small letter and this one has no final punctuation.

    Args:
        text: One or more sentences, with line breaks or without.
        lang: ISO 639 code; decides abbreviations and ordinal numbers.
    """
    ranges: list[tuple[int, int]] = []
    for start, end in _icu_ranges(text, lang):
        piece = text[start:end]
        left = start + len(piece) - len(piece.lstrip())
        right = start + len(piece.rstrip())
        if left >= right:
            continue
        if ranges and _goes_on(text, ranges[-1], left, lang):
            ranges[-1] = ranges[-1][0], right
        else:
            ranges.append((left, right))
    return ranges


def split_words(words: Sequence[str], lang: str) -> list[tuple[int, int]]:
    """Return the sentences of a document of words as word ranges that cover all of them."""
    text = " ".join(words)
    ends = list(accumulate((len(w) + 1 for w in words), initial=0))
    starts = {at: i for i, at in enumerate(ends[:-1])}
    borders = [starts[a] for a, _ in split_text(text, lang) if starts.get(a)]
    edges = [0, *borders, len(words)]
    return [(a, b) for a, b in pairwise(edges) if b > a]


def keep_whole(
    ranges: Sequence[tuple[int, int]], spans: Iterable[CharSpan | Span]
) -> tuple[list[tuple[int, int]], int]:
    """Join the ranges that a span reaches over, so that every span lies in one of them.

    Returns:
        The ranges, and the number of spans that crossed a border.
    """
    if not ranges:
        return [], 0
    starts, ends = [a for a, _ in ranges], [b for _, b in ranges]
    together: set[int] = set()  # ranges that belong to the one before them
    crossed = 0
    for span in spans:
        first = max(bisect_right(starts, span.start) - 1, 0)
        last = max(bisect_left(starts, span.end) - 1, first)
        together.update(range(first + 1, last + 1))
        crossed += last > first
        # A span may reach into the white space around a sentence.
        starts[0], ends[last] = min(starts[0], span.start), max(ends[last], span.end)
    joined: list[tuple[int, int]] = []
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if i in together:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return joined, crossed


def split_document(raw: RawSentence, lang: str) -> tuple[list[RawSentence], int]:
    """Split a document with text and character spans, or with words and word spans.

    Words whose labels are tags are returned as they are: decode the tags first. Sentences of a
    document with the id ``x`` are called ``x-1``, ``x-2`` …; a document of one sentence is returned
    as it is.

    Returns:
        The sentences, and the number of spans that crossed a border and kept two of them together.
    """
    if raw.text is not None:
        ranges, crossed = keep_whole(split_text(raw.text, lang), raw.char_spans or ())
    elif raw.words and raw.tags is None:
        ranges, crossed = keep_whole(split_words(raw.words, lang), raw.spans or ())
    else:
        return [raw], 0
    return parts_of(raw, ranges), crossed


def parts_of(raw: RawSentence, ranges: Sequence[tuple[int, int]]) -> list[RawSentence]:
    """Return the sentences of a document in these ranges, of words or of its text."""
    if len(ranges) < 2:
        return [raw]
    return [_part(raw, number, a, b) for number, (a, b) in enumerate(ranges, 1)]


def _part(raw: RawSentence, number: int, start: int, end: int) -> RawSentence:
    part = RawSentence(
        id=None if raw.id is None else f"{raw.id}-{number}", line=raw.line, file=raw.file
    )
    if raw.text is not None:
        part.text = raw.text[start:end]
        if raw.char_spans is not None:
            part.char_spans = _inside(raw.char_spans, start, end)
    else:
        part.words = (raw.words or [])[start:end]
        part.lines = raw.lines[start:end] if raw.lines is not None else None
        if raw.spans is not None:
            part.spans = _inside(raw.spans, start, end)
    return part


def _inside(spans: Sequence[S], start: int, end: int) -> list[S]:
    return [
        replace(s, start=s.start - start, end=s.end - start)
        for s in spans
        if start <= s.start and s.end <= end
    ]


def _icu_ranges(text: str, lang: str) -> list[tuple[int, int]]:
    from icu4py.breakers import SentenceBreaker

    # Positions of ICU count UTF-16; the pieces themselves do not. Half a surrogate pair is no
    # character: ICU gets the mark for that in its place.
    pieces = [len(str(p)) for p in SentenceBreaker(without_halves(text), lang)]
    ends = list(accumulate(pieces, initial=0))
    return list(pairwise(ends))


def _goes_on(text: str, last: tuple[int, int], start: int, lang: str) -> bool:
    """Whether the sentence that begins at ``start`` is still the one before it."""
    before, between = text[last[0] : last[1]], text[last[1] : start]
    if between.count("\n") > 1:
        return False
    if "\n" in between:
        return text[start].islower() and before[-1] not in _ENDS
    found = _LAST_WORD.search(before)
    if found is None:
        return False
    word = found[1]
    known, before_numbers = abbreviations(lang)
    if word in known:
        return True
    if word in before_numbers and text[start].isdigit():
        return True
    return bool(lang in ORDINALS and _ORDINAL.fullmatch(word) and text[start].isalpha())


@cache
def abbreviations(lang: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the abbreviations of a language: those at any place, those before numbers."""
    from sacremoses.corpus import NonbreakingPrefixes

    prefixes = NonbreakingPrefixes()
    # sacremoses answers English for a language that it does not know, which suits us.
    known = lang if lang in prefixes.available_langs.values() else "en"
    listed = list(prefixes.words(known))
    mark = "#NUMERIC_ONLY#"
    numeric = frozenset(p.removesuffix(mark).strip() for p in listed if mark in p)
    return frozenset(p for p in listed if mark not in p), numeric
