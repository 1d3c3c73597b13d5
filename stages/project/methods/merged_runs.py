"""``merged_runs``: the alignment heuristic of 2501.18750."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pipeline.config import ConfigModel
from stages.project.methods.base import ProjectionMethod, ProjectionSetting

if TYPE_CHECKING:
    from stages.project.projector import Projector


class MergedRunsOptions(ConfigModel):
    """Options of ``merged_runs``."""

    merge_distance: int = Field(1, ge=0, description="most words between runs that are merged")
    merge_ratio: float = Field(
        0.8, ge=0, description="a run must be longer than this times the entity"
    )


class MergedRuns(ProjectionMethod[MergedRunsOptions]):
    """Runs of linked words, merged."""

    about: ClassVar[str] = "runs of linked words, merged where they are near, long enough ones kept"

    def build(self, setting: ProjectionSetting) -> Projector:
        """Build the projector."""
        from stages.project.span import RunsProjector

        options = self.options
        distance, ratio = options.merge_distance, options.merge_ratio
        return RunsProjector("merged_runs", setting.min_link, distance, ratio)
