"""``comp_instances``: COMP-INS (García-Ferrero et al. 2022)."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from pydantic import Field

from pipeline.config import ConfigModel
from stages.project.filters.base import Links, Row, SentenceFilter


class CompInstancesOptions(ConfigModel):
    """Options of ``comp_instances``."""

    comp_instances: bool = Field(
        False,
        description="COMP-INS: drop the sentence if the number of entities of a type differs "
        "between source and target",
    )


class Filter(SentenceFilter[CompInstancesOptions]):
    """COMP-INS: drops sentences whose number of entities of a type differs from the source's."""

    about: ClassVar[str] = (
        "COMP-INS: drops sentences whose number of entities of a type differs from the source's"
    )
    reason: ClassVar[str] = "comp_instances"
    says: ClassVar[str] = "COMP-INS: the number of entities differs between source and target"

    def objects(self, row: Row, links: Links) -> bool:
        """Return whether the types of the kept spans are not those of the source."""
        kept = Counter(s["type"] for s in row["spans"] if s["kept"])
        return kept != Counter(s["type"] for s in row["source_spans"])
