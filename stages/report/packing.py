"""Packs data into the page: compact JSON, gzip, base64, in chunks that are unpacked on demand.

Positions of words, spans and links are plain numbers in flat arrays; names (types, reasons,
methods) are indexes into tables of the page's ``meta``. The order of the fields is known to
``template/browser.js`` as well: change both.
"""

from __future__ import annotations

import base64
import gzip
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.listed import batched
from stages.inspect.doubts import weight
from stages.inspect.pretty import visible
from stages.inspect.view import DOUBTS, View

CHUNK: Final = 1000
"""Sentences per chunk: small enough to show the first page at once."""

_DOUBT_INDEX: Final = {kind: index for index, kind in enumerate(DOUBTS)}

SEPARATOR: Final = "\t"  # never in a visible() word


@dataclass(slots=True)
class NumberedNames:
    """Numbers names in the order of their first appearance."""

    known: dict[str, int] = field(default_factory=dict)

    def index(self, name: str | None) -> int:
        """Return the number of ``name``; −1 for ``None``."""
        return -1 if name is None else self.known.setdefault(name, len(self.known))

    def listed(self) -> list[str]:
        """Return the names by number."""
        return list(self.known)


@dataclass(slots=True)
class Tables:
    """The names that rows refer to by number."""

    types: NumberedNames = field(default_factory=NumberedNames)
    reasons: NumberedNames = field(default_factory=NumberedNames)
    methods: NumberedNames = field(default_factory=NumberedNames)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of packed data.

    Attributes:
        id: Of the element in the page that holds it.
        rows: How many rows it holds.
        data: base64 of gzip of JSON.
    """

    id: str
    rows: int
    data: str


def pack(value: Any) -> str:
    """Return a JSON value as base64 of its gzip; the same bytes for the same value."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # Lone surrogates cannot be encoded, and no browser would show them.
    data = text.encode("utf-8", "replace")
    return base64.b64encode(gzip.compress(data, compresslevel=6, mtime=0)).decode("ascii")


def joined(words: Iterable[str]) -> str:
    """Return words as one string that the page splits again."""
    return SEPARATOR.join(visible(w) for w in words)


def thousandths(score: float | None) -> int:
    """Return a score in thousandths; −1 if there is none."""
    return -1 if score is None else round(1000 * score)


def sentence_row(view: View, tables: Tables) -> list[Any]:
    """Return one projected sentence without its links (see ``browser.js`` for the fields)."""
    source: list[int] = []
    for s in view.source_spans:
        source += [s.start, s.end, tables.types.index(s.type)]
    spans: list[int] = []
    for item in view.spans:
        spans += [
            item.span.start,
            item.span.end,
            tables.types.index(item.span.type),
            thousandths(item.span.score),
            int(item.kept),
            tables.reasons.index(item.reason),
            -1 if item.source is None else item.source,
            tables.methods.index(item.method),
        ]
    lost: list[int] = []
    for index, reason in view.lost:
        lost += [index, tables.reasons.index(reason)]
    doubts: list[int | str] = []
    for doubt in view.doubts:
        span = -1 if doubt.span is None else doubt.span
        doubts += [_DOUBT_INDEX[doubt.kind], span, visible(doubt.text)]
    gold: list[int] | None = None
    if view.gold is not None:
        gold = [n for s in view.gold for n in (s.start, s.end, tables.types.index(s.type))]
    return [
        view.id,
        int(bool(view.kept)),
        tables.reasons.index(view.reason),
        joined(view.source_words),
        joined(view.words),
        source,
        spans,
        lost,
        doubts,
        weight(view.doubts),
        gold,
    ]


def link_row(view: View) -> list[int]:
    """Return the links of one sentence: source word, target word, percent, and so on."""
    return [n for x in view.links for n in (x.source, x.target, round(100 * x.prob))]


def pack_views(
    lang: str, views: Iterable[View], tables: Tables, limit: int | None
) -> Iterator[tuple[Chunk, Chunk]]:
    """Yield a chunk of sentences and the chunk of their links, :data:`CHUNK` rows at a time."""
    for number, batch in enumerate(batched(itertools.islice(views, limit), CHUNK)):
        rows = [sentence_row(view, tables) for view in batch]
        links = [link_row(view) for view in batch]
        yield (
            Chunk(f"s-{lang}-{number}", len(rows), pack(rows)),
            Chunk(f"l-{lang}-{number}", len(rows), pack(links)),
        )


def mistake_row(
    row: Mapping[str, Any], tables: Tables, arms: NumberedNames, langs: NumberedNames
) -> list[Any]:
    """Return one error of a tagger (see ``errors.js`` for the fields)."""

    def span(side: str) -> list[int]:
        if row[f"{side}_start"] is None:
            return []
        kind = tables.types.index(row[f"{side}_type"])
        return [row[f"{side}_start"], row[f"{side}_end"], kind]

    seen = -1 if row["seen"] is None else int(row["seen"])
    return [
        arms.index(row["arm"]),
        langs.index(row["lang"]),
        row["category"],
        seen,
        row["id"],
        joined(row["words"]),
        span("gold"),
        span("predicted"),
    ]
