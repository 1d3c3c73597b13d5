"""``ensemble``: several methods vote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, model_validator

from pipeline.config import ConfigModel
from pipeline.kinded import KindedConfig
from pipeline.kinds import Kinds
from stages.project.methods import METHODS
from stages.project.methods.base import ProjectionMethod, ProjectionSetting

if TYPE_CHECKING:
    from stages.project.matching import Weights
    from stages.project.projector import Projector

# What is done once for a corpus, whoever of the members wants it.
_SHARED = ("weights", "translate_entities")


class MethodMember(KindedConfig):
    """One method of an ensemble, with its options."""

    kinds: ClassVar[Mapping[str, Kinds[Any]]] = {"method": METHODS}
    by_name: ClassVar[bool] = True

    method: str = Field(description="which method")

    @classmethod
    def allowed(cls, key: str) -> list[str]:
        """Return the methods that are one method."""
        return [name for name in METHODS if name != "ensemble"]


def _members(*names: str) -> list[MethodMember]:
    return [MethodMember(method=name) for name in names]


class EnsembleOptions(ConfigModel):
    """Options of ``ensemble``."""

    members: list[MethodMember] = Field(
        default_factory=lambda: _members("candidates", "span", "merged_runs"),
        min_length=1,
        description="the methods, the most trusted first: a name, or {method: NAME, its options}",
    )

    @model_validator(mode="after")
    def _one_corpus(self) -> Self:
        for key in _SHARED:
            found = {
                getattr(m.chosen("method"), key)
                for m in self.members
                if hasattr(m.chosen("method"), key)
            }
            if len(found) > 1:
                raise ValueError(f"members: {key} goes for all members that have it, or for none")
        return self


class EnsembleMethod(ProjectionMethod[EnsembleOptions]):
    """Several methods as one."""

    about: ClassVar[str] = "several methods vote; the most trusted weighs most"

    def members(self) -> tuple[ProjectionMethod[Any], ...]:
        """Return the members."""
        return tuple(m.kind("method") for m in self.options.members)

    def with_markers(self, style: str) -> Self:
        """Return itself with members that are told so."""
        told = [
            m.model_copy(update=dict(m.kind("method").with_markers(style).options))
            for m in self.options.members
        ]
        return type(self)(EnsembleOptions(members=told))

    @property
    def first_pass(self) -> bool:
        """Whether a member wants it."""
        return any(m.first_pass for m in self.members())

    @property
    def translates_entities(self) -> bool:
        """Whether a member wants it."""
        return any(m.translates_entities for m in self.members())

    def weights(self, config_dir: Path | None) -> Weights | None:
        """Return the weights of the members, who share them."""
        return next((w for m in self.members() if (w := m.weights(config_dir))), None)

    def files(self) -> Mapping[str, str]:
        """Return the files of all members."""
        files: dict[str, str] = {}
        for index, member in enumerate(self.members()):
            files |= {f"{key} {index}": path for key, path in member.files().items()}
        return files

    def problems(self, style: str, config_dir: Path | None) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with a member."""
        for index, member in enumerate(self.members()):
            for key, message in member.problems(style, config_dir):
                yield f"members.{index}.{key}", message

    def build(self, setting: ProjectionSetting) -> Projector:
        """Build the projectors."""
        from stages.project.ensemble import EnsembleProjector

        return EnsembleProjector([m.build(setting) for m in self.members()])
