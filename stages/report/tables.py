"""The comparison for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stages.evaluate.results import PROJECTION, Results, Summary, SweepPoint, SweepResult
from stages.evaluate.sweeps import swept_aside
from stages.own_arms import short
from stages.report.answer import answer
from stages.report.figures import p_text, percent, signed, verdict_text


def _cell(summary: Summary | None, best: bool) -> str:
    if summary is None:
        return "[dim]–[/dim]"
    spread = f" ± {percent(summary.f1_std)}" if summary.f1_std is not None else ""
    mean = f"[bold]{percent(summary.f1)}[/bold]" if best else percent(summary.f1)
    # Whole points, so that five languages fit into 80 columns; the CSV has the decimals.
    return f"{mean}{spread}\n[dim]{100 * summary.f1_low:.0f}–{100 * summary.f1_high:.0f}[/dim]"


def columns(scores: Results) -> list[str | None]:
    """Return the columns of the comparison: target languages, their mean (``None``), source."""
    found: list[str | None] = [*scores.scored_languages()]
    if any(s.lang is None for s in scores.summary):
        found.insert(len(found) - (scores.source in found), None)
    return found


def _table(title: str, caption: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption=caption,
        caption_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )


def results_table(scores: Results) -> Table:
    """Return F1 by arm (rows) and language (columns): mean ± deviation, and the interval below.

    Args:
        scores: What ``evaluate`` found (:func:`stages.evaluate.results.load_results`).
    """
    aside = swept_aside(scores)  # the table of their sweep has them
    arms = [arm for arm in scores.scored_arms() if arm not in aside]
    langs = columns(scores)
    seeds = max((len([n for n in s.seeds if n is not None]) for s in scores.summary), default=0)
    mean = f"mean{' ± deviation' if seeds > 1 else ''} over {seeds} seed{'s' * (seeds > 1)}; "
    table = _table(
        "F1, strict IOB2",
        f"{mean if seeds else ''}below: the {100 * scores.confidence:.0f} % interval over "
        "sentences",
    )
    # On a narrow terminal intervals may be cut short, the names of the arms may not.
    table.add_column("arm", no_wrap=True, min_width=max(map(len, arms), default=3))
    for lang in langs:
        name = f"{lang} (source)" if lang == scores.source else lang or "mean"
        table.add_column(name, justify="right", no_wrap=True)
    rivals = [arm for arm in arms if arm != PROJECTION and arm not in scores.informed]
    best = {
        lang: max(
            (s.f1 for arm in rivals if (s := scores.of(arm, lang))),
            default=None,
        )
        for lang in langs
    }
    for arm in arms:
        cells = []
        for lang in langs:
            found = scores.of(arm, lang)
            is_best = found is not None and arm in rivals and found.f1 == best[lang]
            cells.append(_cell(found, is_best and len(arms) > 1))
        table.add_row(arm, *cells)
    return table


def sweep_table(sweep: SweepResult) -> Table:
    """Return the F1 of every arm of a sweep (rows) on every set (columns), mean ± deviation."""
    sets = list(dict.fromkeys((p.key, p.lang) for p in sweep.points))
    chosen = f"; * is what source dev chooses ({sweep.chosen})" if sweep.chosen else ""
    table = _table(
        f"{sweep.name}: F1 by {', '.join(sweep.keys)}",
        f"mean ± deviation over the seeds; bold: the best on this very set, an upper bound{chosen}",
    )
    table.add_column(", ".join(k.rpartition(".")[2] for k in sweep.keys), no_wrap=True)
    for key, lang in sets:
        name = "source dev" if key == "dev" else lang or "mean"
        table.add_column(name, justify="right", no_wrap=True)
    best = {
        of: max((p.f1 for p in sweep.points if p.values and (p.key, p.lang) == of), default=None)
        for of in sets
    }
    for arm in dict.fromkeys(p.arm for p in sweep.points):
        mine = {(p.key, p.lang): p for p in sweep.points if p.arm == arm}
        values = next(iter(mine.values())).values
        name = ", ".join(map(short, values)) if values else arm
        cells = [_point(mine.get(of), best[of]) for of in sets]
        table.add_row(f"{name} *" if arm == sweep.chosen else name, *cells)
    return table


def _point(point: SweepPoint | None, best: float | None) -> str:
    if point is None:
        return "[dim]–[/dim]"
    spread = f" ± {percent(point.f1_std)}" if point.f1_std is not None else ""
    told = f"{percent(point.f1)}{spread}"
    return f"[bold]{told}[/bold]" if point.values and point.f1 == best else told


def comparisons_table(scores: Results) -> Table:
    """Return the paired comparisons: difference with its interval, p after Holm, verdict."""
    how = (
        "± deviation over seeds; interval and p over sentences and seeds"
        if scores.several_seeds
        else "approximate randomisation"
    )
    table = _table(
        "Compared on the same sentences and seeds",
        f"{how}; p after Holm's correction for {len(scores.comparisons)} comparisons",
    )
    table.add_column("pair", no_wrap=True)
    table.add_column("lang", no_wrap=True)
    for name in ("difference", "interval", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    styles = {"better": "green", "worse": "red", "same": "dim"}
    for c in scores.comparisons:
        spread = "" if c.difference_std is None else f" ± {percent(c.difference_std)}"
        table.add_row(
            f"{c.first} − {c.second}",
            c.lang or "mean",
            signed(c.difference) + spread,
            f"{signed(c.low)} … {signed(c.high)}",
            p_text(c.p_adjusted),
            f"[{styles[c.verdict]}]{verdict_text(c)}[/]",
        )
    return table


def shown(scores: Results) -> RenderableType:
    """Return everything that a run shows in the terminal at its end."""
    parts: list[RenderableType] = []
    if scores.summary:
        parts += [results_table(scores), ""]
    for sweep in scores.sweeps:
        parts += [sweep_table(sweep), ""]
    if scores.comparisons:
        parts += [comparisons_table(scores), ""]
    parts += [Text(answer(scores).text), ""]
    return Padding(Group(*parts), (1, 0, 0, 0))
