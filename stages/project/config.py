"""Options of the stage ``project``."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from pipeline.config import ConfigModel, StageConfig
from pipeline.kinded import KindedConfig
from pipeline.kinds import Kinds
from stages.project.methods import METHODS

if TYPE_CHECKING:
    from stages.project.methods.base import ProjectionMethod

_log = logging.getLogger(__name__)


class PairFilters(ConfigModel):
    """Drop sentences whose translation went wrong; each can be switched off with ``null``.

    The scores are those of :mod:`stages.project.pairs`; docs/projection.md has what the thresholds
    keep and drop of good and of bad translations.
    """

    max_repetition: float | None = Field(
        0.2, ge=0, le=1, description="largest share of words that repeat those before them"
    )
    max_doubled_names: int | None = Field(
        1, ge=0, description="how often more the translation may have a name than the source"
    )
    max_copied: float | None = Field(
        0.6, ge=0, le=1, description="largest share of the source's own words that are copied"
    )
    min_language: float | None = Field(
        0.1, ge=0, le=1, description="least probability of the target language (py3langid)"
    )
    max_length_ratio: float | None = Field(
        2.0, gt=1, description="largest deviation from the corpus' median length ratio, as a factor"
    )
    max_lost_names: float | None = Field(
        0.8, ge=0, le=1, description="largest share of names and numbers that are not there"
    )


class FilterConfig(ConfigModel):
    """Decisions on stored scores; moving them never needs another projection."""

    min_score: float = Field(
        0.2, ge=0, le=1, description="drop spans that score less (reason low_score)"
    )
    max_length_ratio: float | None = Field(
        None,
        gt=1,
        description="drop spans that have more than this times as many characters as their source "
        "span, or fewer by the same factor (reason length_ratio)",
    )
    restrict_target: bool = Field(
        False, description="RESTRICT-TGT: drop spans of several words for a one-word entity"
    )
    comp_source: bool = Field(
        False, description="COMP-SRC: drop the sentence if an entity word is unaligned"
    )
    comp_target: bool = Field(
        False, description="COMP-TGT: drop the sentence if a projected span has holes"
    )
    comp_instances: bool = Field(
        False,
        description="COMP-INS: drop the sentence if the number of entities of a type differs "
        "between source and target",
    )
    require_all: bool = Field(
        False, description="drop the sentence if a source span is lost or dropped"
    )
    pairs: PairFilters | None = Field(
        PairFilters(), description="what a translation has to be like; null: train on all of them"
    )


class ProjectConfig(KindedConfig, StageConfig):
    """How labels get from the source sentence on to the target sentence.

    Each method has options of its own, see :mod:`stages.project.methods`.
    """

    kinds: ClassVar[Mapping[str, Kinds[Any]]] = {"method": METHODS}
    deciding: ClassVar[frozenset[str]] = frozenset({"filters"})

    method: str = Field("candidates", description="the projector")
    min_link: float = Field(
        0.5,
        ge=0,
        le=1,
        description="span, merged_runs, published, and the filters COMP-SRC and COMP-TGT: links "
        "weaker than this are ignored",
    )
    systems: list[str] | None = Field(
        None,
        min_length=1,
        description="use only what these systems translated (data.parallel); default: all of them",
    )
    filters: FilterConfig = Field(
        default=FilterConfig(), description="which projected spans and sentences are used"
    )

    @classmethod
    def modernised(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Hand options that stand beside ``members`` on to the members that have them."""
        if values.get("method") != "ensemble" or not isinstance(values.get("members", []), list):
            return values
        members = values.get("members", ["candidates", "span", "merged_runs"])
        named = [{"method": m} if isinstance(m, str) else m for m in members]
        moved = {
            key
            for key in values.keys() - cls.model_fields.keys() - {"members"}
            for m in named
            if m.get("method") in METHODS and key in METHODS[m["method"]].Options.model_fields
        }
        if not moved:
            return values
        for member in named:
            fields = METHODS[member["method"]].Options.model_fields
            member.update({k: values[k] for k in sorted(moved) if k in fields and k not in member})
        new = {k: v for k, v in values.items() if k not in moved} | {"members": named}
        _log.warning(
            "project: options of an ensemble's members stand with the members now; the old form is "
            "read for one release. Write: members: %s",
            json.dumps(named),
        )
        return new


def method_of(config: ProjectConfig) -> ProjectionMethod[Any]:
    """Return the method of ``config``, with its options."""
    method: ProjectionMethod[Any] = config.kind("method")
    return method
