"""Options of the stage ``project``."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from pipeline.config import StageConfig
from pipeline.kinded import KindedConfig
from pipeline.kinds import Kinds
from pipeline.pooled import PooledConfig
from stages.project.filters import FILTERS
from stages.project.filters.base import Filter, PairFilter, SentenceFilter, SpanFilter
from stages.project.methods import METHODS

if TYPE_CHECKING:
    from stages.project.methods.base import ProjectionMethod

_log = logging.getLogger(__name__)


class PairFilters(PooledConfig):
    """Drop sentences whose translation went wrong; each can be switched off with ``null``.

    docs/projection.md has what the thresholds keep and drop of good and of bad translations.
    """

    pool: ClassVar[Kinds[Any]] = FILTERS
    base: ClassVar[tuple[type, ...]] = (PairFilter,)


class FilterConfig(PooledConfig):
    """Decisions on stored scores; moving them never needs another projection."""

    pool: ClassVar[Kinds[Any]] = FILTERS
    base: ClassVar[tuple[type, ...]] = (SpanFilter, SentenceFilter)

    pairs: PairFilters | None = Field(
        default_factory=PairFilters,
        description="what a translation has to be like; null: train on all of them",
    )
    best_translation: bool = Field(
        False,
        description="of several translations of a sentence (translate.num_hypotheses, systems of "
        "data.parallel) use only the one on to which labels project best: the greatest sum of "
        "scores of kept spans",
    )

    def spans_only(self) -> FilterConfig:
        """Return the same without filters that drop whole sentences."""
        return self._keeping(lambda kind: issubclass(kind, SpanFilter), None)

    def without_links(self) -> FilterConfig:
        """Return the same without filters that ask for alignment links."""
        found = self._keeping(lambda kind: not getattr(kind, "needs_links", False), self.pairs)
        return found.model_copy(update={"best_translation": self.best_translation})

    def _keeping(
        self, keep: Callable[[type[Filter[Any]]], bool], pairs: PairFilters | None
    ) -> FilterConfig:
        # A sentence filter whose keys are not given is off.
        kept = [name for name, kind in self.members().items() if keep(kind)]
        keys = {k: v for name in kept for k, v in self._options[name].model_dump().items()}
        return FilterConfig.model_validate(keys | {"pairs": pairs})

    @cached_property
    def of_spans(self) -> list[SpanFilter[Any]]:
        """The filters of spans that are on, in their order."""
        return [kind for kind in self.kinds.values() if isinstance(kind, SpanFilter)]

    @cached_property
    def of_sentences(self) -> list[SentenceFilter[Any]]:
        """The filters of whole sentences that are on, in their order."""
        return [kind for kind in self.kinds.values() if isinstance(kind, SentenceFilter)]

    @cached_property
    def needs_links(self) -> bool:
        """Whether a filter asks for the alignment links."""
        return any(kind.needs_links for kind in self.of_sentences)


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
        default_factory=FilterConfig, description="which projected spans and sentences are used"
    )

    def identity(self) -> dict[str, Any]:
        """Return the options that decide the result.

        The scores of other packages' pair filters are stored with those that ship, whether or not
        a threshold is set: they are part of it by name.
        """
        others = [n for n in PairFilters.members() if n not in FILTERS.own]
        return super().identity() | ({"pair_scores": others} if others else {})

    @classmethod
    def modernised(cls, values: Any) -> Any:
        """Hand options that stand beside ``members`` on to the members that have them."""
        if not isinstance(values, Mapping) or values.get("method") != "ensemble":
            return values
        if not isinstance(values.get("members", []), list):
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


def min_link_problem(config: ProjectConfig) -> str | None:
    """Return why ``min_link`` does nothing, or ``None`` where something reads it."""
    if config.filters.needs_links or not all(m.weighs_links for m in method_of(config).members()):
        return None
    return (
        f"does nothing: the method {config.method!r} weighs links by their probability; it is for "
        f"{', '.join(name for name in METHODS if not METHODS[name].weighs_links)}, and for filters "
        "that count links"
    )


def method_of(config: ProjectConfig) -> ProjectionMethod[Any]:
    """Return the method of ``config``, with its options."""
    method: ProjectionMethod[Any] = config.kind("method")
    return method
