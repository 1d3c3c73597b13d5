"""What happened to the entities of one language: counted from its projected rows, streaming."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

BINS: Final = 20
"""Bins of the score histogram; bin ``i`` holds scores in ``[i / BINS, (i + 1) / BINS)``."""


class TypeCounts(BaseModel):
    """Entities of one type, on the way from the source to the training data."""

    model_config = ConfigDict(extra="forbid")

    source: int = 0
    projected: int = 0
    kept: int = 0
    used: int = 0


class Rendering(BaseModel):
    """A frequent source entity and what it became, most frequent first."""

    model_config = ConfigDict(extra="forbid")

    text: str
    type: str
    count: int
    renderings: list[tuple[str, int]]


class ProjectionStatistics(BaseModel):
    """Counts over the projected rows of one language.

    Attributes:
        sentences: All rows, one per translation hypothesis.
        translated: Those that have a translation.
        kept: Those that training uses.
        dropped: Dropped sentences by reason.
        spans: Entities on the source side (``source``), with a target span (``projected``), with a
            kept one (``kept``), and with a kept one in a kept sentence (``used``).
        spans_dropped: Target spans dropped, by reason.
        spans_lost: Source entities without any target span, by reason.
        types: ``spans`` per type (of the source entity).
        scores_kept: Histogram of the scores of kept spans, :data:`BINS` bins over [0, 1].
        scores_dropped: The same of dropped spans.
        unscored: Target spans without a score.
        methods: Target spans by the projector that made them.
        frequent: The most frequent source entities and their renderings.
    """

    model_config = ConfigDict(extra="forbid")

    lang: str
    sentences: int = 0
    translated: int = 0
    kept: int = 0
    dropped: dict[str, int] = {}
    spans: TypeCounts = TypeCounts()
    spans_dropped: dict[str, int] = {}
    spans_lost: dict[str, int] = {}
    types: dict[str, TypeCounts] = {}
    scores_kept: list[int] = []
    scores_dropped: list[int] = []
    unscored: int = 0
    methods: dict[str, int] = {}
    frequent: list[Rendering] = []


class StatisticsCollector:
    """Gathers :class:`ProjectionStatistics` row by row; memory grows with the distinct entities."""

    def __init__(self, lang: str) -> None:
        """Start with nothing counted."""
        self._lang = lang
        self._sentences = self._translated = self._kept = self._unscored = 0
        self._dropped: Counter[str] = Counter()
        self._spans_dropped: Counter[str] = Counter()
        self._spans_lost: Counter[str] = Counter()
        self._methods: Counter[str] = Counter()
        self._types: dict[str, TypeCounts] = {}
        self._bins = {True: [0] * BINS, False: [0] * BINS}
        self._renderings: dict[tuple[str, str], Counter[str]] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one row of a projected dataset."""
        self._sentences += 1
        self._translated += bool(row["words"])
        self._kept += bool(row["kept"])
        if row["reason"]:
            self._dropped[row["reason"]] += 1
        sources = row["source_spans"]
        for source in sources:
            self._of_type(source["type"]).source += 1
            key = (" ".join(row["source_words"][source["start"] : source["end"]]), source["type"])
            self._renderings.setdefault(key, Counter())
        for lost in row["lost"]:
            self._spans_lost[lost["reason"]] += 1
        seen: set[int] = set()
        kept: set[int] = set()
        for span in row["spans"]:
            self._add_span(row, span, seen, kept)
        for index in seen:
            counts = self._of_type(sources[index]["type"])
            counts.projected += 1
            counts.kept += index in kept
            counts.used += index in kept and bool(row["kept"])

    def _add_span(
        self, row: Mapping[str, Any], span: Mapping[str, Any], seen: set[int], kept: set[int]
    ) -> None:
        self._methods[span["method"] or "unknown"] += 1
        if span["score"] is None:
            self._unscored += 1
        else:
            self._bins[bool(span["kept"])][score_bin(span["score"])] += 1
        if span["reason"]:
            self._spans_dropped[span["reason"]] += 1
        index = span["source"]
        if index is None:
            return
        seen.add(index)
        if span["kept"]:
            kept.add(index)
            source = row["source_spans"][index]
            text = " ".join(row["source_words"][source["start"] : source["end"]])
            target = " ".join(row["words"][span["start"] : span["end"]])
            self._renderings[text, source["type"]][target] += 1

    def _of_type(self, name: str) -> TypeCounts:
        return self._types.setdefault(name, TypeCounts())

    def result(self, frequent: int = 30, renderings: int = 5) -> ProjectionStatistics:
        """Return the counts.

        Args:
            frequent: How many of the most frequent entities to list.
            renderings: How many renderings of each.
        """
        ranked = sorted(self._renderings.items(), key=lambda kv: (-kv[1].total(), kv[0]))
        total = TypeCounts()
        for counts in self._types.values():
            for name in TypeCounts.model_fields:
                setattr(total, name, getattr(total, name) + getattr(counts, name))
        return ProjectionStatistics(
            lang=self._lang,
            sentences=self._sentences,
            translated=self._translated,
            kept=self._kept,
            dropped=_ordered(self._dropped),
            spans=total,
            spans_dropped=_ordered(self._spans_dropped),
            spans_lost=_ordered(self._spans_lost),
            types=dict(sorted(self._types.items())),
            scores_kept=self._bins[True],
            scores_dropped=self._bins[False],
            unscored=self._unscored,
            methods=_ordered(self._methods),
            frequent=[
                Rendering(
                    text=text, type=kind, count=found.total(), renderings=_top(found, renderings)
                )
                for (text, kind), found in ranked[:frequent]
                if found
            ],
        )


def score_bin(score: float) -> int:
    """Return the bin of a score; what lies outside [0, 1] goes to the outermost bins."""
    return min(BINS - 1, max(0, int(score * BINS)))


def projection_statistics(
    lang: str, rows: Iterable[Mapping[str, Any]], frequent: int = 30
) -> ProjectionStatistics:
    """Count projected rows (see :class:`ProjectionStatistics`)."""
    collector = StatisticsCollector(lang)
    for row in rows:
        collector.add(row)
    return collector.result(frequent=frequent)


def _top(counts: Counter[str], n: int) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda kv: (-kv[1], kv[0]))[:n]


def _ordered(counts: Counter[str]) -> dict[str, int]:
    return dict(_top(counts, len(counts)))
