"""What a projection method says of itself: its options, what it reads, how it is built.

A new method is a module with a subclass of :class:`ProjectionMethod`, named in
:data:`stages.project.methods.METHODS` or, in another package, by an entry point of the group
``xlner.projectors``. The modules must import in milliseconds: numpy and the projectors themselves
are imported in :meth:`ProjectionMethod.build`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pipeline.kinded import Kind, O_co

if TYPE_CHECKING:
    from stages.project.matching import Weights
    from stages.project.projector import Projector
    from stages.project.statistics import Statistics


@dataclass(frozen=True, slots=True)
class ProjectionSetting:
    """What goes for every method.

    Attributes:
        min_link: Links weaker than this are ignored by methods that take links as they are.
        config_dir: Folder of the config file, for the files that options name.
        statistics: What the first pass over the corpus gathered, if there was one.
        weights: Fitted weights instead of those that options name.
    """

    min_link: float = 0.5
    config_dir: Path | None = None
    statistics: Statistics | None = None
    weights: Weights | None = None


class ProjectionMethod(Kind[O_co]):
    """A way to carry labels over, with its options.

    Attributes:
        marked: Whether it reads entities off marked translations.
        weighs_links: Whether weak links count less to it, so that ``min_link`` is nothing to it.
    """

    marked: ClassVar[bool] = False
    weighs_links: ClassVar[bool] = False

    def members(self) -> tuple[ProjectionMethod[Any], ...]:
        """Return itself, or what it is made of."""
        return (self,)

    def with_markers(self, style: str) -> Self:
        """Return itself, told what the marked translation holds where its options leave it open."""
        return self

    @property
    def first_pass(self) -> bool:
        """Whether it wants the statistics of a first pass over the corpus."""
        return False

    @property
    def translates_entities(self) -> bool:
        """Whether it wants every distinct entity translated by itself."""
        return False

    def weights(self, config_dir: Path | None) -> Weights | None:
        """Return the weights that its options name, or ``None`` for those that ship.

        Raises:
            DataError: If the file cannot be used.
        """
        return None

    def files(self) -> Mapping[str, str]:
        """Return the files whose content decides the result, as its options name them."""
        return {}

    def problems(self, style: str, config_dir: Path | None) -> Iterator[tuple[str, str]]:
        """Yield what is wrong, as the key (below the section) and a message.

        Args:
            style: How the translations are marked, ``none`` if they are not.
            config_dir: Folder of the config file.
        """
        return iter(())

    @abstractmethod
    def build(self, setting: ProjectionSetting) -> Projector:
        """Build the projector."""
