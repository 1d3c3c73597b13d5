"""Words of raw text with their character offsets."""

from __future__ import annotations

from stages.translate.tokenise import tokenise


def split_words(text: str, lang: str) -> list[tuple[int, int]]:
    """Return the half-open character ranges of the words of ``text``, in order.

    The words are those of :func:`stages.translate.tokenise.tokenise`, which the tagger's training
    data were split with where they are translations.

    Raises:
        ValueError: If a word is not found in the text (the splitter changed it).
    """
    ranges: list[tuple[int, int]] = []
    end = 0
    for word in tokenise(text, lang):
        start = text.index(word, end)
        end = start + len(word)
        ranges.append((start, end))
    return ranges
