"""What a filter of projected labels is: it objects to spans, to sentence pairs, or to sentences.

A new filter is a module with a subclass of :class:`SpanFilter`, :class:`PairFilter` or
:class:`SentenceFilter`. Its keys stand in ``project.filters``, those of a :class:`PairFilter` in
``project.filters.pairs``; it is off unless they ask for something.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.kinded import Kind, O_co

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from stages.project.filters.sentence_pairs import SentencePair, SentencePairs

Row = Mapping[str, Any]
Links = Sequence[Mapping[str, Any]]


class Filter(Kind[O_co]):
    """A filter with its options.

    Attributes:
        reason: What is stored where it objects; one word.
        says: That reason for people.
    """

    reason: ClassVar[str]
    says: ClassVar[str]

    @property
    def on(self) -> bool:
        """Whether its options ask for anything: one is neither null nor false."""
        values = (getattr(self.options, key) for key in type(self.options).model_fields)
        return any(value is not None and value is not False for value in values)


class SpanFilter(Filter[O_co]):
    """Drops single spans."""

    @abstractmethod
    def objects(self, row: Row, span: Row, source: Row) -> bool:
        """Return whether a span is dropped.

        Args:
            row: The row of ``projected``.
            span: One of its spans.
            source: The source span that it stands for.
        """


class SentenceFilter(Filter[O_co]):
    """Drops sentences by what is left of their spans.

    Attributes:
        needs_links: Whether it asks for the alignment links.
    """

    needs_links: ClassVar[bool] = False

    @abstractmethod
    def objects(self, row: Row, links: Links) -> bool:
        """Return whether a sentence is dropped.

        Args:
            row: The row of ``projected``, ``kept`` decided of its spans.
            links: Its alignment links from ``min_link`` on; none unless ``needs_links``.
        """


class PairFilter(Filter[O_co]):
    """Drops sentences whose translation went wrong, by a score that is stored under its name.

    It has :meth:`score`, or :meth:`scores` where many at a time are quicker.
    """

    @classmethod
    def score(cls, pair: SentencePair) -> float | None:
        """Return the score of a pair; ``None`` where there is too little to tell."""
        raise NotImplementedError(f"{cls.__module__}: a pair filter has score or scores")

    @classmethod
    def scores(cls, pairs: SentencePairs) -> Sequence[float | None] | npt.NDArray[np.float64]:
        """Return the score of each pair, whatever stands beside it.

        Not a number, or ``None``, where there is too little to tell.
        """
        return [cls.score(pair) for pair in pairs]

    @abstractmethod
    def objects(self, score: float) -> bool:
        """Return whether a sentence of that (stored) score is dropped."""


class AtMost(PairFilter[O_co]):
    """A filter with one option: the highest score of a sentence that is not dropped."""

    def objects(self, score: float) -> bool:
        """Return whether the score is above the threshold."""
        from pipeline.schema import as_stored

        (most,) = dict(self.options).values()
        return most is not None and score > as_stored(most)
