"""Which sentences to look at, and how to draw a sample of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from pipeline.errors import ConfigError, one_of, suggest
from pipeline.formats.words import folded
from stages.inspect.doubts import is_wrong
from stages.inspect.view import View
from stages.registry import STAGES

Only = Literal["dropped", "kept", "low-score", "disagree", "likely-wrong", "wrong"]
ONLY: Final[tuple[Only, ...]] = (
    "dropped",
    "kept",
    "low-score",
    "disagree",
    "likely-wrong",
    "wrong",
)
JUDGED: Final = frozenset({"likely-wrong", "wrong"})
"""Those that look at :attr:`View.doubts`, which :func:`stages.inspect.doubts.judged` fills."""


@dataclass(frozen=True, slots=True)
class _Item:
    """One thing that was decided: about the sentence (no type), a span, or a lost source span."""

    type: str | None
    kept: bool
    reason: str | None
    score: float | None = None
    is_span: bool = False


@dataclass(frozen=True, slots=True)
class RowSelection:
    """Conditions on a sentence; all of them must hold, those on a span for one and the same span.

    Attributes:
        only: ``kept``: the sentence (with ``type``: a span) is used. ``dropped``: the sentence or
            one of its entities is not. ``low-score``: a span scored below ``below``. ``disagree``:
            the kept entities, counted by type, differ from those of the source sentence.
            ``likely-wrong``: something speaks against a kept label; ``wrong``: gold labels do.
        type: Entity type.
        reason: Why something was dropped; a key of the ``reasons`` of the stages.
        contains: Text in the source or the target sentence, whatever the case.
        id: Id of the sentence or of its source sentence.
        below: What counts as a low score.
    """

    only: Only | None = None
    type: str | None = None
    reason: str | None = None
    contains: str | None = None
    id: str | None = None
    below: float = 0.5

    def check(self) -> None:
        """Raise ConfigError if a value is not allowed."""
        one_of("--only", self.only, ONLY)
        one_of("--reason", self.reason, STAGES.reasons)

    def __contains__(self, view: View) -> bool:
        if self.id is not None and self.id not in (view.id, view.source_id):
            return False
        if self.contains is not None:
            wanted = folded(self.contains)
            sides = (view.words, view.source_words)
            if not any(wanted in folded(" ".join(words)) for words in sides):
                return False
        if self.only == "disagree" and not disagrees(view):
            return False
        if self.only == "likely-wrong" and not view.doubts:
            return False
        if self.only == "wrong" and not is_wrong(view.doubts):
            return False
        if self.only in (None, "disagree", *JUDGED) and self.type is None and self.reason is None:
            return True
        return any(self._fits(item, view) for item in _items(view))

    def _fits(self, item: _Item, view: View) -> bool:
        if self.type is not None and item.type != self.type:
            return False
        if self.reason is not None and item.reason != self.reason:
            return False
        if self.only == "dropped":
            return not item.kept
        if self.only == "kept":
            return item.kept and view.kept is not False and (item.is_span or self.type is None)
        if self.only == "low-score":
            return item.score is not None and item.score < self.below
        return True


def _items(view: View) -> Iterator[_Item]:
    yield _Item(None, view.kept is not False, view.reason)
    for item in view.spans:
        span = item.span
        yield _Item(span.type, item.kept, item.reason, span.score, is_span=True)
    for index, reason in view.lost:
        yield _Item(view.source_spans[index].type, False, reason)
    if not view.spans and not view.lost:  # nothing was projected (yet): the source is all there is
        for source in view.source_spans:
            yield _Item(source.type, view.kept is not False, None, is_span=True)


def disagrees(view: View) -> bool:
    """Whether the kept entities, counted by type, differ from those of the source sentence."""
    return Counter(s.type for s in view.kept_spans()) != Counter(s.type for s in view.source_spans)


def choose(views: Iterable[View], selection: RowSelection) -> Iterator[View]:
    """Yield the sentences that a selection holds.

    Raises:
        ConfigError: If there is no sentence of the id, or none with an entity of the type, that is
            wanted; known at the end.
    """
    types: set[str] = set()
    first: str | None = None
    is_there = selection.id is None
    for view in views:
        first = first or view.id
        is_there = is_there or selection.id in (view.id, view.source_id)
        types.update(item.span.type for item in view.spans)
        types.update(span.type for span in view.source_spans)
        if view in selection:
            yield view
    if not is_there:
        like = f"; the first one is {first!r}" if first else ""
        raise ConfigError(f"--id: there is no sentence {selection.id!r}{like}")
    wanted = selection.type
    if wanted is not None and wanted not in types:
        raise ConfigError(
            f"--type: there is no entity of type {wanted!r}{suggest(wanted, types)}; types: "
            f"{', '.join(sorted(types)) or 'none, no sentence has entities'}"
        )


def draw(views: Iterable[View], size: int, seed: int) -> tuple[list[View], int]:
    """Draw ``size`` sentences with equal chances, reading the stream once (reservoir sampling).

    Returns:
        The sentences, in their original order, and out of how many they are.
    """
    rng = random.Random(seed)
    kept: list[tuple[int, View]] = []
    total = 0
    for number, view in enumerate(views):
        total += 1
        if len(kept) < size:
            kept.append((number, view))
        else:
            slot = rng.randrange(number + 1)
            if slot < size:
                kept[slot] = (number, view)
    return [view for _, view in sorted(kept, key=lambda item: item[0])], total
