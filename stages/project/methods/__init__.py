"""The projection methods that there are, by name; one module each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pipeline.kinds import Kinds

if TYPE_CHECKING:
    from stages.project.methods.base import ProjectionMethod

METHODS: Final[Kinds[type[ProjectionMethod[Any]]]] = Kinds(
    "method",
    "xlner.projectors",
    {
        "candidates": "stages.project.methods.candidates:CandidatesMethod",
        "span": "stages.project.methods.span:SpanMethod",
        "merged_runs": "stages.project.methods.merged_runs:MergedRuns",
        "published": "stages.project.methods.published:Published",
        "markers": "stages.project.methods.markers:Markers",
        "ensemble": "stages.project.methods.ensemble:EnsembleMethod",
    },
)
