"""``restrict_target``: RESTRICT-TGT (García-Ferrero et al. 2022)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pipeline.config import ConfigModel
from stages.project.filters.base import Row, SpanFilter


class RestrictTargetOptions(ConfigModel):
    """Options of ``restrict_target``."""

    restrict_target: bool = Field(
        False, description="RESTRICT-TGT: drop spans of several words for a one-word entity"
    )


class Filter(SpanFilter[RestrictTargetOptions]):
    """RESTRICT-TGT: drops spans of several words for a one-word entity."""

    about: ClassVar[str] = "RESTRICT-TGT: drops spans of several words for a one-word entity"
    reason: ClassVar[str] = "restrict_target"
    says: ClassVar[str] = "RESTRICT-TGT: more than one target word for a one-word entity"

    def objects(self, row: Row, span: Row, source: Row) -> bool:
        """Return whether one word became several."""
        return bool(source["end"] - source["start"] == 1 and span["end"] - span["start"] > 1)
