"""Options of the stage ``external``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from pipeline.config import StageConfig
from pipeline.kinded import KindedConfig
from pipeline.kinds import Kinds
from stages.external.kinds import TAGGERS

if TYPE_CHECKING:
    from stages.external.kinds.base import TaggerKind

FILE = "external.json"
"""What stands in the folder of a tagger from elsewhere, in the place of weights."""


class ExternalConfig(KindedConfig, StageConfig):
    """A tagger from elsewhere, and what its labels are called here."""

    kinds: ClassVar[Mapping[str, Kinds[Any]]] = {"tagger": TAGGERS}

    tagger: str = Field("transformers", description="the kind of tagger")
    model: str | dict[str, str] | None = Field(
        None,
        description="the tagger: folder, hub id, or name of an installed package; or one for each "
        "language: {fr: fr_core_news_md, es: es_core_news_sm}",
    )
    map: dict[str, str] = Field(
        default_factory=dict,
        description="what its labels are called here, {PERSON: PER, GPE: LOC, MISC: O}; a label "
        "that is one of the run's types needs no entry, one that is neither is O",
    )

    def tagger_kind(self) -> TaggerKind[Any]:
        """Return the kind of tagger, with its options."""
        found: TaggerKind[Any] = self.kind("tagger")
        return found

    def model_for(self, lang: str) -> str | None:
        """Return the tagger of a language, if one is named."""
        return self.model.get(lang) if isinstance(self.model, dict) else self.model

    def mapped(self, labels: Iterable[str], types: Iterable[str]) -> dict[str, str]:
        """Return the run's type for each of the tagger's labels that has one."""
        known = set(types)
        named = {label: self.map.get(label, label) for label in labels}
        return {label: name for label, name in named.items() if name in known}
