"""Translations, row for row with what they translate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Final

from pipeline.errors import DataError
from pipeline.formats import DOCSTART, SentenceStream
from pipeline.schema import Sentence
from stages.prepare.matching import OrderCheck, match, may_be_incomplete

_FAR: Final = 3.0  # times the usual ratio of the lengths
_PADDING: Final = 10  # characters, so that short sentences may differ more
_SHOWN: Final = 3

Pairs = Iterator[tuple[Sentence, Sentence]]


@dataclass(slots=True)
class Joining:
    """Joins the sentences of a corpus with their translations.

    Sentences are joined by id if all sentences on both sides have ids of their own, and by their
    order otherwise, or if the two sides have no id in common (``en-1`` and ``de-1``). Lines
    ``-DOCSTART-`` count on both sides, as some translators put them into words, or on neither.
    Where the corpus is limited, there may be translations of all of it or of the first so many.

    Attributes:
        read: Reads the corpus with its empty sentences (``keep_empty``, ``docstarts``); limited or,
            if it is given ``False``, not.
        of: The corpus' key in the configuration.
        target: The translations, with theirs, without a limit.
        key: The translations' key in the configuration.
        limit: How many sentences of the corpus are used, if not all.
        incomplete: Whether some translations are missing: :func:`stages.prepare.matching.match`.
        check_order: Whether shifted translations are looked for.
        by_order: Whether the two sides were joined by their order; known once all is read.
        counts: What was found, once all is read.
        examples: Places of what was found.
    """

    read: Callable[[bool], SentenceStream]
    of: str
    target: SentenceStream
    key: str
    limit: int | None = None
    incomplete: bool = False
    check_order: bool = True
    by_order: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    _check: OrderCheck | None = None
    _ratios: list[tuple[float, str]] = field(default_factory=list)

    def __iter__(self) -> Iterator[Sentence]:
        """Yield, for every source sentence with words, its translation under the source's id.

        A translation without words is yielded, too, so that the rows match.

        Raises:
            DataError: If the two sides do not have the same number of sentences, an id is missing,
                or the translations are shifted.
        """
        check = self._check = OrderCheck(self.key) if self.check_order else None
        used, spans = [], Counter[str]()
        for sentence, found in self._pairs():
            if not sentence.words:
                continue
            if found.words:
                if check is not None:
                    check.feed(sentence, found)
                size = _size(found) / _size(sentence)
                self._ratios.append((size, f"{found.origin}:{found.line} ({sentence.id})"))
                used.append(len(found.words))
                spans.update(s.type for s in found.spans)
            yield replace(found, id=sentence.id)
        # All translations were read, whatever the limit; the report is of those that are used.
        report = self.target.report
        report.sentences, report.tokens, report.spans = len(used), sum(used), spans
        self._count_odd_lengths()

    def _pairs(self) -> Pairs:
        source = self.read(True)
        left, right = source.report, self.target.report
        both = left.own_ids and right.own_ids
        wanted = left.total - left.docstarts
        given = right.total - right.docstarts
        limited = min(self.limit or wanted, wanted)
        if right.total == right.empty_end and left.total > left.empty_end:
            raise DataError(
                f"{self.key}: {right.origin} has no text, but {left.origin} has {wanted} "
                f"({self.of}); give their translations, or leave this key out"
            )
        one: Iterator[Sentence] = source
        two: Iterator[Sentence] = self.target
        if left.total != right.total:
            one, two = _sentences_of(source), _sentences_of(self.target)
        if left.total == right.total or given in (wanted, limited):
            return _by_id(one, two, self) if both else self._in_order(one, two)
        if max(given - right.empty_end, wanted - left.empty_end) <= min(given, wanted):
            return self._in_order(one, two)  # but for blank lines at the end of one
        if self.limit is not None and right.total == sum(1 for _ in self.read(True)):
            return self._in_order(source, self.target)  # their -DOCSTART- are in words
        if self.incomplete:
            return self._matched(given)
        limit = f", of which the first {limited} are used" if limited < wanted else ""
        advice = ""
        if may_be_incomplete(given, wanted):
            advice = "; where some have no translation, set incomplete: true"
        elif given < wanted:
            advice = f"; if these are of the first {given}, set {self.of}.limit: {given}"
        raise DataError(
            f"{self.key}: {right.total} sentences in {right.origin}, but {left.total} in "
            f"{left.origin} ({self.of}){limit}; the two must match one to one{advice}"
        )

    def _in_order(self, source: Iterator[Sentence], target: Iterator[Sentence]) -> Pairs:
        self.by_order = True
        # Not strict: the source may be limited, the target side never is.
        return zip(source, target, strict=False)

    def _matched(self, given: int) -> Pairs:
        whole = [s for s in _sentences_of(self.read(False)) if s.words]
        used = sum(1 for s in _sentences_of(self.read(True)) if s.words)
        found = [s for s in _sentences_of(self.target) if s.words]
        source = whole[:used] if given <= used else whole
        place, sure = match(source, found, key=self.key)
        at = {i: found[j] for j, i in enumerate(place) if sure[j]}
        for number, sentence in enumerate(whole[:used]):
            if number not in at:
                self.counts["untranslated"] += 1
            yield sentence, at.get(number, replace(found[0], words=[], spans=[], line=None))
        self.counts["uncertain_places"] += sum(
            not s and i < used for i, s in zip(place, sure, strict=True)
        )

    def _count_odd_lengths(self) -> None:
        usual = median(r for r, _ in self._ratios) if self._ratios else 1.0
        odd = [where for r, where in self._ratios if not usual / _FAR <= r <= usual * _FAR]
        if odd:
            self.counts["odd_lengths"] = len(odd)
            self.examples = odd[:_SHOWN]

    def summary(self) -> str | None:
        """Return in one line what did not match, if anything."""
        said = []
        if n := self.counts["untranslated"]:
            said.append(f"{n:,} sentences of {self.of} have no translation")
        if n := self.counts["uncertain_places"]:
            said.append(f"{n:,} translations could stand in two places and are not used")
        if n := self.counts["odd_lengths"]:
            places = ", ".join(self.examples)
            said.append(f"{n:,} are {_FAR:g} times longer or shorter than usual: {places}")
        if self.by_order and not self.check_order:
            said.append(f"whether they stand in the order of {self.of} is not checked, as asked")
        elif self.by_order and self._check is not None and not self._check.told:
            said.append(
                f"whether they stand in the order of {self.of} is not checked: both sides share "
                f"{self._check.agreed} names and numbers, too few to tell"
            )
        return f"{self.key}: {'; '.join(said)}" if said else None


def _size(sentence: Sentence) -> int:
    return sum(map(len, sentence.words)) + _PADDING


def _sentences_of(stream: Iterator[Sentence]) -> Iterator[Sentence]:
    return (s for s in stream if s.id != DOCSTART)


def _by_id(source: Iterator[Sentence], target: Iterator[Sentence], of: Joining) -> Pairs:
    # Sentences that were met before their turn: none where both sides are in the same order.
    waiting: dict[str, Sentence] = {}
    for number, sentence in enumerate(source):
        while sentence.id not in waiting:
            item = next(target, None)
            if item is None:
                left = [sentence, *source] if number == 0 else []
                if left and waiting.keys().isdisjoint(s.id for s in left):
                    of.by_order = True
                    yield from zip(left, waiting.values(), strict=False)
                    return
                report = of.target.report
                raise DataError(
                    f"{of.key}: no sentence of {report.origin} has the id {sentence.id!r} of "
                    f"{sentence.origin} ({of.of}), although both sides have ids"
                )
            waiting[item.id] = item
        yield sentence, waiting.pop(sentence.id)
