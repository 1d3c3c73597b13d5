"""The contract of a maker of synthetic text."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from pipeline.config import RunConfig
from pipeline.hashes import derive_seed
from pipeline.kinded import Kind, O_co
from pipeline.schema import Sentence, Span
from pipeline.task import Advance, Problem, no_advance


@dataclass(frozen=True, slots=True)
class Made:
    """A sentence that a maker made.

    Attributes:
        words: Its words; empty where nothing came of it.
        source_id: The row that it was made from.
        spans: What the maker knows of its entities; may be empty.
        scores: What the maker knows of its quality, and ``length_ratio``: its length in letters
            over that of its source, where they are in different languages.
        reason: Why nothing came of it (one of the stage's ``reasons``).
    """

    words: list[str]
    source_id: str | None
    spans: list[Span] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class TextRequest:
    """What a maker is asked for.

    Attributes:
        lang: The target language.
        source_lang: The language of ``source``.
        count: How many sentences to make.
        seed: Decides everything that is random.
        source: Source-language sentences, labelled or not.
        projected: Target sentences with projected entities.
    """

    lang: str
    source_lang: str
    count: int
    seed: int
    source: list[Sentence] = field(default_factory=list)
    projected: list[Sentence] = field(default_factory=list)

    def chunk_seed(self, chunk: int) -> int:
        """Return the seed of one chunk."""
        return derive_seed(self.seed, chunk)

    def taken(self, sentences: Sequence[Sentence], first: int, count: int) -> list[Sentence]:
        """Return so many sentences from the ``first`` place on, in a random order.

        Each comes once before any comes again.
        """
        order = list(sentences)
        random.Random(self.seed).shuffle(order)
        return [order[k % len(order)] for k in range(first, first + count)] if order else []


class Maker(ABC):
    """Makes sentences in chunks; a chunk depends on the request and its number alone.

    So a maker can be interrupted after any chunk, and goes on to the same result.
    """

    chunk_size: int = 1000

    def chunks(self, request: TextRequest) -> int:
        """Return how many chunks there are."""
        return -(-request.count // self.chunk_size)

    def size(self, request: TextRequest, chunk: int) -> int:
        """Return how many sentences a chunk is to have."""
        return min(self.chunk_size, request.count - chunk * self.chunk_size)

    @property
    def seen(self) -> Counter[str]:
        """What it counted so far, for the manifest; nothing, as a rule."""
        return Counter()

    @abstractmethod
    def make(self, request: TextRequest, chunk: int, advance: Advance = no_advance) -> list[Made]:
        """Make one chunk.

        Args:
            request: What is wanted; the same for every chunk.
            chunk: Number of the chunk, from 0.
            advance: Called with numbers of finished sentences.

        Returns:
            The sentences, at most :meth:`size` of them.
        """


@dataclass(frozen=True, slots=True)
class MakerSetting:
    """What a maker is built with.

    Attributes:
        config: The configuration of the run.
        lang: The target language.
        model: Returns the local folder and the name of one of the :meth:`MakerKind.models`.
        measure: Returns the scores of a sentence that the gate wants to know of it, for makers that
            can take them while they wait for something else.
    """

    config: RunConfig
    lang: str
    model: Callable[[str], tuple[Path, str]]
    measure: Callable[[Sequence[str]], Mapping[str, float]]


class MakerKind(Kind[O_co]):
    """A kind of maker with its options.

    A new maker is a module with a subclass, named in :data:`stages.synthesize.makers.MAKERS` or, in
    another package, by an entry point of the group ``xlner.makers``. It must import in
    milliseconds.

    Attributes:
        from_source: Whether it starts from source-language text; else from projected sentences.
    """

    from_source: ClassVar[bool] = False

    def incomplete(self) -> str | None:
        """Return what its options lack to make anything, if they do."""
        return None

    def models(self, config: RunConfig, lang: str) -> dict[str, str]:
        """Return the names of the models that it reads, by a name for each."""
        return {}

    def files(self, config: RunConfig, lang: str) -> dict[str, Path]:
        """Return the files whose content decides the result, by dotted key below its section."""
        return {}

    def problems(self, config: RunConfig, lang: str) -> Iterator[Problem]:
        """Yield what is wrong with it that neither a missing model nor a missing file is."""
        return iter(())

    @abstractmethod
    def build(self, setting: MakerSetting) -> Maker:
        """Build the maker, loading its models."""
