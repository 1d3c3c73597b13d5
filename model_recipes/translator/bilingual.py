"""Names that differ by language: places of public lists, and lines of news written with them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from model_recipes.translator.bitext import Bitext, Phrase, SpacedWords
from pipeline.errors import DataError

_FIELD = re.compile(r"\{([A-Z])\}")
_UNCHANGED = 0.4
"""Of the places drawn: those that may be written alike in both languages, as most are."""

_ARTICLES = frozenset({"fr"})
"""Languages in which countries have an article, so that one cannot stand in for another; their
cities can."""


class Place(NamedTuple):
    """A city or country in the pivot language and in another."""

    kind: str
    english: str
    other: str


def read_places(path: Path) -> list[tuple[str, str, str, str]]:
    """Cities and countries of a list, as `Bilingual` takes them.

    Raises:
        DataError: If a line does not have four columns (with file and line).
    """
    from pipeline.formats.files import read_lines

    found = {}
    for number, line in read_lines(path):
        cells = line.split("\t")
        if len(cells) != 4:
            raise DataError(
                f"{path}:{number}: {len(cells)} column(s) instead of four: english, language, "
                "name, kind, with tabs between them"
            )
        english, language, name, kind = cells
        kind = {"territories": "country"}.get(kind, kind)
        if kind in ("city", "country"):
            found[language, kind, english] = name
    return [(*key, name) for key, name in found.items()]


class Bilingual:
    """Places by language: finds them in a pair, and draws others of their kind.

    Args:
        places: `(language, kind, english, other)`; kind is `city` or `country`.
    """

    def __init__(self, places: Iterable[tuple[str, str, str, str]]) -> None:
        self._by_kind: dict[tuple[str, str], list[Place]] = {}
        self._differing: dict[tuple[str, str], list[Place]] = {}
        self._by_first: dict[tuple[str, str], list[tuple[list[str], list[str], str]]] = {}
        for language, kind, english, other in places:
            place = Place(kind, english, other)
            self._by_kind.setdefault((language, kind), []).append(place)
            if english != other:
                self._differing.setdefault((language, kind), []).append(place)
            words = SpacedWords.of(english).words
            entry = (words, SpacedWords.of(other).words, kind)
            self._by_first.setdefault((language, words[0]), []).append(entry)

    def draw(self, language: str, kind: str, rng: random.Random) -> Place | None:
        """A place of the kind, or `None` if the language has none."""
        pools = self._by_kind, self._differing
        pool = pools[rng.random() >= _UNCHANGED].get((language, kind))
        return rng.choice(pool) if pool else None

    def find(self, pair: Bitext) -> list[tuple[Phrase, str]]:
        """The places of a pair that stand on both sides, with their kinds."""
        found = []
        for index, word in enumerate(pair.source.words):
            if not word[0].isupper():
                continue
            for english, other, kind in self._by_first.get((pair.language, word), ()):
                end = index + len(english)
                if pair.source.words[index:end] != english:
                    continue
                if kind != "city" and (kind != "country" or pair.language in _ARTICLES):
                    continue
                place = find_words(pair.target.words, other)
                if place is not None:
                    found.append((Phrase(index, end, place, place + len(other)), kind))
                    break
        return found


def find_words(words: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Where `wanted` stands in `words`, if exactly once."""
    first, size = wanted[0], len(wanted)
    places = [
        i for i, word in enumerate(words) if word == first and list(words[i : i + size]) == wanted
    ]
    return places[0] if len(places) == 1 else None


class Templates:
    """Lines of news with fields, in every language.

    `{P}` is a person, `{O}` an organisation, `{T}` a town, `{C}` a country, `{N}` a number, `{S}` a
    score. The fields of a row stand in the same order in every language.

    Args:
        rows: For each line its text by language.
    """

    def __init__(self, rows: Sequence[Mapping[str, str]], pivot: str) -> None:
        self._rows = rows
        self._pivot = pivot

    @classmethod
    def shipped(cls, pivot: str = "en") -> Templates:
        """The lines of `news.tsv` beside this file."""
        text = Path(__file__).with_name("news.tsv").read_text(encoding="utf-8")
        header, *lines = (line.split("\t") for line in text.splitlines())
        rows = [dict(zip(header, line, strict=True)) for line in lines]
        return cls(rows if pivot in header else [], pivot)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._rows)

    def draw(
        self,
        language: str,
        name: object,
        bilingual: Bilingual,
        rng: random.Random,
    ) -> tuple[str, str] | None:
        """A line in the pivot language and in the other, filled in alike.

        Args:
            language: The other language.
            name: Called with a type of entity, gives a name.
            bilingual: Gives the places.
            rng: Decides.
        """
        row = rng.choice(self._rows)
        if language not in row:
            return None
        values = []
        for kind in _FIELD.findall(row[self._pivot]):
            value = self._value(kind, language, name, bilingual, rng)
            if value is None:
                return None
            values.append(value)
        sides = []
        for column, code in enumerate((self._pivot, language)):
            parts = iter(values)
            sides.append(_FIELD.sub(lambda _: next(parts)[column], row[code]))  # noqa: B023
        return sides[0], sides[1]

    def _value(
        self, kind: str, language: str, name: object, bilingual: Bilingual, rng: random.Random
    ) -> tuple[str, str] | None:
        if kind in "TC":
            place = bilingual.draw(language, "city" if kind == "T" else "country", rng)
            return place and (place.english, place.other)
        if kind == "N":
            text = str(rng.choice((rng.randint(0, 12), rng.randint(0, 99), rng.randint(100, 2100))))
        elif kind == "S":
            text = f"{rng.randint(0, 7)}-{rng.randint(0, 7)}"
        else:
            text = name({"P": "PER", "O": "ORG"}[kind])  # type: ignore[operator]
        return text, text
