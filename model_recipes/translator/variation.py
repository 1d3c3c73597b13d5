"""How a pair is varied each time it is drawn: names, joining, slots, tags, headlines."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from model_recipes.translator.bilingual import Bilingual, Templates
from model_recipes.translator.bitext import Bitext, Phrase, SpacedWords
from model_recipes.translator.names import Gazetteer, NameFinder
from model_recipes.translator.tags import LETTERS, SLOTS, choose, tagged

if TYPE_CHECKING:  # the kit for a GPU has this module without the options
    from model_recipes.translator.config import AugmentationConfig

_END = re.compile(r"^[.!?…]+$")
_LONGEST_NAME = 4


class Variation:
    """Varies pairs.

    Args:
        known: What is known of the words of the corpus.
        gazetteer: Where names come from; without it none is replaced.
        bilingual: Where places come from; likewise.
        templates: Lines of news.
        mix: How often.
    """

    def __init__(
        self,
        known: NameFinder,
        gazetteer: Gazetteer | None,
        bilingual: Bilingual | None,
        templates: Templates | None,
        mix: AugmentationConfig,
    ) -> None:
        self._known = known
        self._gazetteer = gazetteer
        self._bilingual = bilingual
        self._templates = templates
        self._mix = mix

    def vary(self, pair: Bitext, more: Callable[[], Bitext], rng: random.Random) -> tuple[str, str]:
        """Both sides of an example, as text with tags and slots.

        Args:
            pair: What was drawn; it is used up.
            more: Draws a further pair of the same language.
            rng: Decides.
        """
        mix = self._mix
        made = self._made(pair.language, rng)
        if made is not None:
            pair = made
        else:
            self._rename(pair, rng)
            if len(pair.source.words) <= 18 and rng.random() < mix.concatenate:
                self._chain(pair, more, rng)
            if rng.random() < mix.datelines:
                self._date(pair, rng)
        if rng.random() < mix.upper_case:
            for side in (pair.source, pair.target):
                side.words = [word.upper() for word in side.words]
        if rng.random() < mix.spaced_punctuation:
            pair.source = pair.source.spaced()
        if rng.random() < mix.slots and (pair.names or pair.phrases):
            self._slot(pair, rng)
        if rng.random() < mix.tags:
            return self._tag(pair, rng)
        return pair.source.text(), pair.target.text()

    def _made(self, language: str, rng: random.Random) -> Bitext | None:
        """A pair out of names alone, now and then."""
        mix, draw = self._mix, rng.random()
        if self._gazetteer is None or draw >= mix.name_lists + mix.templates:
            return None
        if draw < mix.name_lists or self._bilingual is None or not self._templates:
            return self._list(language, self._gazetteer, rng)
        gazetteer = self._gazetteer
        line = self._templates.draw(
            language,
            lambda kind: gazetteer.of_type(kind, rng, mix.invented_names),
            self._bilingual,
            rng,
        )
        if line is None:
            return None
        pair = Bitext.of(language, *line)
        self._rename(pair, rng, share=0.0)
        return pair

    def _list(self, language: str, gazetteer: Gazetteer, rng: random.Random) -> Bitext:
        """Names and figures, places among them in both languages."""
        entries = []
        for _ in range(rng.randint(1, rng.choice((3, 8)))):
            place = None
            if self._bilingual is not None and rng.random() < 0.5:
                kind = rng.choice(("city", "country", "country"))
                place = self._bilingual.draw(language, kind, rng)
            name = gazetteer.draw(rng, self._mix.invented_names) if place is None else ""
            entries.append((place.english, place.other) if place else (name, name))
        form = rng.random()
        if form < 0.3:
            figures = [str(rng.choice((rng.randint(0, 9), rng.randint(0, 2100)))) for _ in entries]
            lines = [
                " ".join(f"{e[side]} {n}" for e, n in zip(entries, figures, strict=True))
                for side in (0, 1)
            ]
        else:
            glue = " - " if form < 0.5 else ", "
            lines = [glue.join(entry[side] for entry in entries) for side in (0, 1)]
        pair = Bitext.of(language, lines[0], lines[1])
        ends = [0, 0]
        for entry in entries:
            place_of: list[int] = []
            for side, words in ((0, pair.source.words), (1, pair.target.words)):
                size = len(SpacedWords.of(entry[side]).words)
                while words[ends[side] : ends[side] + size] != SpacedWords.of(entry[side]).words:
                    ends[side] += 1
                place_of += [ends[side], ends[side] + size]
                ends[side] += size
            pair.names.append(Phrase(*place_of))
        pair.phrases += pair.names
        return pair

    def shared_names(self, pair: Bitext) -> list[tuple[Phrase, str]]:
        """Names found once on both sides, with the ending of the target's (*Toms*: `s`)."""
        words, other = pair.source.words, pair.target.words
        found: list[tuple[Phrase, str]] = []
        index = 0
        while index < len(words):
            if words[index] not in self._known.names:
                index += 1
                continue
            end = index + 1
            while end < len(words) and end < index + _LONGEST_NAME:
                if words[end] not in self._known.names or pair.source.glued[end]:
                    break
                end += 1
            for stop in range(end, index, -1):
                place = _once(words[index:stop], words, other)
                if place is not None:
                    start, suffix = place
                    found.append((Phrase(index, stop, start, start + stop - index), suffix))
                    index = stop - 1
                    break
            index += 1
        return found

    def _rename(self, pair: Bitext, rng: random.Random, share: float | None = None) -> None:
        """Put other names in the place of those of the pair, and remember where they all are."""
        mix = self._mix
        share = mix.substitute_names if share is None else share
        found = self.shared_names(pair)
        swap = self._gazetteer is not None and rng.random() < share
        if not swap:
            pair.names += [phrase for phrase, _ in found]
            pair.phrases += [phrase for phrase, _ in found]
        elif self._gazetteer is not None:
            self._swap(
                pair,
                [
                    (phrase, suffix, (name := self._gazetteer.draw(rng, mix.invented_names)), name)
                    for phrase, suffix in found
                ],
            )
        if self._bilingual is None or rng.random() >= mix.substitute_places:
            return
        places = [
            (phrase, kind)
            for phrase, kind in self._bilingual.find(pair)
            if not any(p[0] < phrase[1] and phrase[0] < p[1] for p in pair.names)
            or phrase in pair.names
        ]
        swaps = []
        for phrase, kind in places:
            place = self._bilingual.draw(pair.language, kind, rng)
            if place is not None:
                swaps.append((phrase, "", place.english, place.other))
        self._swap(pair, swaps)

    def _swap(self, pair: Bitext, swaps: list[tuple[Phrase, str, str, str]]) -> None:
        moved = swaps
        while moved:
            phrase, suffix, english, other = moved[0]
            source, target = english.split(), other.split()
            if suffix:
                target[-1] += "'" if target[-1][-1] in "sxzßSXZ" else suffix
            pair.replace(phrase, source, target)
            grown = len(source) - (phrase[1] - phrase[0]), len(target) - (phrase[3] - phrase[2])
            moved = [
                (_shifted(p, phrase, grown), more, e, o)
                for p, more, e, o in moved[1:]
                if (p[1] <= phrase[0] or p[0] >= phrase[1])
                and (p[3] <= phrase[2] or p[2] >= phrase[3])
            ]

    def _chain(self, pair: Bitext, more: Callable[[], Bitext], rng: random.Random) -> None:
        """Further pairs behind this one, as sentences or as the clauses of a long one.

        Corpora of short sentences teach nothing about long ones; a model that never saw them
        stutters. The length that is aimed at is drawn evenly, so that all lengths occur.
        """
        goal = rng.randint(12, self._mix.chain_words)
        clauses = rng.random() < 0.4
        while len(pair.source.words) < goal:
            other = more()
            self._rename(other, rng)
            if clauses:
                for side in (pair.source, pair.target):
                    _join(side)
                for side in (other.source, other.target):
                    self._inside(side)
            pair.extend(other)

    def _inside(self, side: SpacedWords) -> None:
        """No capital that only the place at the start of a sentence gave."""
        if side.words and side.words[0].casefold() in self._known.lower:
            side.words[0] = side.words[0][0].lower() + side.words[0][1:]

    def _date(self, pair: Bitext, rng: random.Random) -> None:
        """A dateline before the pair, as news has it."""
        place = self._bilingual and self._bilingual.draw(pair.language, "city", rng)
        if not place:
            return
        english, other = place.english, place.other
        if rng.random() < 0.5:
            english, other = english.upper(), other.upper()
        behind = rng.choice((" -", " --", ":", f", {rng.randint(1, 31)}.{rng.randint(1, 12)}. -"))
        line = Bitext.of(pair.language, english + behind, other + behind)
        size = len(SpacedWords.of(english).words), len(SpacedWords.of(other).words)
        name = Phrase(0, size[0], 0, size[1])
        line.names, line.phrases = [name], [name]
        line.extend(pair)
        pair.source, pair.target = line.source, line.target
        pair.phrases, pair.names = line.phrases, line.names

    def _slot(self, pair: Bitext, rng: random.Random) -> None:
        """Numbered slots in the place of names, or of other phrases where there is no name."""
        pool = pair.names if pair.names and rng.random() < 0.8 else pair.phrases
        flat = choose(pool, rng.choice((1, 1, 2, 3, 6)), rng)
        flat = [p for p in flat if not any(q != p and q[0] <= p[0] and p[1] <= q[1] for q in flat)]
        numbers = list(range(len(flat)))
        if rng.random() < 0.3:
            numbers = rng.sample(range(len(SLOTS)), len(flat))
        swaps = []
        for number, phrase in zip(numbers, flat, strict=True):
            suffix = "s" if self._genitive(pair, phrase) else ""
            swaps.append((phrase, suffix, SLOTS[number], SLOTS[number]))
        self._swap(pair, swaps)

    def _genitive(self, pair: Bitext, phrase: Phrase) -> bool:
        own, its = pair.source.words[phrase[1] - 1], pair.target.words[phrase[3] - 1]
        return its == own + "s"

    def _tag(self, pair: Bitext, rng: random.Random) -> tuple[str, str]:
        """The pair with phrases in tags; names rather than others."""
        most = rng.choice((1, 1, 2, 2, 3, 4, len(LETTERS)))
        names, others = list(dict.fromkeys(pair.names)), list(dict.fromkeys(pair.phrases))
        kind = rng.random()
        pool = names if names and kind < 0.5 else others
        phrases = choose(pool, most, rng)
        letters = list(range(len(phrases)))
        if rng.random() < 0.1:
            letters = rng.sample(range(len(LETTERS)), len(phrases))
        return tagged(pair, phrases, letters)


def _once(wanted: list[str], words: list[str], other: list[str]) -> tuple[int, str] | None:
    """Where a name that stands once in `words` stands, once, in `other`, with its ending."""
    size = len(wanted)
    if sum(words[i : i + size] == wanted for i in range(len(words) - size + 1)) != 1:
        return None
    places = [
        (i, ending)
        for i in range(len(other) - size + 1)
        if other[i : i + size - 1] == wanted[:-1]
        for ending in ("", "s")
        if other[i + size - 1] == wanted[-1] + ending
    ]
    return places[0] if len(places) == 1 else None


def _shifted(phrase: Phrase, gone: Phrase, grown: tuple[int, int]) -> Phrase:
    a = grown[0] if phrase[0] >= gone[1] else 0
    b = grown[1] if phrase[2] >= gone[3] else 0
    return Phrase(phrase[0] + a, phrase[1] + a, phrase[2] + b, phrase[3] + b)


def _join(side: SpacedWords) -> None:
    """A comma in the place of the full stop."""
    while len(side.words) > 1 and _END.match(side.words[-1]):
        side.words.pop()
        side.glued.pop()
    side.words.append(",")
    side.glued.append(True)
