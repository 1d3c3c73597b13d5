"""``require_all``: sentences that lost an entity."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pipeline.config import ConfigModel
from stages.project.filters.base import Links, Row, SentenceFilter


class RequireAllOptions(ConfigModel):
    """Options of ``require_all``."""

    require_all: bool = Field(
        False, description="drop the sentence if a source span is lost or dropped"
    )


class Filter(SentenceFilter[RequireAllOptions]):
    """Drops sentences with a source span that was lost or dropped."""

    about: ClassVar[str] = "drops sentences with a source span that was lost or dropped"
    reason: ClassVar[str] = "lost_span"
    says: ClassVar[str] = "a source span could not be projected"

    def objects(self, row: Row, links: Links) -> bool:
        """Return whether a source span has no kept span."""
        kept = {s["source"] for s in row["spans"] if s["kept"]}
        return kept != set(range(len(row["source_spans"])))
