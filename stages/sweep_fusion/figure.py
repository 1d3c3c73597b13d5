"""The figure of a sweep: F1 over fusion layers, the last layer alone as a band."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stages.sweep_fusion.summary import LayerScore


def draw(scores: Sequence[LayerScore], path: Path) -> None:
    """Draw one panel per set: a curve per fusion, a band per kind without layers, as PNG.

    Error bars and bands are one standard deviation over the seeds.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sets = list(dict.fromkeys(s.set for s in scores))
    columns = min(3, len(sets))
    rows = -(-len(sets) // columns)
    figure = Figure(figsize=(3.6 * columns, 3.0 * rows + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, name in zip(axes, sets, strict=False):
        _panel(axis, [s for s in scores if s.set == name])
        axis.set_title(name)
    for axis in axes[len(sets) :]:
        axis.set_visible(False)
    for axis in axes[::columns]:
        axis.set_ylabel("span F1")
    axes[0].legend(fontsize="small")
    figure.supxlabel("fusion layer (0: embeddings)")
    # Without the library's version in it, the same sweep gives the same bytes.
    figure.savefig(path, dpi=150, metadata={"Software": None})


def _panel(axis: Any, scores: Sequence[LayerScore]) -> None:
    for kind in dict.fromkeys(s.fusion for s in scores if s.layer is not None):
        points = [s for s in scores if s.fusion == kind]
        axis.errorbar(
            [s.layer for s in points],
            [100 * s.mean for s in points],
            [100 * s.sd for s in points],
            marker="o",
            capsize=2,
            label=kind,
        )
        axis.set_xticks([s.layer for s in points])
    for number, score in enumerate(s for s in scores if s.layer is None):
        colour = ("grey", "tab:olive")[number % 2]
        mean, spread = 100 * score.mean, 100 * score.sd
        label = "last layer alone" if score.fusion == "none" else score.fusion
        axis.axhline(mean, color=colour, linestyle="--", label=label)
        axis.axhspan(mean - spread, mean + spread, color=colour, alpha=0.15)
