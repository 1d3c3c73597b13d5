"""Translations that went wrong in a way that can be seen are made again.

Seen is a word, or two, that stand twice at once; a word longer than any should be; five words of
the source in a row; and, as the labelled side knows where the names are, a name or a tag that is
missing. Such a sentence is searched with more beams, and against repetition, for a translation
without faults; one that has words that are none (:mod:`stages.translate.word_list`), with more
beams. Then numbered slots stand in for names (CROP's *replace*, Yang et al. 2022), which a
translator of `train_translator` has learnt to carry; the names are written in their places, with
the ending that the translator gave the slot (*__SLOT0__s Besuch*). What no search has mended is put
in order where it stands: tags that are lost or doubled, words that are said again at once.
"""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.schema import Span
from stages.tokenise import detokenise
from stages.translate.base import BaseTranslator, Hypothesis
from stages.translate.exonyms import Exonyms
from stages.translate.markers import mark
from stages.translate.slots import fill_slots, has_slot, put_slots, slots_of
from stages.translate.tags import LETTERS, has_tag, read_tags, remove_tags, tidy, whole
from stages.translate.word_list import WORD

MOST_SLOTS = 10
"""So many slots a translator of `train_translator` knows."""
_BEST = 8
"""So many translations are searched for one without faults."""
_PENALTY = 1.2
"""Of repetition, in the second search."""
_LONGEST_WORD = 24
_SHORTEST = 0.6
"""A translation with fewer than this times the words of the source, or of the first translation,
has left things out instead of mending them."""
_COPY = 5
"""So many words of the source in a row, marks counted, are a copy."""
PERSONS = frozenset({"PER", "PERSON"})
"""Types whose names have no other form in another language: *Paris Hilton*, *Chad Smith*."""
_PAIR_AGAIN = re.compile(rf"\b({WORD.pattern} {WORD.pattern})(?:,? \1)+\b", re.IGNORECASE)
_WORD_AGAIN = re.compile(rf"\b({WORD.pattern})(?:,? \1)+\b", re.IGNORECASE)
_TOKEN = re.compile(rf"{WORD.pattern}|\d+|[^\w\s]")
_MARKS = string.punctuation + "„“”‘’«»¿¡‹›"
_UNKNOWN = Exonyms()
LabelledWords = tuple[Sequence[str], Sequence[Span]]


def stutters(text: str) -> int:
    """How often a word, or two, stand twice at once, and words of more than 24 letters."""
    words = [word.casefold() for word in WORD.findall(text)]
    pairs = list(itertools.pairwise(words))
    return (
        sum(a == b for a, b in pairs)
        + sum(a == b and a[0] != a[1] for a, b in zip(pairs, pairs[2:], strict=False))
        + sum(len(word) > _LONGEST_WORD for word in words)
    )


def said_once(text: str, source: str) -> str:
    """Return a text in which no two words, and no capitalised word, are said again at once.

    What the source says twice stays. So does a single small word: languages double them (*die die*,
    *vous vous*, *mbali mbali*).
    """
    said = source.casefold()

    def first(match: re.Match[str]) -> str:
        again = match[1][0].isupper() or " " in match[1]
        doubled = f"{match[1]} {match[1]}".casefold() in said
        return match[1] if again and not doubled else match[0]

    for pattern in (_PAIR_AGAIN, _WORD_AGAIN):
        text = pattern.sub(first, text)
    return text


def copies(source: str, text: str, names: frozenset[str] = frozenset()) -> int:
    """How many places of the source stand untranslated in a text: five words in a row.

    Marks count as words. At least two words are written small and in none of the names, so that
    names in a row are no copy.
    """
    runs = [_runs(_TOKEN.findall(side), names) for side in (source, text)]
    return len(runs[0] & runs[1])


def _runs(words: Sequence[str], names: frozenset[str]) -> set[tuple[str, ...]]:
    runs = (tuple(words[i : i + _COPY]) for i in range(len(words) - _COPY + 1))
    return {run for run in runs if sum(word.islower() and word not in names for word in run) >= 2}


def missing_names(
    words: Sequence[str],
    spans: Sequence[Span],
    translation: str,
    types: frozenset[str],
    known: Exonyms = _UNKNOWN,
) -> list[int]:
    """Return the numbers of the entities of these types of which a word is not in a translation.

    Only capitalised words count (of *van der Bellen* the last), without regard to capitals, full
    stops and hyphens; an `s` behind them (genitive) is allowed. A name that is called otherwise in
    the target language (``known``) is there if that stands there, but for persons.
    """
    found = {_bare(w) for w in translation.split()}
    found |= {_bare(w) for w in translation.replace("-", " ").replace("'", " ").split()}
    return [
        number
        for number, span in enumerate(spans)
        if span.type in types
        and not any(
            all(_stands(word, found) for word in form if word[:1].isupper())
            for form in _forms(words[span.start : span.end], span.type, known)
        )
    ]


def _forms(name: Sequence[str], kind: str, known: Exonyms) -> list[Sequence[str]]:
    """Return the words of a name, and of what it may be called in the target language."""
    if kind in PERSONS:
        return [name]
    return [name, *(other.replace("-", " ").split() for other in known.of(" ".join(name)))]


def _stands(word: str, found: set[str]) -> bool:
    return _bare(word) in found or _bare(word) + "s" in found


def _bare(word: str) -> str:
    return word.replace("’", "'").strip(_MARKS).replace(".", "").removesuffix("'s").casefold()


@dataclass(frozen=True, slots=True)
class Mended:
    """What came of making translations again.

    Attributes:
        changed: The rows that have other hypotheses now.
        by_slots: How many of them got there by slots.
        faulty: How many rows still have faults.
        in_place: How many of the changed rows were put in order where they stand, by no search.
        unknown_words: How many words of the first hypotheses are none.
    """

    changed: list[int]
    by_slots: int
    faulty: int
    in_place: int = 0
    unknown_words: int = 0


class _Faults(NamedTuple):
    """What is wrong with a translation; the worse comes first."""

    seen: int = 0
    unknown_words: int = 0


_NONE = _Faults()


class Mender:
    """Translates sentences again whose translations have faults.

    Args:
        translator: Which one; it can search for several translations.
        language: Of the words that it reads.
        types: Whose names must be kept.
        known: What names are called in the target language.
        tagged: Whether entities are in tags, which must be kept too.
    """

    def __init__(
        self,
        translator: BaseTranslator,
        language: str,
        types: Sequence[str],
        *,
        tagged: bool,
        known: Exonyms = _UNKNOWN,
    ) -> None:
        self._translator = translator
        self._language = language
        self._types = frozenset(types)
        self._tagged = tagged
        self._known = known

    def mend(self, sentences: Sequence[LabelledWords], results: list[list[Hypothesis]]) -> Mended:
        """Put better hypotheses in the place of those that have faults.

        Args:
            sentences: Words, as the translator read them, and entities.
            results: Their hypotheses; replaced where there are better ones.
        """
        faults = {
            k: count
            for k, (sentence, hypotheses) in enumerate(zip(sentences, results, strict=True))
            if not has_slot(" ".join(sentence[0]))
            and (count := self._faults(sentence, hypotheses[0])) != _NONE
        }
        changed: dict[int, None] = {}
        by_slots: set[int] = set()

        def offer(k: int, hypotheses: list[Hypothesis], slots: bool) -> None:
            """Take hypotheses of a row, if they are better than what there is."""
            least = _SHORTEST * min(len(sentences[k][0]), len(results[k][0].text.split()))
            hypotheses = [
                h for h in hypotheses if h.reason is None and len(h.text.split()) >= least
            ]
            if not hypotheses:
                return
            counts = [self._faults(sentences[k], h) for h in hypotheses]
            count = min(counts)
            if count >= faults[k]:
                return
            best = hypotheses.pop(counts.index(count))
            results[k] = [best, *hypotheses][: len(results[k])]
            changed[k] = None
            by_slots.discard(k)
            if slots:
                by_slots.add(k)
            faults[k] = count

        for penalty in (None, _PENALTY):
            rows = [k for k, count in faults.items() if count.seen or penalty is None]
            texts = [self._write(*sentences[k]) for k in rows]
            search = self._search(penalty)
            for k, hypotheses in zip(rows, search.translate(texts), strict=True):
                offer(k, hypotheses, False)
        slotted = ((True, None), (False, None), (True, _PENALTY))
        for every, penalty in slotted if self._translator.knows_slots else ():
            rows = [k for k, count in faults.items() if count.seen]
            self._with_slots(sentences, results, rows, every, penalty, offer)
        mended = len(changed)
        for k, sentence in enumerate(sentences):
            written = [h.with_text(self._call_places(sentence, h.text)) for h in results[k]]
            if k in faults and faults[k].seen:
                written = [self._tidied(sentence, h) for h in written]
                faults[k] = self._faults(sentence, written[0])
            if written != results[k]:
                results[k] = written
                changed[k] = None
        return Mended(
            list(changed),
            len(by_slots),
            sum(count.seen > 0 for count in faults.values()),
            len(changed) - mended,
            sum(count.unknown_words for count in faults.values()),
        )

    def _with_slots(
        self,
        sentences: Sequence[LabelledWords],
        results: Sequence[Sequence[Hypothesis]],
        rows: Sequence[int],
        every: bool,
        penalty: float | None,
        offer: Callable[[int, list[Hypothesis], bool], None],
    ) -> None:
        """Translate with slots for all names, or for those alone that are missing."""
        asked: list[tuple[int, list[int], str]] = []
        for k in rows:
            words, spans = sentences[k]
            numbers = self._missing(sentences[k], results[k][0].text)
            if numbers and every:
                numbers = [n for n, span in enumerate(spans) if span.type in self._types]
            if numbers := numbers[:MOST_SLOTS]:
                asked.append((k, numbers, self._write(*_slotted(words, spans, numbers))))
        answers = self._search(penalty).translate([text for _, _, text in asked])
        for (k, numbers, _), hypotheses in zip(asked, answers, strict=True):
            words, spans = sentences[k]
            names = [self._called(words, spans[n]) for n in numbers]
            filled = [
                h.with_text(fill_slots(h.text, names))
                for h in hypotheses
                if (slots := slots_of(h.text))
                and len(set(slots)) == len(slots)
                and max(slots) < len(names)
            ]
            offer(k, filled, True)

    def _search(self, penalty: float | None) -> BaseTranslator:
        found = self._translator.n_best(_BEST, penalty)
        assert found is not None, "it can search"
        return found

    def _write(self, words: Sequence[str], spans: Sequence[Span]) -> str:
        marked = mark(words, spans, self._language, "xml") if self._tagged else None
        return marked or detokenise(words, self._language)

    def _called(self, words: Sequence[str], span: Span) -> str:
        """Return a name as it is to be written into the translation."""
        name = detokenise(words[span.start : span.end], self._language)
        place = None if span.type in PERSONS else self._known.places.get(name.casefold())
        if place is None:
            return name
        return place.upper() if name.isupper() else place

    def _call_places(self, sentence: LabelledWords, text: str) -> str:
        """Return a translation with the places that it left in the source language translated."""
        words, spans = sentence
        for span in spans:
            name = detokenise(words[span.start : span.end], self._language)
            called = self._called(words, span)
            if span.type in self._types and called.casefold() != name.casefold():
                written = called.replace("\\", r"\\")
                text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", written, text)
        return text

    def _tidied(self, sentence: LabelledWords, hypothesis: Hypothesis) -> Hypothesis:
        """What no search has mended: tags put in order, and said once what is said twice."""
        words, spans = sentence
        text = hypothesis.text
        if hypothesis.reason is None and self._has_tags(words, spans):
            names = [
                [detokenise(form, self._language) for form in _forms(name, span.type, self._known)]
                for span in spans
                for name in (words[span.start : span.end],)
            ]
            text = tidy(text, names)
        return hypothesis.with_text(said_once(text, " ".join(words)))

    def _has_tags(self, words: Sequence[str], spans: Sequence[Span]) -> bool:
        """Whether entities were given tags."""
        return self._tagged and bool(spans) and not any(has_tag(word) for word in words)

    def _missing(self, sentence: LabelledWords, text: str) -> list[int]:
        plain = remove_tags(text) if self._tagged else text
        return missing_names(*sentence, plain, self._types, self._known)

    def _faults(self, sentence: LabelledWords, hypothesis: Hypothesis) -> _Faults:
        """How many faults there are; many where there is no translation."""
        words, spans = sentence
        if hypothesis.reason is not None:
            return _Faults(len(words) + len(spans) + 1)
        text = hypothesis.text
        found = len(self._missing(sentence, text))
        # What stutters in the source may do so.
        plain, source = remove_tags(text), " ".join(words)
        found += max(0, stutters(plain) - stutters(source))
        names = {word for span in spans for word in words[span.start : span.end]}
        found += copies(source, plain, frozenset(names))
        if self._has_tags(words, spans):
            wanted = min(len(spans), len(LETTERS))
            lost = wanted - len(read_tags(text))
            found += lost or (not whole(text, wanted))
        return _Faults(found, self._translator.unknown_words(plain, source))


def _slotted(
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
