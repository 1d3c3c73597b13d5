"""``markers``: entities are read off a translation that was marked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field

from stages.project.methods.base import ProjectionSetting
from stages.project.methods.candidates import CandidateOptions, CandidatesMethod

if TYPE_CHECKING:
    from stages.project.projector import Projector


class MarkerOptions(CandidateOptions):
    """Options of ``markers``; those of ``candidates`` are for entities whose marker was lost."""

    markers: tuple[str, str] = Field(
        ("[", "]"), description="the brackets around entities in the marked translation"
    )
    marker_style: Literal["auto", "brackets", "insert", "replace", "xml"] = Field(
        "auto",
        description="what the marked translation holds: brackets (EasyProject), or CROP's numbered "
        "slots __SLOT0__ around an entity (insert) or in its place (replace), or tags <a>…</a> "
        "(xml); auto: what translate.markers puts there",
    )


class Markers(CandidatesMethod[MarkerOptions]):
    """Markers in the translation."""

    about: ClassVar[str] = "entities are read off marked translations (EasyProject, CROP)"
    marked: ClassVar[bool] = True

    def with_markers(self, style: str) -> Self:
        """Return itself with the style that ``translate.markers`` sets, if its own is ``auto``."""
        if self.options.marker_style != "auto":
            return self
        style = "brackets" if style == "none" else style
        return type(self)(self.options.model_copy(update={"marker_style": style}))

    def problems(self, style: str, config_dir: Path | None) -> Iterator[tuple[str, str]]:
        """Yield styles that do not fit, too."""
        yield from super().problems(style, config_dir)
        told = self.options.marker_style
        if style == "none":
            yield (
                "method",
                "'markers' needs marked translations, but translate.markers is none; "
                "set it to xml, brackets, insert or replace",
            )
        elif told not in ("auto", style):
            yield (
                "marker_style",
                f"{told!r}, but translate.markers is {style!r}: leave one of the two out, or set "
                "both to the same",
            )
        if not all(marker.strip() for marker in self.options.markers):
            yield "markers", "a marker must not be empty or white space"

    def build(self, setting: ProjectionSetting) -> Projector:
        """Build the projector."""
        from stages.project.markers import MarkerProjector

        told = self.options.marker_style
        style = "brackets" if told == "auto" else told
        return MarkerProjector(super().build(setting), self.options.markers, style)
