"""Entity substitution: the names in a pair are replaced, on both sides, by other names.

Pairs from textbooks and chats know few names (Tatoeba's is Tom), news is full of names never
seen before. A translator that saw the same sentences with thousands of names, half of them
invented, learns to copy what it does not know. Compare the entity replacement of
Raiman & Miller (2017) and of CROP (Yang et al. 2022).
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable

_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_NAME_LIKE = re.compile(r"^[^\W\d_][\w.'’&-]*$")


def words_of(text: str) -> list[str]:
    """Runs of letters, with inner hyphens and apostrophes."""
    return _WORD.findall(text)


class NameFinder:
    """Knows which capitalised words of a parallel corpus are names that translations keep.

    A word counts as a name if it is hardly ever written in lower case (so that German *Was* is
    none), and as kept if a fair share of the translations of its sentences contain it.
    """

    def __init__(self, pairs: Iterable[tuple[str, str, str]]) -> None:
        """Counts the words of the pairs (language, pivot sentence, translation), once."""
        capital: Counter[str] = Counter()
        lower: Counter[str] = Counter()
        kept: Counter[str] = Counter()
        seen: Counter[str] = Counter()
        for _, source, target in pairs:
            sides = [set(words_of(source)), set(words_of(target))]
            for words in sides:
                for word in words:
                    (capital if word[0].isupper() else lower)[word.casefold()] += 1
            for word in sides[0]:
                if word[0].isupper():
                    seen[word] += 1
                    kept[word] += word in sides[1]
        # Most first words of short sentences are seen at their start more often than inside.
        self.lower = {word for word, count in lower.items() if count > 0.1 * capital[word]}
        """Words, case-folded, that are mostly or often written small."""
        self.names = {
            word
            for word, count in seen.items()
            if len(word) > 2
            and kept[word] >= 0.5 * count
            and lower[word.casefold()] <= 0.02 * capital[word.casefold()]
        }
        """Names that translations keep."""
        self.translated = {
            word for word, count in seen.items() if count > 1 and kept[word] < 0.5 * count
        }
        """Capitalised words that change in translation (*Germany*), or that are no names at all."""


class Gazetteer:
    """Names to put in: real ones, and invented ones spliced together from their parts."""

    def __init__(self, entities: Iterable[tuple[str, str]], exclude: Iterable[str] = ()) -> None:
        """Keeps names of one to four words of letters, none of them in `exclude`.

        Args:
            entities: `(type, name)`, as `sources.read_entities` yields them.
            exclude: Words whose translation differs from them.
        """
        barred = set(exclude)
        by_type: dict[str, set[str]] = {}
        for kind, name in entities:
            words = name.split()
            if len(words) > 4 or not 3 <= len(name) <= 40 or not name[0].isupper():
                continue
            if all(_NAME_LIKE.match(w) and w not in barred and _latin(w) for w in words):
                by_type.setdefault(kind, set()).add(name)
        self.by_type = {kind: sorted(names) for kind, names in sorted(by_type.items())}
        parts = {w for names in by_type.values() for n in names for w in n.split()}
        self._parts = sorted(w for w in parts if w.isalpha() and w.istitle() and len(w) > 3)

    def __len__(self) -> int:
        """The number of real names."""
        return sum(len(names) for names in self.by_type.values())

    def real(self, rng: random.Random) -> str:
        """A name from the list; every type is equally likely."""
        return rng.choice(self.by_type[rng.choice(list(self.by_type))])

    def invented(self, rng: random.Random) -> str:
        """One to three capitalised words, each of the parts of two names; or an abbreviation."""
        if rng.random() < 0.1:
            letters = rng.choices("ABCDEFGHIKLMNOPRSTUVWZ", k=rng.randint(2, 5))
            return "".join(letters) if rng.random() < 0.8 else ".".join(letters[:3]) + "."
        return " ".join(self._splice(rng) for _ in range(rng.choice((1, 1, 1, 2, 2, 3))))

    def of_type(self, kind: str, rng: random.Random, invented_share: float) -> str:
        """A name of one type, invented with the given probability."""
        if kind not in self.by_type or rng.random() < invented_share:
            return self.invented(rng)
        return rng.choice(self.by_type[kind])

    def draw(self, rng: random.Random, invented_share: float) -> str:
        """An invented name with the given probability, else a real one."""
        if rng.random() < invented_share:
            return self.invented(rng)
        return self.real(rng)

    def _splice(self, rng: random.Random) -> str:
        first, second = rng.choice(self._parts), rng.choice(self._parts).lower()
        cut = rng.randint(2, min(5, len(first) - 1))
        return first[:cut] + second[rng.randint(1, len(second) - 2) :]


def _latin(word: str) -> bool:
    return all(ord(c) < 0x250 for c in word)
