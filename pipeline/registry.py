"""The stages of a run, in their order; none is imported before it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, suggest

if TYPE_CHECKING:
    from pipeline.config import RunConfig, StageConfig
    from pipeline.stage import Stage


class Registry:
    """The stages that there are, in their order.

    Args:
        stages: The stages by name, in the order in which they may read each other's output; a
            :class:`pipeline.kinds.Kinds`, as a rule, whose names are gone through when first asked
            for.
        base: Returns the type of the run-wide keys, a :class:`~pipeline.config.RunConfig`.
    """

    def __init__(
        self, stages: Mapping[str, Stage], base: Callable[[], type[RunConfig]] | None = None
    ) -> None:
        self._stages = stages
        self._base = base

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the stages, in their order."""
        return tuple(self._stages)

    def __getitem__(self, name: str) -> Stage:
        """Return a stage, importing it if need be.

        Raises:
            ConfigError: If there is none of that name.
        """
        self.require(name)
        return self._stages[name]

    def require(self, name: str, key: str = "") -> None:
        """Check that there is a stage of that name.

        Args:
            name: The name.
            key: Where the user wrote it.

        Raises:
            ConfigError: If there is none.
        """
        if name not in self.names:
            raise ConfigError(
                f"{key + ': ' if key else ''}no stage named {name!r}{suggest(name, self.names)}; "
                f"stages: {', '.join(self.names)}"
            )

    def rank(self, name: str) -> int:
        """Return the position of a stage in the order."""
        self.require(name)
        return self.names.index(name)

    def section_types(self) -> dict[str, type[StageConfig]]:
        """Return the type of each stage's section in a configuration."""
        return {name: self[name].config_type for name in self.names}

    def config_type(self) -> type[RunConfig]:
        """Return the type of a whole configuration."""
        from pipeline.config import config_model

        return config_model(self.section_types(), self._base() if self._base else None)

    def reasons_of(self, stage: str) -> dict[str, str]:
        """Return what a stage may count as dropped: its own reasons, and those it takes over."""
        # A registry may lack a stage that another one counts for, if it only reads its output.
        names = (*(n for n in self[stage].counts_for if n in self.names), stage)
        return {name: text for one in names for name, text in self[one].reasons.items()}

    @cached_property
    def reasons(self) -> dict[str, str]:
        """Why rows and spans are dropped, with what each reason means, over all stages."""
        return {name: text for stage in self.names for name, text in self[stage].reasons.items()}
