"""``candidates``: every range of the target is a candidate, scored by fitted weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

from pydantic import Field

from pipeline.config import ConfigModel
from pipeline.errors import DataError
from pipeline.resources import resolve_path
from stages.external.config import FILE as EXTERNAL
from stages.project.methods.base import ProjectionMethod, ProjectionSetting

if TYPE_CHECKING:
    from stages.project.matching import Weights
    from stages.project.projector import Projector


class SolverOptions(ConfigModel):
    """How one candidate per entity is chosen."""

    solver: Literal["exact", "greedy"] = Field(
        "exact", description="how overlaps between entities are settled"
    )


class CandidateOptions(SolverOptions):
    """Options of ``candidates``."""

    corpus_statistics: bool = Field(
        True, description="learn renderings and habits in a first pass over the corpus"
    )
    translate_entities: bool = Field(
        False,
        description="translate every distinct entity by itself with the run's translator; what the "
        "sentence says is compared with that as well",
    )
    weights: str | None = Field(
        None, description="a file of fitted weights instead of those that ship"
    )
    candidate_tagger: str | None = Field(
        None,
        description="folder of a tagger whose spans in the target sentence are a source of "
        "candidates; that of one from elsewhere in a run: artifacts/runs/NAME/external/ARM/LANG",
    )
    candidate_use: Literal["prefer", "only"] = Field(
        "prefer",
        description="spans of candidate_tagger are preferred, or nothing else is taken",
    )


C = TypeVar("C", bound=CandidateOptions, covariant=True)


class CandidatesMethod(ProjectionMethod[C]):
    """Fitted candidate matching."""

    about: ClassVar[str] = "every range is a candidate, scored by fitted weights, solved exactly"
    Options: ClassVar[type[ConfigModel]] = CandidateOptions
    weighs_links: ClassVar[bool] = True

    @property
    def first_pass(self) -> bool:
        """Whether it wants the statistics of a first pass over the corpus."""
        return self.options.corpus_statistics

    @property
    def translates_entities(self) -> bool:
        """Whether it wants every distinct entity translated by itself."""
        return self.options.translate_entities

    def weights(self, config_dir: Path | None) -> Weights | None:
        """Read the file of weights, if one is named."""
        if self.options.weights is None:
            return None
        from stages.project.matching import Weights

        return Weights.read(resolve_path(self.options.weights, config_dir))

    def files(self) -> Mapping[str, str]:
        """Return the weights and the tagger."""
        options = self.options
        named = {"weights": options.weights, "candidate_tagger": options.candidate_tagger}
        return {key: path for key, path in named.items() if path}

    def problems(self, style: str, config_dir: Path | None) -> Iterator[tuple[str, str]]:
        """Yield weights that cannot be read, and a tagger that is none."""
        try:
            self.weights(config_dir)
        except DataError as error:
            yield "weights", str(error)
        if self.options.candidate_tagger is not None:
            folder = resolve_path(self.options.candidate_tagger, config_dir)
            if not any((folder / name).is_file() for name in ("config.json", EXTERNAL)):
                yield "candidate_tagger", f"{folder} holds no tagger"

    def build(self, setting: ProjectionSetting) -> Projector:
        """Build the projector that scores candidates."""
        from stages.project.candidate import CandidateProjector
        from stages.project.tagger_candidates import TaggerCandidates

        options = self.options
        offers = None
        if options.candidate_tagger is not None:
            folder = resolve_path(options.candidate_tagger, setting.config_dir)
            offers = TaggerCandidates(folder, options.candidate_use)
        return CandidateProjector(
            setting.statistics if options.corpus_statistics else None,
            weights=setting.weights or self.weights(setting.config_dir),
            solver=options.solver,
            offers=offers,
        )
