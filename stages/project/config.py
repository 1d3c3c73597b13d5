"""Options of the stage ``project``."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.config import ConfigModel, StageConfig

Method = Literal["candidates", "span", "merged_runs", "published", "markers", "ensemble"]


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
    min_language_score: float | None = Field(
        None,
        ge=0,
        le=1,
        description="drop the sentence if language identification gives its language a lower "
        "probability (reason wrong_language)",
    )


class ProjectConfig(StageConfig):
    """How labels get from the source sentence on to the target sentence."""

    deciding: ClassVar[frozenset[str]] = frozenset({"filters"})

    method: Method = Field("candidates", description="the projector")
    solver: Literal["exact", "greedy"] = Field(
        "exact", description="candidates: how overlaps between entities are settled"
    )
    corpus_statistics: bool = Field(
        True, description="candidates: learn renderings and habits in a first pass over the corpus"
    )
    translate_entities: bool = Field(
        False,
        description="candidates: translate every distinct entity by itself with the run's "
        "translator; what the sentence says is compared with that as well",
    )
    weights: str | None = Field(
        None, description="candidates: a file of fitted weights instead of those that ship"
    )
    candidate_tagger: str | None = Field(
        None,
        description="candidates: folder of a tagger whose spans in the target sentence are a "
        "source of candidates",
    )
    candidate_use: Literal["prefer", "only"] = Field(
        "prefer",
        description="candidates: spans of candidate_tagger are preferred, or nothing else is taken",
    )
    min_link: float = Field(
        0.5,
        ge=0,
        le=1,
        description="span, merged_runs, published, and the filters COMP-SRC and COMP-TGT: links "
        "weaker than this are ignored",
    )
    merge_distance: int = Field(
        1, ge=0, description="merged_runs: most words between runs that are merged"
    )
    merge_ratio: float = Field(
        0.8, ge=0, description="merged_runs: a run must be longer than this times the entity"
    )
    markers: tuple[str, str] = Field(
        ("[", "]"), description="markers: the brackets around entities in the marked translation"
    )
    marker_style: Literal["auto", "brackets", "insert", "replace", "xml"] = Field(
        "auto",
        description="markers: what the marked translation holds: brackets (EasyProject), or CROP's "
        "numbered slots __SLOT0__ around an entity (insert) or in its place (replace), or tags "
        "<a>…</a> (xml); auto: what "
        "translate.markers puts there",
    )
    members: list[Literal["candidates", "span", "merged_runs", "published", "markers"]] = Field(
        default=["candidates", "span", "merged_runs"],
        min_length=1,
        description="ensemble: the projectors, the most trusted first",
    )
    filters: FilterConfig = FilterConfig()
