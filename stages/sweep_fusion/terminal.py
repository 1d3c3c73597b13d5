"""The comparison of a sweep for the terminal."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType


def shown(folder: Path) -> RenderableType:
    """Return the comparison for the terminal, from ``comparison.csv``: one table per fusion."""
    from rich.console import Group
    from rich.text import Text

    with (folder / "comparison.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    note = Text(
        "F1: mean ± deviation over the seeds. p seeds: paired t-test over the seeds; p: "
        "approximate randomisation over sentences (Holm over the languages). best: the layer that "
        f"is best on this very set, an upper bound. Figure: {folder / 'sweep.png'}",
        style="dim",
    )
    fusions = dict.fromkeys(r["fusion"] for r in rows)
    return Group(*(_table([r for r in rows if r["fusion"] == f]) for f in fusions), note)


def _table(rows: Sequence[Mapping[str, str]]) -> RenderableType:
    from rich.table import Table

    chosen = [r for r in rows if r["chosen_by"].startswith("dev/")]
    own = {r["set"]: r for r in rows if r["chosen_by"] == r["set"]}
    layer = f" with layer {rows[0]['layer']} (chosen on {rows[0]['chosen_by']})"
    table = Table(
        title=f"{rows[0]['fusion']}{layer if rows[0]['layer'] else ''}, and the last layer alone",
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    columns = ("on", "none", "fused", "difference", "p seeds", "p", "best")
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    for row in chosen:
        best = own.get(row["set"])
        table.add_row(
            row["set"],
            _points(row["base_mean"], row["base_sd"]),
            _points(row["fused_mean"], row["fused_sd"]),
            f"{100 * float(row['difference']):+.1f}",
            f"{float(row['p_seeds']):.3f}" if row["p_seeds"] else "–",
            f"{float(row['p_adjusted'] or row['p_sentences']):.3f}",
            f"{best['layer']}: {100 * float(best['difference']):+.1f}" if best else "",
        )
    return table


def _points(mean: str, sd: str) -> str:
    return f"{100 * float(mean):.1f} ± {100 * float(sd):.1f}"
