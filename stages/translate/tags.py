"""Entities in tags through translation (LabelPigeon, arXiv 2603.12021): `<a>Angela Merkel</a> …`.

The letter says which entity it is. What comes back from a translator is read leniently: spaces in
and around tags, capitals, and tags of other entities that were lost or doubled do no harm.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

LETTERS: Final = "abcdefghij"
"""What tags are called; of a sentence with more entities the rest stay untagged."""
_TAG: Final = re.compile(r"<\s*(/?)\s*([a-j])\s*>", re.IGNORECASE)
# A tag is a subword with a space before it, to translators of `train_translator`; the space that
# was there follows an opening tag.
_OPENING: Final = re.compile(r"(\s?)((?:<[a-j]>)+)")
_CLOSING: Final = re.compile(r"</([a-j])>")
_OPENED: Final = re.compile(r"((?:\s?<[a-j]>)+)(\s?)")
_CLOSED: Final = re.compile(r"\s?</([a-j])>")


def put_tags(text: str, places: Sequence[tuple[int, int]]) -> str:
    """Return a text with tags around the characters of each range, the first called `a`.

    Ranges beyond the last letter get none.
    """
    return _written(text, dict(enumerate(places[: len(LETTERS)])))


def _written(text: str, places: Mapping[int, tuple[int, int]]) -> str:
    """Return a text with the tags of each number around its characters."""
    before: dict[int, str] = {}
    after: dict[int, str] = {}
    # From the innermost out, so that each closes before what it stands in.
    inside = sorted(places.items(), key=lambda item: (item[1][1] - item[1][0], -item[0]))
    for number, (start, end) in inside:
        before[start] = f"<{LETTERS[number]}>{before.get(start, '')}"
        after[end] = f"{after.get(end, '')}</{LETTERS[number]}>"
    return "".join(
        after.get(at, "") + before.get(at, "") + text[at : at + 1] for at in range(len(text) + 1)
    )


def has_tag(text: str) -> bool:
    """Return whether a text holds what could be taken for a tag."""
    return _TAG.search(text) is not None


def remove_tags(text: str) -> str:
    """Return a text without its tags and with single spaces."""
    return " ".join(_apart(text)[0].split())


def read_tags(marked: str) -> dict[int, tuple[int, int]]:
    """Return what stands between the tags of each number, in characters but spaces and tags.

    An entity is left out if one of its two tags is missing or doubled, or if nothing stands between
    them. A closing tag before its opening one is taken for a mistake in the order of the two.
    """
    plain, tags = _apart(marked)
    opened: dict[str, list[int]] = {}
    closed: dict[str, list[int]] = {}
    for place, letter, opens in tags:
        characters = len("".join(plain[:place].split()))
        (opened if opens else closed).setdefault(letter, []).append(characters)
    found = {}
    for letter, starts in opened.items():
        ends = closed.get(letter, [])
        if len(starts) == len(ends) == 1 and starts[0] != ends[0]:
            found[LETTERS.index(letter)] = (min(starts[0], ends[0]), max(starts[0], ends[0]))
    return found


def whole(marked: str, entities: int) -> bool:
    """Return whether every entity that has a letter has both tags, once, in their order, nested."""
    _, tags = _apart(marked)
    stack: list[str] = []
    for _, letter, opens in tags:
        if opens:
            stack.append(letter)
        elif not stack or stack.pop() != letter:
            return False
    return not stack and sorted(t for _, t, opens in tags if opens) == sorted(LETTERS[:entities])


def tidy(marked: str, names: Sequence[Sequence[str]]) -> str:
    """Return a translation with both tags of as many entities as can be, once each.

    Of an entity whose tags stand there twice, those stay that are around its name, or else the
    first. One that has none gets them where its name stands, by itself and in no other's tags.
    Other tags are taken out.

    Args:
        marked: The translation.
        names: What each entity may be called there.
    """
    plain, tags = _apart(marked)
    taken: dict[int, tuple[int, int]] = {}
    for number, forms in enumerate(names[: len(LETTERS)]):
        wanted = {form.casefold() for form in forms}
        pairs = [pair for pair in _pairs(tags, LETTERS[number]) if plain[slice(*pair)].strip()]
        pairs.sort(key=lambda pair: plain[slice(*pair)].strip().casefold() not in wanted)
        fitting = (pair for pair in pairs if not _crosses(pair, taken.values()))
        if (found := next(fitting, None)) is not None:
            taken[number] = found
    for number, forms in enumerate(names[: len(LETTERS)]):
        for match in _standing(plain, forms) if number not in taken else ():
            if all(match.end() <= start or end <= match.start() for start, end in taken.values()):
                taken[number] = match.span()
                break
    return _written(plain, taken)


def _apart(marked: str) -> tuple[str, list[tuple[int, str, bool]]]:
    """A text without its tags, and of each tag its place there, its letter, whether it opens."""
    parts: list[str] = []
    tags: list[tuple[int, str, bool]] = []
    size = at = 0
    for match in _TAG.finditer(marked):
        parts.append(marked[at : match.start()])
        size += len(parts[-1])
        tags.append((size, match[2].lower(), not match[1]))
        at = match.end()
    return "".join([*parts, marked[at:]]), tags


def _pairs(tags: Sequence[tuple[int, str, bool]], letter: str) -> list[tuple[int, int]]:
    """Where a letter's tags stand in pairs, one opening and the next closing one."""
    found = []
    start: int | None = None
    for place, other, opens in tags:
        if other != letter:
            continue
        if not opens and start is not None:
            found.append((start, place))
        start = place if opens else None
    return found


def _crosses(pair: tuple[int, int], others: Iterable[tuple[int, int]]) -> bool:
    start, end = pair
    return any(a < start < b < end or start < a < end < b or pair == (a, b) for a, b in others)


def _standing(text: str, names: Sequence[str]) -> Iterator[re.Match[str]]:
    """The places where one of the names stands by itself, an ending of one letter allowed."""
    for name in names:
        yield from re.finditer(rf"(?<![\w-]){re.escape(name)}s?(?![\w-])", text, re.IGNORECASE)


def to_subwords(text: str) -> str:
    """Write the tags of a text the way a translator of `train_translator` knows them."""
    if "<" not in text:
        return text
    text = _OPENING.sub(
        lambda m: m[2].replace("<", " <") + (m[1] or ("" if m.start() else " ")), text
    )
    return _CLOSING.sub(r" </\1>", text).lstrip(" ")


def from_subwords(text: str) -> str:
    """Undo :func:`to_subwords` in a translation."""
    if "<" not in text:
        return text
    return _OPENED.sub(_attached, _CLOSED.sub(r"</\1>", text)).lstrip(" ")


def _attached(match: re.Match[str]) -> str:
    return match[2] + "".join(match[1].split())
