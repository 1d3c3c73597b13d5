"""From text and character spans to words and word spans; words that have nothing to see."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Final

from pipeline.formats.report import CharSpan
from pipeline.schema import Span

Tokenizer = Callable[[str], Sequence[tuple[int, int]]]
"""Returns the character ranges ``[start, end)`` of the words of a text, in order."""

# Control and format characters (zero-width ones, direction marks, soft hyphens) and separators.
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
"""Characters of scripts without spaces, as a class of a pattern: Thai, Lao, Burmese, Khmer, Kana,
Chinese."""
# A border between two letters of these cuts no word; neither does one in Bopomofo, Yi and Hangul.
_CUTTABLE: Final = re.compile(f"[{UNSPACED}\u3100-\u31bf\ua000-\ua4cf\uac00-\ud7af]")
_FEW_SUBWORDS: Final = 3
_NOT_SPACE: Final = re.compile(r"[^ \t\r\n\f\v]+")


def invisible(word: str) -> bool:
    """Whether ``word`` has no visible character: empty, white space, or zero-width only."""
    return all(unicodedata.category(c) in _INVISIBLE for c in word)


def composed(word: str) -> str:
    """Return ``word`` with letters and marks composed (Unicode NFC), the form that models know.

    The NFKC map of SentencePiece in ``tokenizers`` takes a letter with several marks for the letter
    with the first of them, so that a decomposed *Việt* would be read as *Viẹt*.
    """
    return word if word.isascii() else unicodedata.normalize("NFC", word)


def folded(text: str) -> str:
    """Return ``text`` as it is compared: whatever its case, its letters composed or not."""
    return composed(text).casefold()


def drop_invisible(words: list[str], spans: list[Span]) -> tuple[list[str], list[Span], int]:
    """Leave out the words that :func:`invisible` tells, and shift the spans accordingly.

    Tokenizers make no subword of such a word, so a tagger could not label it.

    Returns:
        The words, the spans, and the number of spans that had no other words and are gone.
    """
    # Few words begin with an unprintable character; this keeps the common path short.
    gone = [
        i
        for i, w in enumerate(words)
        if (not w or w[0] == " " or not w[0].isprintable()) and invisible(w)
    ]
    if not gone:
        return words, spans, 0
    dropped = set(gone)
    kept_words = [w for i, w in enumerate(words) if i not in dropped]
    moved = [
        replace(s, start=s.start - bisect_left(gone, s.start), end=s.end - bisect_left(gone, s.end))
        for s in spans
    ]
    kept_spans = [s for s in moved if s.end > s.start]
    return kept_words, kept_spans, len(moved) - len(kept_spans)


def whitespace_offsets(text: str) -> list[tuple[int, int]]:
    """Return the character ranges of the white-space separated words of ``text``.

    Only ASCII white space separates; a no-break space is part of its word.
    """
    return [m.span() for m in _NOT_SPACE.finditer(text)]


def offsets_by(tokenise: Callable[[str], Sequence[str]]) -> Tokenizer:
    """Make a :data:`Tokenizer` of a function that returns the words of a text.

    The words must occur in the text as they are, in order; what lies between them is not looked at.
    """

    def offsets(text: str) -> list[tuple[int, int]]:
        found = []
        position = 0
        for word in tokenise(text):
            start = text.index(word, position)
            position = start + len(word)
            found.append((start, position))
        return found

    return offsets


def cuts(text: str, position: int) -> bool:
    """Whether a border at ``position`` falls inside a word or between a letter and its accents."""
    if not 0 < position < len(text):
        return False
    before, after = text[position - 1], text[position]
    if is_mark(after):
        return True
    if not (before.isalnum() and after.isalnum()):
        return False
    return not (_CUTTABLE.match(before) or _CUTTABLE.match(after))


def is_mark(character: str) -> bool:
    """Whether a character is a combining mark."""
    return unicodedata.category(character).startswith("M")


def joined(words: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Return words as one text with a space between, and where each of them lies in it."""
    ends = accumulate(len(word) + 1 for word in words)
    return " ".join(words), [(e - 1 - len(w), e - 1) for w, e in zip(words, ends, strict=True)]


def locate_words(text: str, words: Sequence[str]) -> list[tuple[int, int]] | None:
    """Return where the words lie in a text, or ``None`` if they are not its words in order.

    Between two words there may be nothing but white space.
    """
    found = []
    position = 0
    for word in words:
        start = text.find(word, position)
        if start < 0 or text[position:start].strip():
            return None
        position = start + len(word)
        found.append((start, position))
    return found


class SubwordEvidence:
    """Finds words that are the subwords of a tokenizer: ``##na``, ``An@@``, ``▁Anna``.

    Attributes:
        first: The first of them.
        count: How many there are.
    """

    def __init__(self) -> None:
        self.first: str | None = None
        self.count = 0
        self._words = 0

    def feed(self, words: Sequence[str]) -> None:
        """Look at the words of one sentence."""
        self._words += len(words)
        for word in words:
            # Most words begin and end otherwise; a hash sign alone is one of the text.
            marked = word[:2] == "##" or word[-2:] == "@@" or word[:1] == "\u2581"
            if marked and len(word) > 2:
                self.count += 1
                self.first = self.first or word

    @property
    def many(self) -> bool:
        """Whether they are more than a few that a text may have, as marks of its own."""
        return self.count >= _FEW_SUBWORDS and self.count * 100 >= self._words


class SpanError(ValueError):
    """A span that is not in its text, or cannot be turned into words.

    Attributes:
        line: The line of the span, if it has one of its own.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def words_from_text(
    text: str, spans: Sequence[CharSpan], tokenizer: Tokenizer
) -> tuple[list[str], list[Span], int]:
    """Cut a text with character spans into words with word spans.

    A word that a span's border falls into is split there.

    Args:
        text: The text.
        spans: Entities as character ranges ``[start, end)``, not overlapping.
        tokenizer: Gives the character ranges of the words.

    Returns:
        The words, the word spans, and the number of words that were split.

    Raises:
        SpanError: If a span is empty, leaves the text, overlaps another or covers no word.
    """
    ordered = sorted(spans, key=lambda s: (s.start, s.end))
    for span in ordered:
        if not 0 <= span.start < span.end <= len(text):
            raise SpanError(
                f"span [{span.start}, {span.end}) {span.type} does not fit a text of "
                f"{len(text)} characters"
            )
    for first, second in pairwise(ordered):
        if second.start < first.end:
            raise SpanError(
                f"spans [{first.start}, {first.end}) {first.type} and [{second.start}, "
                f"{second.end}) {second.type} overlap; keep one of them"
            )
    borders = sorted({b for s in ordered for b in (s.start, s.end)})
    offsets: list[tuple[int, int]] = []
    split = 0
    for start, end in tokenizer(text):
        inner = borders[bisect_right(borders, start) : bisect_left(borders, end)]
        split += bool(inner)
        edges = [start, *inner, end]
        offsets.extend(pairwise(edges))
    starts = [o[0] for o in offsets]
    ends = [o[1] for o in offsets]
    word_spans = []
    for span in ordered:
        begin, stop = bisect_left(starts, span.start), bisect_right(ends, span.end)
        if begin >= stop:
            raise SpanError(
                f"span [{span.start}, {span.end}) {span.type} covers no word: "
                f"{text[span.start : span.end]!r}"
            )
        word_spans.append(Span(begin, stop, span.type))
    return [text[a:b] for a, b in offsets], word_spans, split
