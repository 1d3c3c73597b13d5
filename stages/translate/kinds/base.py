"""What a kind of translator says of itself: its options, which folders are its, how it loads.

A new translator is a module with a subclass of :class:`TranslatorKind`, named in
:data:`stages.translate.kinds.TRANSLATORS` or, in another package, by an entry point of the group
``xlner.translators``. The modules must import in milliseconds: engines are imported where something
is loaded.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

from pipeline.kinded import Kind, O_co
from pipeline.models import ModelSource
from stages.translate.base import BaseTranslator


class TranslatorKind(Kind[O_co]):
    """A kind of translator with its options.

    Attributes:
        samples: Whether it can draw several translations of a text at random.
    """

    samples: ClassVar[bool] = False

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        """Return whether a model folder is of this kind, for ``auto``; loads nothing."""
        return False

    def of(self, model: ModelSource) -> TranslatorKind[Any]:
        """Return the kind that drives a model: itself, but for ``auto``."""
        return self

    def to_one(self) -> Self:
        """Return itself, with one translation of each text, found by search."""
        return self

    @abstractmethod
    def problem(self, model: ModelSource, source: str, target: str) -> str | None:
        """Return why a model cannot serve a direction, or ``None`` if nothing speaks against it.

        No weights are loaded and nothing is downloaded.

        Raises:
            ModelError: If it is no model that could be driven.
        """

    @abstractmethod
    def load(
        self, model: Path, source: str, target: str, *, name: str, workers: int = 1
    ) -> BaseTranslator:
        """Load a model for one direction.

        Args:
            model: Its folder.
            source: ISO code of the language to read.
            target: ISO code of the language to write.
            name: What the configuration calls it, for messages.
            workers: Processes that share the machine.

        Raises:
            ConfigError: If it does not translate in this direction.
            ModelError: If it cannot be loaded.
        """
