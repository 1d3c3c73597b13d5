"""What happened to sentences and entities of one language, by stage and in its projected rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from pipeline.artifacts import Artifact

BINS: Final = 20
"""Bins of the score histogram; bin ``i`` holds scores in ``[i / BINS, (i + 1) / BINS)``."""

_FREQUENT: Final = 30  # source entities that are listed
_RENDERINGS: Final = 5  # of each


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

    def reasons(self) -> Iterator[tuple[str, str, int]]:
        """Yield what was dropped or lost, why, and how often."""
        for what, counts in (
            ("sentences", self.dropped),
            ("target spans", self.spans_dropped),
            ("source entities lost", self.spans_lost),
        ):
            for reason, n in counts.items():
                yield what, reason, n


def projection_statistics(lang: str, rows: Iterable[Mapping[str, Any]]) -> ProjectionStatistics:
    """Count projected rows, streaming; memory grows with the distinct entities."""
    found = ProjectionStatistics(lang=lang, scores_kept=[0] * BINS, scores_dropped=[0] * BINS)
    became: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        _count(row, found, became)
    types = found.types = dict(sorted(found.types.items()))
    sums = {k: sum(getattr(c, k) for c in types.values()) for k in TypeCounts.model_fields}
    found.spans = TypeCounts(**sums)
    for counts in ("dropped", "spans_dropped", "spans_lost", "methods"):
        setattr(found, counts, dict(_ranked(getattr(found, counts))))
    frequent = sorted(became.items(), key=lambda item: (-item[1].total(), item[0]))[:_FREQUENT]
    found.frequent = [
        Rendering(text=text, type=kind, count=by.total(), renderings=_ranked(by)[:_RENDERINGS])
        for (text, kind), by in frequent
        if by
    ]
    return found


def _count(
    row: Mapping[str, Any],
    found: ProjectionStatistics,
    became: dict[tuple[str, str], Counter[str]],
) -> None:
    """Count one row of a projected dataset, and what its entities became by text and type."""
    found.sentences += 1
    found.translated += bool(row["words"])
    found.kept += bool(row["kept"])
    if row["reason"]:
        _add(found.dropped, row["reason"])
    sources = [(_text(row["source_words"], s), s["type"]) for s in row["source_spans"]]
    for source in sources:
        found.types.setdefault(source[1], TypeCounts()).source += 1
        became.setdefault(source, Counter())
    for lost in row["lost"]:
        _add(found.spans_lost, lost["reason"])
    projected: dict[int, bool] = {}  # source spans, and whether a target span of theirs is kept
    for span in row["spans"]:
        _add(found.methods, span["method"] or "unknown")
        if span["reason"]:
            _add(found.spans_dropped, span["reason"])
        if span["score"] is None:
            found.unscored += 1
        else:  # what lies outside [0, 1] goes to the outermost bins
            scores = found.scores_kept if span["kept"] else found.scores_dropped
            scores[min(BINS - 1, max(0, int(span["score"] * BINS)))] += 1
        if (index := span["source"]) is not None:
            projected[index] = projected.get(index, False) or bool(span["kept"])
            if span["kept"]:
                became[sources[index]][_text(row["words"], span)] += 1
    for index, kept in projected.items():
        counts = found.types[sources[index][1]]
        counts.projected += 1
        counts.kept += kept
        counts.used += kept and bool(row["kept"])


def _text(words: Sequence[str], span: Mapping[str, Any]) -> str:
    return " ".join(words[span["start"] : span["end"]])


def _add(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


def _ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


class FunnelStep(BaseModel):
    """What is left after one stage.

    Attributes:
        stage: Name of the stage.
        what: What is counted, in words.
        sentences: Sentences that are left.
        entities: Entities that are left, where they are known.
        dropped: Sentences dropped here, by reason.
    """

    model_config = ConfigDict(extra="forbid")

    stage: str
    what: str
    sentences: int
    entities: int | None = None
    dropped: dict[str, int] = {}


def funnel(artifacts: Mapping[str, Artifact], projected: ProjectionStatistics) -> list[FunnelStep]:
    """Return the steps of one language.

    Args:
        artifacts: The outputs of that language by stage, as far as there are any: ``prepare`` (the
            source training data), ``translate``, ``align``, ``project``, ``synthesize``.
        projected: Counts over the projected rows.
    """
    steps: list[FunnelStep] = []
    if "prepare" in artifacts:
        steps.append(
            FunnelStep(
                stage="prepare",
                what="labelled source sentences",
                sentences=artifacts["prepare"].num_rows,
                entities=projected.spans.source,
            )
        )
    for stage, what in (("translate", "translated"), ("align", "aligned")):
        if stage in artifacts:
            dropped = artifacts[stage].manifest.drops.get("rows", {})
            left = artifacts[stage].num_rows - sum(dropped.values())
            steps.append(FunnelStep(stage=stage, what=what, sentences=left, dropped=dropped))
    steps.append(
        FunnelStep(
            stage="project",
            what="projected sentences kept for training",
            sentences=projected.kept,
            entities=projected.spans.used,
            dropped=projected.dropped,
        )
    )
    if "synthesize" in artifacts:
        synthetic = artifacts["synthesize"]
        dropped = synthetic.manifest.drops.get("rows", {})
        steps.append(
            FunnelStep(
                stage="synthesize",
                what="synthetic sentences kept (added)",
                sentences=synthetic.num_rows - sum(dropped.values()),
                dropped=dropped,
            )
        )
    return steps
