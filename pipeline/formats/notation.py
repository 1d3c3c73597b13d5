"""How tags are spelled: which string stands for "no entity", and where prefix and type are.

A scheme says what ``B`` and ``I`` mean; a notation says how they are written: ``B-PER``, ``B_PER``,
``PER-B``, ``b-per``, a bare ``B``, ``(PER*`` (OntoNotes), or no prefix at all (``PER``). A set of
values has a notation only if nearly all of them fit it; other columns (part of speech, lemmas,
features) fit none, and are no tags.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

TagForm = Literal["prefixed", "suffixed", "bare", "bracketed", "plain"]

OUTSIDE: Final = (
    *("O", "o", "0", "_", "-", "", "OUT", "out", "Out", "OUTSIDE", "outside"),
    *("\u041e", "\u039f"),
)
"""What stands for "no entity" in the files of other people.

The last two look like O: they are the Cyrillic and the Greek letter.
"""

# Read so beside prefixes alone: without, OTHER may be a type.
_OUTSIDE_IN_WORDS: Final = frozenset({"none", "other", "null", "nil"})
_PLAINLY_OUTSIDE: Final = frozenset(OUTSIDE) - {"_", "-", ""}
_LETTERS: Final = "BIESLUMW"
_NEVER: Final = frozenset('=|;,*()[]<>{}"')
# The last are what word processors make of a hyphen.
_SEPARATORS: Final = "-_:/.#\u2010\u2011\u2012\u2013\u2014\u2212"
_PREFIXED: Final = re.compile(rf"([{_LETTERS}]|[{_LETTERS.lower()}])([{_SEPARATORS}])(.+)")
_SUFFIXED: Final = re.compile(rf"(.+)([{_SEPARATORS}])([{_LETTERS}]|[{_LETTERS.lower()}])")
_LONG_PREFIX: Final = re.compile(
    r"(?:begin|beg|inside|in|end|last|unit|single|mid(?:dle)?)[-_]", re.I
)
_BRACKETED: Final = re.compile(r"(?:\(([^()*|]+))?(\*)?(\))?")
# "NamedEntity=Yes" tells no type.
_ANSWERS: Final = frozenset({"yes", "no", "true", "false", "none", "null", "nan"})
_JOINED: Final = re.compile(r"[|;,+/&#]")
NEARLY_ALL: Final = 0.9
_MANY_TYPES: Final = 100
_CORRECT: Final = "; correct the tag"


def is_type(text: str, *, strict: bool = True) -> bool:
    """Whether ``text`` can be the name of an entity type: one word, with a letter if ``strict``.

    ``B-PER`` is none: a tag with two prefixes is a slip of whoever wrote the file.
    """
    if not text or any(c.isspace() for c in text):
        return False
    if len(text) > 2 and text[1] == "-" and text[0] in "BI":
        return False
    return not strict or (any(c.isalpha() for c in text) and not any(c in _NEVER for c in text))


@dataclass(frozen=True, slots=True)
class Notation:
    """How the tags of one source are spelled.

    Attributes:
        kind: Where the prefix is.
        outside: The value that stands for "no entity".
        separator: What parts prefix and type.
        lower: Whether the letter of the prefix is a small one.
        fold: Whether everything is in small letters: then types are read in capitals.
    """

    kind: TagForm = "prefixed"
    outside: str = "O"
    separator: str = "-"
    lower: bool = False
    fold: bool = False

    def split(self, tag: str) -> tuple[str, str] | None:
        """Return a tag's prefix letter and type, ``("O", "")`` outside; ``None`` if it is no tag.

        The type of a bare tag is empty, and so is the prefix of a plain one. An empty value is
        outside only where that is the rule. Brackets are not for this method: see
        :func:`brackets`.
        """
        if tag == self.outside or (tag and tag in OUTSIDE):
            return "O", ""
        found: tuple[str, str] | None = None
        if self.kind == "prefixed":
            start = 1 + len(self.separator)
            # Without a separator, a letter must follow: "-PER" is no type.
            bare = not self.separator and not tag[1:2].isalpha()
            if len(tag) > start and tag[1:start] == self.separator and not bare:
                found = tag[0], tag[start:]
        elif self.kind == "suffixed":
            if len(tag) > 2 and tag[-2] == self.separator:
                found = tag[-1], tag[:-2]
        elif self.kind == "bare":
            return (tag.upper(), "") if self._is_letter(tag) else None
        elif is_type(tag) and tag.lower() not in _ANSWERS:
            return "", tag.upper() if self.fold else tag
        strict = (self.kind, self.separator) != ("prefixed", "-")
        if found is None or not self._is_letter(found[0]) or not is_type(found[1], strict=strict):
            return None
        if not strict and _JOINED.search(tag) and self.several(tag):
            return None
        return found[0].upper(), found[1].upper() if self.fold else found[1]

    def _is_letter(self, text: str) -> bool:
        return len(text) == 1 and text in (_LETTERS.lower() if self.lower else _LETTERS)

    def several(self, value: str) -> list[str]:
        """Return the tags of a cell that holds more than one; an empty list otherwise."""
        if self.kind == "bracketed":
            parts = re.findall(r"\([^()*|]+|\)", value)
            return parts if value.count("(") > 1 or value.count(")") > 1 else []
        for separators in ("|;,+ \t", "/&#"):
            parts = [p for p in re.split(f"[{re.escape(separators)}]+", value) if p]
            # "person-artist/author" is the name of a type.
            sure = self.kind != "plain" or separators[0] == "|"
            if len(parts) > 1 and sure and all(self.split(p) for p in parts):
                return parts
        return []

    def tag(self, prefix: str, name: str) -> str:
        """Return how this notation spells a prefix and a type; for messages."""
        prefix = prefix.lower() if self.lower else prefix
        spelled = {
            "prefixed": f"{prefix}{self.separator}{name}",
            "suffixed": f"{name}{self.separator}{prefix}",
            "bare": prefix,
            "plain": name,
            "bracketed": f"({name}*",
        }
        return spelled[self.kind]

    def __str__(self) -> str:
        remarks = []
        if self.kind == "bracketed":
            return "in brackets"
        if self.kind == "bare":
            remarks.append("no types")
        elif (self.kind, self.separator) != ("prefixed", "-") and self.kind != "plain":
            remarks.append(f"written {self.tag('B', 'TYPE')}")
        elif self.lower or self.fold:
            remarks.append("in small letters")
        if self.outside != "O":
            alike = "" if self.outside.isascii() else " (no Latin letter)"
            remarks.append(f"outside {self.outside!r}{alike}")
        return ", ".join(remarks)


STANDARD: Final = Notation()


@dataclass(frozen=True, slots=True)
class Fit:
    """How well the values of a column fit a notation.

    Attributes:
        notation: The notation.
        types: The types, in the notation's spelling.
        strength: 3: prefixes with types, or brackets; 2: bare prefixes, or plain types with a
            letter or 0 for outside; 1: plain types with another sign for outside; 0: outside only.
        constant: Whether all values are the same.
    """

    notation: Notation
    types: frozenset[str]
    strength: int
    constant: bool

    def holds(self, value: str) -> bool:
        """Whether ``value`` is a tag in this notation, or several."""
        return value in OUTSIDE or _fits(self.notation, value)


def fit(values: Mapping[str, int], share: float = NEARLY_ALL) -> Fit | None:
    """Find the notation that nearly all values fit, given how often each occurs.

    Args:
        values: How often each value occurs.
        share: How many of the values that are not outside must fit.

    Returns:
        ``None`` if there is none: the values are no tags.
    """
    commonest = max(values, key=lambda v: values[v], default="")
    if commonest.lower() in _OUTSIDE_IN_WORDS:
        rest = fit({v: n for v, n in values.items() if v != commonest}, share)
        if rest and rest.strength == 3 and rest.notation.kind != "bracketed":
            return replace(rest, notation=replace(rest.notation, outside=commonest))
    outside = {v: n for v, n in values.items() if v in OUTSIDE}
    inside = Counter({v: n for v, n in values.items() if v not in OUTSIDE})
    # Ties go to the order of OUTSIDE.
    sign = max(outside, key=lambda v: (outside[v], -OUTSIDE.index(v))) if outside else "O"
    if not inside:
        return Fit(Notation(outside=sign), frozenset(), 0, len(values) < 2) if outside else None
    for notation, strength in _candidates(values, inside, sign):
        covered = {v for v in inside if _fits(notation, v)}
        count = sum(inside[v] for v in covered)
        if count < share * inside.total():
            continue
        types = frozenset(
            t for v in covered for p in (notation.several(v) or [v]) if (t := _type(notation, p))
        )
        return Fit(notation, types, strength, len(values) < 2)
    return None


def _fits(notation: Notation, value: str) -> bool:
    if notation.kind == "bracketed":
        found = _BRACKETED.fullmatch(value)
        return bool(found and value and (found[1] is None or _is_bracketed_type(found[1])))
    return notation.split(value) is not None or bool(notation.several(value))


def _is_bracketed_type(text: str) -> bool:
    # "(e1-person-1)" and "(person-1)" are mentions of coreference: each has a number of its own.
    return is_type(text) and re.search(r"-\d+(?:-|$)", text) is None


def _type(notation: Notation, value: str) -> str:
    if notation.kind == "bracketed":
        found = re.match(r"\(([^()*|]+)", value)
        return found[1] if found else ""
    split = notation.split(value)
    return split[1] if split else ""


def _candidates(
    values: Mapping[str, int], inside: Counter[str], sign: str
) -> Iterator[tuple[Notation, int]]:
    """Yield the notations that may fit, the likeliest first."""
    spelled: Counter[tuple[TagForm, str, bool]] = Counter()
    letters: dict[tuple[TagForm, str, bool], set[str]] = {}
    for value, n in inside.items():
        for kind, found, (letter, separator) in (
            ("prefixed", _PREFIXED.match(value), (1, 2)),
            ("suffixed", _SUFFIXED.fullmatch(value), (3, 2)),
        ):
            if found:
                key: tuple[TagForm, str, bool] = kind, found[separator], found[letter].islower()  # type: ignore[assignment]
                spelled[key] += n
                letters.setdefault(key, set()).add(found[letter].upper())
    small = all(v == v.lower() for v in inside) and sign != "O" and sign == sign.lower()
    order = sorted(spelled, key=lambda k: (-spelled[k], k != ("prefixed", "-", False), k))
    for key in order:
        kind, mark, lower = key
        if key == ("prefixed", "-", False) or letters[key] & set("BI"):
            yield Notation(kind, sign, mark, lower, fold=lower and small), 3
    if any(v.startswith("(") for v in inside):
        yield Notation("bracketed", "*"), 3
    for lower in (False, True):
        allowed = _LETTERS.lower() if lower else _LETTERS
        if all(v in allowed for v in inside) and any(v.upper() in "BI" for v in inside):
            yield Notation("bare", sign, lower=lower), 2
    if all(v[0] in _LETTERS for v in inside) and any(
        v[0] == "B" and len(v) > 2 and f"I{v[1:]}" in inside for v in inside
    ):
        yield Notation("prefixed", sign, ""), 3
    if _may_be_plain(values, inside, sign):
        yield (
            Notation("plain", sign, fold=small and sign == "o"),
            2 if sign in _PLAINLY_OUTSIDE else 1,
        )


def _may_be_plain(values: Mapping[str, int], inside: Counter[str], sign: str) -> bool:
    """Whether types without a prefix can be meant: outside is most frequent, types are few."""
    if values.get(sign, 0) < max(inside.values()):
        return False
    if any((_PREFIXED.match(v) and v[0] in "BI") or _LONG_PREFIX.match(v) for v in inside):
        return False
    if sign not in _PLAINLY_OUTSIDE and any(c.isdigit() for v in inside for c in v):
        return False
    # Letters are parts of speech (in some tag sets, O is one of them) more often than types.
    if sum(n for v, n in inside.items() if len(v) < 2) * 2 > inside.total():
        return False
    few = 10 if sign in _PLAINLY_OUTSIDE else 4
    return len(inside) <= min(_MANY_TYPES, max(few, inside.total() // 2))


class TagError(ValueError):
    """A tag that its scheme does not have, or that does not fit those before it.

    Attributes:
        index: The word in the sentence.
        tag: The tag.
    """

    def __init__(self, index: int, tag: str, why: str) -> None:
        self.index = index
        self.tag = tag
        super().__init__(f"tag {tag!r} {why}")


def brackets(tags: Sequence[str]) -> list[tuple[str, str]]:
    """Return prefix and type of every tag of a sentence in brackets: ``(PER*``, ``*)``, ``(LOC)``.

    Raises:
        TagError: If brackets are nested, not closed, or closed without having been opened.
    """
    found: list[tuple[str, str]] = []
    current = ""
    for i, tag in enumerate(tags):
        parts = _BRACKETED.fullmatch(tag)
        if parts is None or (not tag and tags.count("") != len(tags)):
            if tag in OUTSIDE and not current:
                found.append(("O", ""))
                continue
            raise TagError(i, tag, f"is neither *, (TYPE*, *) nor (TYPE){_CORRECT}")
        opened, closed = parts[1], parts[3] is not None
        if opened and current:
            raise TagError(i, tag, f"opens an entity within one of type {current}{_CORRECT}")
        if closed and not (opened or current):
            raise TagError(i, tag, f"closes an entity, but none is open{_CORRECT}")
        if opened:
            found.append(("B", opened))
            current = opened
        else:
            found.append(("I", current) if current else ("O", ""))
        if closed:
            current = ""
    if current:
        why = f"is the last, and the entity of type {current} is not closed{_CORRECT}"
        raise TagError(len(tags) - 1, tags[-1], why)
    return found
