"""``comp_source``: COMP-SRC (García-Ferrero et al. 2022)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pipeline.config import ConfigModel
from stages.project.filters.base import Links, Row, SentenceFilter


class CompSourceOptions(ConfigModel):
    """Options of ``comp_source``."""

    comp_source: bool = Field(
        False, description="COMP-SRC: drop the sentence if an entity word is unaligned"
    )


class Filter(SentenceFilter[CompSourceOptions]):
    """COMP-SRC: drops sentences with an entity word that is unaligned."""

    about: ClassVar[str] = "COMP-SRC: drops sentences with an entity word that is unaligned"
    reason: ClassVar[str] = "comp_source"
    says: ClassVar[str] = "COMP-SRC: an entity word is unaligned"

    needs_links: ClassVar[bool] = True

    def objects(self, row: Row, links: Links) -> bool:
        """Return whether a word of an entity has no link."""
        aligned = {x["source"] for x in links}
        return any(
            i not in aligned for s in row["source_spans"] for i in range(s["start"], s["end"])
        )
