"""``span``: from the smallest to the largest linked target word."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pipeline.kinded import NoOptions
from stages.project.methods.base import ProjectionMethod, ProjectionSetting

if TYPE_CHECKING:
    from stages.project.projector import Projector


class SpanMethod(ProjectionMethod[NoOptions]):
    """The span of the linked words."""

    about: ClassVar[str] = "from the first to the last linked word, holes included"

    def build(self, setting: ProjectionSetting) -> Projector:
        """Build the projector."""
        from stages.project.span import RunsProjector

        return RunsProjector("span", setting.min_link)
