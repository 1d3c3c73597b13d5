"""``comp_target``: COMP-TGT (García-Ferrero et al. 2022)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from pipeline.config import ConfigModel
from stages.project.filters.base import Links, Row, SentenceFilter


class CompTargetOptions(ConfigModel):
    """Options of ``comp_target``."""

    comp_target: bool = Field(
        False, description="COMP-TGT: drop the sentence if a projected span has holes"
    )


class Filter(SentenceFilter[CompTargetOptions]):
    """COMP-TGT: drops sentences with a projected span that has holes."""

    about: ClassVar[str] = "COMP-TGT: drops sentences with a projected span that has holes"
    reason: ClassVar[str] = "comp_target"
    says: ClassVar[str] = "COMP-TGT: a projected span has holes"

    needs_links: ClassVar[bool] = True

    def objects(self, row: Row, links: Links) -> bool:
        """Return whether a word of a kept span has no link to its entity."""
        for span in row["spans"]:
            if not span["kept"]:
                continue
            source = row["source_spans"][span["source"]]
            linked = {x["target"] for x in links if source["start"] <= x["source"] < source["end"]}
            if any(j not in linked for j in range(span["start"], span["end"])):
                return True
        return False
