"""What was projected, in numbers: ``inspect_labels RUN --summary``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.artifacts import Artifact, RunFolder
from pipeline.manifest import MANIFEST
from pipeline.stage import Ref
from stages.inspect.pretty import isolated, style_of, visible
from stages.inspect.statistics import (
    BINS,
    FunnelStep,
    ProjectionStatistics,
    funnel,
    projection_statistics,
)
from stages.registry import STAGES

_BLOCKS = " ▁▂▃▄▅▆▇█"


def language_summary(run: RunFolder, lang: str) -> tuple[ProjectionStatistics, list[FunnelStep]]:
    """Count one language of a run, streaming over its projected rows."""
    projected = Artifact(run.path / "project" / lang)
    statistics = projection_statistics(lang, projected.rows())
    return statistics, funnel(language_artifacts(run, lang), statistics)


def language_artifacts(run: RunFolder, lang: str) -> dict[str, Artifact]:
    """Return what a run has finished on the way to one language's training data, by stage."""
    found: dict[str, Artifact] = {}
    for stage in ("translate", "align", "project", "synthesize"):
        artifact = run.artifact(Ref(stage, lang))
        if artifact is not None:
            found[stage] = artifact
    sources = sorted((run.path / "prepare" / "train").glob(f"*/{MANIFEST}"))
    if len(sources) == 1:
        found["prepare"] = Artifact(sources[0].parent)
    return found


def summary_json(run: RunFolder, langs: list[str]) -> list[dict[str, Any]]:
    """Return the summary as JSON values, one object per language."""
    found = []
    for lang in langs:
        statistics, steps = language_summary(run, lang)
        found.append(statistics.model_dump() | {"funnel": [s.model_dump() for s in steps]})
    return found


def summary(run: RunFolder, langs: list[str]) -> Iterator[RenderableType]:
    """Yield what the terminal shows, language by language."""
    for lang in langs:
        statistics, steps = language_summary(run, lang)
        yield Text(f"{lang}", style="bold underline")
        yield _funnel_table(steps)
        yield ""
        for table in (_types_table, _reasons_table, _histogram, _renderings_table):
            if (shown := table(statistics)).row_count:
                yield from (shown, "")


def _plain_table(*columns: str, numbers: int = 0) -> Table:
    """Return a borderless table whose last ``numbers`` columns are aligned to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for position, name in enumerate(columns):
        right = position >= len(columns) - numbers
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    return table


def _funnel_table(steps: list[FunnelStep]) -> Table:
    table = _plain_table("stage", "what is left", "sentences", "entities", numbers=2)
    for step in steps:
        entities = "" if step.entities is None else f"{step.entities:,}"
        table.add_row(step.stage, step.what, f"{step.sentences:,}", entities)
    return table


def _types_table(statistics: ProjectionStatistics) -> Table:
    table = _plain_table(
        "type", "source entities", "projected", "kept", "in kept sentences", "share", numbers=5
    )
    for name, counts in [*statistics.types.items(), ("all", statistics.spans)]:
        share = f"{100 * counts.used / counts.source:.1f} %" if counts.source else "–"
        numbers = (counts.source, counts.projected, counts.kept, counts.used)
        kind = Text(name, style_of(name) if name != "all" else "")
        table.add_row(kind, *(f"{n:,}" for n in numbers), share)
    return table


def _reasons_table(statistics: ProjectionStatistics) -> Table:
    table = _plain_table("dropped", "reason", "meaning", "count", numbers=1)
    for what, reason, n in statistics.reasons():
        table.add_row(what, reason, STAGES.reasons.get(reason, "unknown reason"), f"{n:,}")
    return table


def _histogram(statistics: ProjectionStatistics) -> Table:
    table = _plain_table("scores", f"0{' ' * (BINS - 2)}1", "spans", numbers=1)
    top = max([1, *statistics.scores_kept, *statistics.scores_dropped])
    for name, counts in (
        ("kept", statistics.scores_kept),
        ("dropped", statistics.scores_dropped),
    ):
        bars = "".join(_BLOCKS[-(-8 * n // top)] for n in counts)
        table.add_row(name, bars, f"{sum(counts):,}")
    return table


def _renderings_table(statistics: ProjectionStatistics) -> Table:
    table = _plain_table("frequent entity", "type", "count", "became")
    for item in statistics.frequent[:15]:
        became = "  ".join(f"{isolated(visible(t))} ×{n}" for t, n in item.renderings)
        text = Text(isolated(visible(item.text)))
        table.add_row(text, Text(item.type, style_of(item.type)), f"{item.count:,}", Text(became))
    return table
