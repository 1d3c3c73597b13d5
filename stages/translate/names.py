"""Names that must stand in a translation: where one is missing, slots carry it through.

The labelled side knows where the names are. A sentence whose translation lacks one is translated
again with numbered slots in their places (CROP's *replace*, Yang et al. 2022), which a translator
of `train_translator` has learnt to carry; then the names are written in their places, with the
ending that the translator gave the slot (*__SLOT0__s Besuch*).
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pipeline.schema import Span
from stages.tokenise import detokenise
from stages.translate.slots import fill_slots, has_slot, put_slots, slots_of

if TYPE_CHECKING:
    from stages.translate.translator import Hypothesis

MOST_SLOTS = 10
"""So many slots a translator of `train_translator` knows."""
_MARKS = string.punctuation + "„“”‘’«»¿¡‹›"
Translate = Callable[[Sequence[str]], list[list["Hypothesis"]]]
Write = Callable[[Sequence[str], Sequence[Span]], str | None]


def missing_names(
    words: Sequence[str], spans: Sequence[Span], translation: str, types: frozenset[str]
) -> list[int]:
    """Return the numbers of the entities of these types of which a word is not in a translation.

    Only capitalised words count (of *van der Bellen* the last), without regard to capitals, full
    stops and hyphens; an `s` behind them (genitive) is allowed.
    """
    found = {_bare(w) for w in translation.split()}
    found |= {_bare(w) for w in translation.replace("-", " ").replace("'", " ").split()}
    return [
        number
        for number, span in enumerate(spans)
        if span.type in types
        and any(
            _bare(word) not in found and _bare(word) + "s" not in found
            for word in words[span.start : span.end]
            if word[:1].isupper()
        )
    ]


def _bare(word: str) -> str:
    return word.replace("’", "'").strip(_MARKS).replace(".", "").removesuffix("'s").casefold()


class NameKeeper:
    """Translates sentences again in which names got lost.

    Args:
        translate: Gives the hypotheses of texts.
        write: Writes words with their entities as the text that is translated: plain, or marked;
            ``None`` where it cannot.
        language: Of the words.
        types: Whose names must be kept.
    """

    def __init__(
        self, translate: Translate, write: Write, language: str, types: Sequence[str]
    ) -> None:
        self._translate = translate
        self._write = write
        self._language = language
        self._types = frozenset(types)

    def keep(
        self,
        sentences: Sequence[tuple[Sequence[str], Sequence[Span]]],
        results: list[list[Hypothesis]],
    ) -> tuple[list[int], int]:
        """Put better hypotheses in the place of those without a name, where slots lead to some.

        First all names of a sentence get slots, then only those that were missing.

        Args:
            sentences: Words, as the translator read them, and entities.
            results: Their hypotheses.

        Returns:
            The rows that were changed, and the number of those that still lack a name.
        """
        changed: list[int] = []
        lost = {}
        for k, ((words, spans), hypotheses) in enumerate(zip(sentences, results, strict=True)):
            if hypotheses[0].reason is None and not has_slot(" ".join(words)):
                names = missing_names(words, spans, hypotheses[0].text, self._types)
                if names:
                    lost[k] = names
        for every in (True, False):
            asked: list[tuple[int, list[int], str]] = []
            for k, names in lost.items():
                words, spans = sentences[k]
                if every:
                    names = [n for n, span in enumerate(spans) if span.type in self._types]
                names = names[:MOST_SLOTS]
                text = self._write(*_with_slots(words, spans, names))
                if text is not None:
                    asked.append((k, names, text))
            answers = self._translate([text for _, _, text in asked])
            for (k, names, _), hypotheses in zip(asked, answers, strict=True):
                kept = [
                    h
                    for h in hypotheses
                    if h.reason is None and sorted(slots_of(h.text)) == list(range(len(names)))
                ]
                if kept:
                    words, spans = sentences[k]
                    fill = [
                        detokenise(words[spans[n].start : spans[n].end], self._language)
                        for n in names
                    ]
                    results[k] = [h.with_text(fill_slots(h.text, fill)) for h in kept]
                    changed.append(k)
                    del lost[k]
            if not lost:
                break
        return changed, len(lost)


def _with_slots(
    words: Sequence[str], spans: Sequence[Span], names: Sequence[int]
) -> tuple[list[str], list[Span]]:
    """The words with a slot in the place of each named span, and where the spans are then."""
    slotted = put_slots(words, [spans[n] for n in names], "replace")
    moved = []
    for span in spans:
        shift = sum(spans[n].end - spans[n].start - 1 for n in names if spans[n].start < span.start)
        size = 1 if any(spans[n] == span for n in names) else span.end - span.start
        moved.append(Span(span.start - shift, span.start - shift + size, span.type, span.score))
    return slotted, moved
