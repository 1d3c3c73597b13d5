"""``published``: the candidate matching of 2501.18750 as it was published."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stages.project.methods.base import ProjectionMethod, ProjectionSetting
from stages.project.methods.candidates import SolverOptions

if TYPE_CHECKING:
    from stages.project.projector import Projector


class Published(ProjectionMethod[SolverOptions]):
    """Candidates by counts of links."""

    about: ClassVar[str] = "candidate matching by links alone, as published (arXiv 2501.18750)"

    def build(self, setting: ProjectionSetting) -> Projector:
        """Build the projector."""
        from stages.project.candidate import PublishedProjector

        return PublishedProjector(setting.min_link, self.options.solver)
