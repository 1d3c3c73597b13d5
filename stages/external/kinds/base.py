"""What a kind of tagger from elsewhere says of itself.

A new kind is a module with a subclass of :class:`TaggerKind`, named in
:data:`stages.external.kinds.TAGGERS` or, in another package, by an entry point of the group
``xlner.taggers``. The modules must import in milliseconds: libraries are imported in
:meth:`TaggerKind.open`, which returns what labels words. One that finds stretches of text rather
than labels of words opens a :class:`stages.external.spans.SpanTagger`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ModelError
from pipeline.kinded import Kind, O_co
from pipeline.models import ModelSource, locate
from pipeline.task import Advance


class Opened(Protocol):
    """A tagger that is loaded."""

    @property
    def types(self) -> Sequence[str]:
        """Its entity types, as it calls them."""

    @property
    def seen(self) -> Counter[str]:
        """What it counted so far: ``words``, and what did not fit."""

    def distributions(
        self, sentences: Sequence[Sequence[str]], advance: Advance
    ) -> list[NDArray[np.float32]]:
        """Return (words, 1 + 2 · types) for each sentence: ``O``, ``B-`` and ``I-`` of each type.

        That is the order of :meth:`stages.tagger.labels.LabelSet.of_types`.
        """


class TaggerKind(Kind[O_co]):
    """A kind of tagger, with its options.

    Attributes:
        package: The package that it needs beside xlner's own, if it needs one.
        extra: The extra of xlner that brings it.
    """

    package: ClassVar[str | None] = None
    extra: ClassVar[str | None] = None

    def problems(self, model: str, config_dir: Path | None) -> Iterator[str]:
        """Yield what is wrong with a model, quickly: nothing is loaded."""
        if self.package is not None and find_spec(self.package) is None:
            how = self.package if self.extra is None else f"'xlner[{self.extra}]'"
            yield f"{self.package} is not installed: pip install {how}"
            return
        yield from self.model_problems(model, config_dir)

    def model_problems(self, model: str, config_dir: Path | None) -> Iterator[str]:
        """Yield what is wrong with a model whose package is installed."""
        return iter(())

    @abstractmethod
    def identity(self, model: str, config_dir: Path | None) -> Path | str:
        """Return what decides the result: a folder, or a string that stands for itself."""

    def fetch(self, model: str, config_dir: Path | None) -> None:
        """Bring a model from the hub into the local cache, if it is from there."""
        return None

    @abstractmethod
    def open(
        self,
        model: str,
        config_dir: Path | None,
        lang: str,
        types: Sequence[str],
        **how: Any,
    ) -> Opened:
        """Load a model.

        Args:
            model: As the configuration names it.
            config_dir: The folder of the configuration file.
            lang: The language of the text.
            types: The run's entity types, for a tagger that is asked for types.
            **how: ``batch_tokens``, ``window``, ``overlap``, ``dtype``, ``device`` of the section
                ``predict``, as far as they mean something to it.

        Raises:
            ModelError: If it cannot be loaded.
        """


class LocatedTagger(TaggerKind[O_co]):
    """A kind of tagger whose model is a folder or a hub id."""

    def model_problems(self, model: str, config_dir: Path | None) -> Iterator[str]:
        """Yield that there is no such model, and what :meth:`source_problems` says."""
        try:
            yield from self.source_problems(model, locate(model, config_dir))
        except ModelError as error:
            yield str(error)

    def source_problems(self, model: str, source: ModelSource) -> Iterator[str]:
        """Yield what is wrong with a model that was found; may raise ModelError instead."""
        return iter(())

    def identity(self, model: str, config_dir: Path | None) -> Path | str:
        """Return the folder or hub id."""
        return locate(model, config_dir).identity

    def fetch(self, model: str, config_dir: Path | None) -> None:
        """Download the model, if it is a hub id."""
        locate(model, config_dir).download()
