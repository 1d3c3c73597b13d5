"""What the columns of a CoNLL-like file hold: words, tags, numbers of words and of sentences.

Columns are told apart by their values over all rows that are looked at, never by a single row.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from pipeline.errors import DataError
from pipeline.formats.notation import NEARLY_ALL, OUTSIDE, Fit, fit
from pipeline.yaml_text import scalar

ROW_ID: Final = re.compile(r"\d+(?:[-.:]\d+)?")
WORD_NAMES: Final = frozenset({"form", "word", "words", "token", "tokens", "text"})
SENTENCE_NAMES: Final = frozenset(
    {"sentence", "sentenceid", "sentid", "sent", "sentenceno", "sentencenumber", "sentidx", "sid"}
    | {"sentnum", "sentno", "docid", "doc", "document", "documentid", "sentenceindex"}
)
# The names that decide, the surest first; of columns with names of one row, none is preferred.
_RANKED_TAG_NAMES: Final = (
    frozenset({"necoarselit"}),
    frozenset({"gold", "goldner", "goldtag", "goldlabel", "nergold"}),
    frozenset({"ner", "nertag", "nertags", "nerlabel", "nerlabels", "ne", "netag", "namedentity"}),
    frozenset({"entity", "entities", "entitytag", "entitylabel", "entitytype", "namedentities"}),
    frozenset({"tag", "tags", "label", "labels", "target", "name"}),
    frozenset({"iob", "iobtag", "bio", "biotag", "iob2", "bioes", "iobes", "bilou", "bioestag"}),
)
TAG_NAMES: Final = frozenset().union(*_RANKED_TAG_NAMES)
_OTHER_NAMES: Final = frozenset({"pos", "upos", "xpos", "lemma", "chunk", "postag", "postags"})
_CHUNKS: Final = frozenset(
    {"NP", "VP", "PP", "ADVP", "ADJP", "SBAR", "PRT", "CONJP", "INTJ", "LST", "UCP"}
    | {"NC", "PC", "VC", "AC", "QP", "PNP", "X"}
)
NOTHING: Final = frozenset({"", "NaN", "nan"})
"""Cells of a column of sentences that stand for the value above them."""

_SHOWN: Final = 3
_NEAR: Final = 0.5


def plain_name(name: str) -> str:
    """Return a column's name without what is written in many ways."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def is_header(row: Sequence[str], asked: Sequence[str]) -> bool:
    """Whether a first row names the columns: words and tags, or what the user asks for.

    Where there are no tags, each cell must name a column, the words' among them.
    """
    if any(name in row for name in asked):
        return True
    names = {plain_name(c) for c in row}
    alone = len(names) > 1 and names <= WORD_NAMES | _OTHER_NAMES | SENTENCE_NAMES
    named = bool(names & WORD_NAMES and (alone or names & TAG_NAMES))
    return named and not any((c and c in OUTSIDE) or c[1:2] == "-" for c in row)


@dataclass(frozen=True, slots=True)
class TagColumn:
    """Where the tags are.

    Attributes:
        index: The column.
        key: The key, where the column holds ``key=value`` pairs.
        known: The corpus or tool whose known layout decided.
        strength: That of :class:`pipeline.formats.notation.Fit`.
    """

    index: int
    key: str | None = None
    known: str | None = None
    strength: int = 0


@dataclass(slots=True)
class Columns:
    """The rows of a file that have the right width.

    Attributes:
        path: The file.
        rows: The values of each row.
        lines: The line of each row.
        first: Whether a row is the first after a blank line.
        width: The number of columns.
        names: The names of the columns, if they are known.
        conllu: Whether this may be CoNLL-U: ten columns parted by tabs.
        ontonotes: Whether documents begin as in the CoNLL-2012 files of OntoNotes.
        blank_lines: Whether the file has blank lines.
    """

    path: Path
    rows: list[list[str]]
    lines: list[int]
    first: list[bool]
    width: int
    names: list[str] | None
    conllu: bool
    ontonotes: bool
    blank_lines: bool
    _fits: dict[tuple[int, float], Fit | None] = field(default_factory=dict)

    def values(self, index: int) -> list[str]:
        """Return the values of a column."""
        return [r[index] for r in self.rows]

    def fit(self, index: int, share: float = NEARLY_ALL) -> Fit | None:
        """Return how a column's values fit a notation of tags; see :func:`fit`."""
        if (index, share) not in self._fits:
            self._fits[index, share] = fit(Counter(v.strip() for v in self.values(index)), share)
        return self._fits[index, share]

    def name(self, index: int) -> str:
        """Return the plain name of a column; an empty string where it has none."""
        return plain_name(self.names[index]) if self.names else ""

    def misc_column(self) -> int | None:
        """Return the column of ``key=value`` pairs."""
        if self.names and "MISC" in self.names:
            return self.names.index("MISC")
        return 9 if self.conllu else None

    def misc(self) -> Iterator[dict[str, str]]:
        """Yield the pairs of each row."""
        at = self.misc_column()
        return (pairs_of(r[at]) for r in self.rows) if at is not None else iter(())


def pairs_of(cell: str) -> dict[str, str]:
    """Return the pairs of a cell like ``SpaceAfter=No|NER=B-PER``."""
    return dict(p.split("=", 1) for p in cell.split("|") if "=" in p)


# -- tags --------------------------------------------------------------------------------------


def choose_tags(found: Columns, word: int | None) -> TagColumn | None:
    """Return the column of the tags; ``None`` if no column holds tags.

    Raises:
        DataError: If several do, and nothing decides.
    """
    candidates = {i: f for i in range(found.width) if i != word and (f := found.fit(i))}
    by_key = _misc_keys(found)
    if found.names and (named := _by_name(found, candidates)) is not None:
        return TagColumn(named, strength=candidates[named].strength)
    if found.ontonotes and found.width > 10 and 10 in candidates:
        return TagColumn(10, known="OntoNotes (CoNLL-2012)", strength=candidates[10].strength)
    holding = _holding(candidates)
    if by_key:
        strong = [i for i in holding if holding[i].strength == 3]
        keys = _preferred_keys(by_key)
        if len(keys) == 1 and not strong:
            return TagColumn(found.misc_column() or 0, keys[0], strength=by_key[keys[0]].strength)
        where = [f"{k}= of MISC" for k in keys] + [f"column {i}" for i in strong]
        raise _unclear(found, where, "tag_column: " + (scalar(keys[0]) if keys else str(strong[0])))
    if len(holding) > 1:
        known = _known_layout(found, holding)
        if known is None:
            where = [f"column {i} ({_shown(found, i)})" for i in holding]
            likely = next((i for i in holding if not holding[i].types <= _CHUNKS), min(holding))
            raise _unclear(found, where, f"tag_column: {likely}")
        return known
    if holding and all(f.types <= _CHUNKS for f in holding.values()):
        # Chunks, beside a column without any entity: tags all the same, if that is their place.
        index = next(iter(holding))
        empty = [i for i in candidates if i != index and _only(candidates, i)]
        if empty and empty != [index + 1]:
            where = [f"column {i} ({_shown(found, i)})" for i in sorted([index, *empty])]
            raise _unclear(found, where, f"tag_column: {empty[-1]}")
        if empty:
            return TagColumn(empty[0], known="CoNLL-2003")
    if holding:
        index = next(iter(holding))
        return TagColumn(index, strength=holding[index].strength)
    # A column that nearly fits: reading it will name the line that does not.
    near = {i: f for i in range(found.width) if i != word and (f := found.fit(i, share=_NEAR))}
    near = {i: f for i, f in near.items() if f.strength > 1 and i not in candidates}
    if len(near) == 1:
        return TagColumn(next(iter(near)), strength=3)
    # Nothing but outside: a sample without entities. The last column is where tags usually are.
    empty = [i for i in candidates if _only(candidates, i)]
    empty = [i for i in empty if i or found.width > 2] or empty
    return TagColumn(empty[-1]) if empty else None


def _only(candidates: Mapping[int, Fit], index: int) -> bool:
    """Whether a column holds the letter O, or the word for it, and nothing else."""
    found = candidates[index]
    return found.strength == 0 and any(c.isalpha() for c in found.notation.outside)


def _holding(candidates: Mapping[int, Fit]) -> dict[int, Fit]:
    """Return the columns that may hold the tags, the weak ones only where there are no others."""
    holding = {i: f for i, f in candidates.items() if f.strength > 0}
    if any(not f.constant for f in holding.values()):
        holding = {i: f for i, f in holding.items() if not f.constant}
    strong = {i: f for i, f in holding.items() if f.strength > 1}
    if any(not f.types <= _CHUNKS for f in strong.values()):
        return strong
    return holding


def _unclear(found: Columns, where: Sequence[str], advice: str) -> DataError:
    return DataError(
        f"{found.path}: {len(where)} columns hold tags: {'; '.join(where)}; say which, for "
        f"example {advice}"
    )


def _by_name(found: Columns, candidates: Mapping[int, Fit]) -> int | None:
    for group in _RANKED_TAG_NAMES:
        named = [i for i in candidates if found.name(i) in group]
        if len(named) == 1:
            return named[0]
        if named:
            return None
    others = [i for i in candidates if found.name(i) not in _OTHER_NAMES | WORD_NAMES]
    holding = [i for i in others if candidates[i].strength > 0]
    return holding[0] if len(holding) == 1 else None


def _known_layout(found: Columns, holding: Mapping[int, Fit]) -> TagColumn | None:
    """Decide between several columns of tags where the order is that of a known corpus or tool."""
    left = sorted(holding)
    known = None
    # word, part of speech, chunk, named entity
    before, last = left[:-1], left[-1]
    chunks = [i for i in before if holding[i].types <= _CHUNKS]
    beside = not holding[last].types <= _CHUNKS
    if chunks and beside and chunks[-1] + 1 in left and chunks[-1] >= 2:
        left = [i for i in left if i not in chunks]
        known = "CoNLL-2003"
    if len(left) == 2 and left == [found.width - 2, found.width - 1]:
        if found.width == 4 and left == [2, 3] and number_kind(found, 0) == "words":
            return TagColumn(2, known="GermEval 2014 (outer entities)", strength=3)
        if _agree(found, left[0], left[1]):
            return TagColumn(left[0], known="conlleval output (gold)", strength=3)
    if len(left) == 1 and left[0] == last:
        return TagColumn(last, known=known, strength=holding[last].strength)
    return None


def _agree(found: Columns, gold: int, predicted: int) -> bool:
    """Whether two columns are the same tags, given twice: most entities are in both."""
    pairs = [(r[gold], r[predicted]) for r in found.rows]
    inside = [(a, b) for a, b in pairs if a not in OUTSIDE or b not in OUTSIDE]
    return sum(a == b for a, b in inside) * 2 >= len(inside)


def _misc_keys(found: Columns) -> dict[str, Fit]:
    """Return the keys of ``key=value`` pairs whose values are tags."""
    values: dict[str, Counter[str]] = {}
    total = 0
    for pairs in found.misc():
        total += 1
        for key, value in pairs.items():
            values.setdefault(key, Counter())[value] += 1
    fits: dict[str, Fit] = {}
    for key, counts in values.items():
        counts["O"] += total - counts.total()  # a word without the key is in no entity
        match = fit(+counts)
        named = plain_name(key) in TAG_NAMES
        if match and match.strength >= (1 if named else 3):
            fits[key] = match
    return fits


def _preferred_keys(keys: Mapping[str, Fit]) -> list[str]:
    for group in _RANKED_TAG_NAMES:
        named = [k for k in keys if plain_name(k) in group]
        if named:
            return named
    return list(keys)


def refuse_other_name(found: Columns, tags: TagColumn) -> None:
    """Refuse the tags where the user's names of the columns say that they are something else.

    Raises:
        DataError: If another column is called that of the tags, or this one that of other things.
    """
    mine = found.name(tags.index)
    other = next((i for i in range(found.width) if found.name(i) in TAG_NAMES), None)
    if mine in TAG_NAMES or tags.key or not found.names:
        return
    if other is None and mine not in _OTHER_NAMES | WORD_NAMES:
        return
    told = [f"column {tags.index}, called {found.names[tags.index]!r}, holds the tags"]
    if other is not None:
        told.append(f"column {other}, called {found.names[other]!r}, has {_shown(found, other)}")
    raise DataError(
        f"{found.path}: columns does not fit the file: {'; '.join(told)}; correct columns, or set "
        f"tag_column: {tags.index}"
    )


def no_tags(found: Columns, regular: bool) -> DataError:
    """Return the error that no column holds tags: with the columns, or the row that is odd."""
    where = f"{found.path}:{found.lines[0]}" if found.lines else f"{found.path}"
    if found.width == 1:
        return DataError(
            f"{where}: 1 column where a word and its tag were expected; set format, columns, "
            "word_column or tag_column of this data source"
        )
    columns = "; ".join(f"column {i} has {_shown(found, i)}" for i in range(found.width))
    if not found.rows:
        columns = f"no row has {found.width}"
    ragged = "" if regular else "rows have different numbers of columns, and "
    return DataError(
        f"{found.path}: {ragged}no column holds tags ({columns}). A column of tags has a prefix "
        "(B-PER, I-PER) or a type in each row and most often O; name it as tag_column, or set "
        "format if this is no CoNLL file"
    )


def _shown(found: Columns, index: int) -> str:
    common = Counter(v for v in found.values(index) if v not in OUTSIDE)
    common = common or Counter(found.values(index))
    return ", ".join(repr(v[:40]) for v, _ in common.most_common(_SHOWN))


def number_kind(found: Columns, index: int) -> str | None:
    """Tell what a column of numbers counts: ``words``, ``sentences`` or ``characters`` (``0-4``).

    ``None`` if it is no column of numbers.
    """
    values = found.values(index)
    if not values or not all(ROW_ID.fullmatch(v) for v in values):
        return None
    numbers = [(int(v), f) for v, f in zip(values, found.first, strict=True) if v.isdecimal()]
    if len(numbers) * 2 < len(values):
        return "characters"
    steps = [b - a for (a, _), (b, first) in pairwise(numbers) if not first]
    same = steps.count(0)
    return "sentences" if same and same * 2 >= len(steps) else "words"
