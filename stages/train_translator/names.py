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
from collections.abc import Iterable, Sequence

from stages._pretraining.sources import Pair

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

    def __init__(self, pairs: Iterable[Pair], kept_share: float = 0.5) -> None:
        """Counts the words of the pairs, once."""
        capital: Counter[str] = Counter()
        lower: Counter[str] = Counter()
        kept: Counter[str] = Counter()
        seen: Counter[str] = Counter()
        for pair in pairs:
            sides = [set(words_of(pair.source)), set(words_of(pair.target))]
            for words in sides:
                for word in words:
                    (capital if word[0].isupper() else lower)[word.casefold()] += 1
            for word in sides[0]:
                if word[0].isupper():
                    seen[word] += 1
                    kept[word] += word in sides[1]
        # Most first words of short sentences are seen at their start more often than inside.
        self._lower = {word for word, count in lower.items() if count > 0.1 * capital[word]}
        self._names = {
            word
            for word, count in seen.items()
            if len(word) > 2
            and kept[word] >= kept_share * count
            and lower[word.casefold()] <= 0.02 * capital[word.casefold()]
        }
        self.translated = {
            word for word, count in seen.items() if count > 1 and kept[word] < 0.5 * count
        }
        """Capitalised words that change in translation (*Germany*), or that are no names at all."""

    def inside(self, sentence: str) -> str:
        """The sentence as it would stand inside another: no capital that only its place gave it."""
        first = words_of(sentence[:60])[:1]
        if not first or not sentence.startswith(first[0]) or first[0].casefold() not in self._lower:
            return sentence
        return sentence[0].lower() + sentence[1:]

    def shared_names(self, pair: Pair) -> list[str]:
        """The names of a pair: longest runs of name words found once on both sides."""
        words = words_of(pair.source)
        runs: list[str] = []
        index = 0
        while index < len(words):
            if words[index] not in self._names:
                index += 1
                continue
            best = 0
            for end in range(index + 1, min(len(words), index + 4) + 1):
                if words[end - 1] not in self._names:
                    break
                run = " ".join(words[index:end])
                if _occurs_once(run, pair.source) and _occurs_once(run, pair.target):
                    best = end
            if best:
                runs.append(" ".join(words[index:best]))
            index = max(best, index + 1)
        return runs


def _occurs_once(run: str, text: str) -> bool:
    return text.count(run) == 1 and re.search(rf"\b{re.escape(run)}\b", text) is not None


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


def substitute(pair: Pair, names: Sequence[str], replacements: Sequence[str]) -> Pair:
    """The pair with `names[i]` replaced by `replacements[i]` on both sides."""
    source, target = pair.source, pair.target
    # Through marks that no text contains, so that a replacement is never replaced again.
    for index, name in enumerate(names):
        source = source.replace(name, f"\x00{index}\x00", 1)
        target = target.replace(name, f"\x00{index}\x00", 1)
    for index, name in enumerate(replacements):
        source = source.replace(f"\x00{index}\x00", name)
        target = target.replace(f"\x00{index}\x00", name)
    return Pair(pair.language, source, target)
