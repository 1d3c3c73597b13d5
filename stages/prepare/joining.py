"""The target side of a parallel corpus, row for row with its source side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pipeline.errors import DataError
from pipeline.formats import SentenceStream
from pipeline.schema import Sentence


def join(source: SentenceStream, target: SentenceStream, *, key: str) -> Iterator[Sentence]:
    """Yield, for every source sentence with words, its target sentence under the source's id.

    Sentences are joined by id if all sentences on both sides have ids of their own, and by their
    order otherwise, or if the two sides have no id in common (``en-1`` and ``de-1``). A target
    sentence without words is yielded, too, so that the rows match.

    Args:
        source: The source side, with its empty sentences (``keep_empty``).
        target: The target side, with its empty sentences and without a limit.
        key: The target side's key in the configuration.

    Raises:
        DataError: If the two sides do not have the same number of sentences, or an id is missing.
    """
    left, right = source.report, target.report
    if left.total != right.total:
        raise DataError(
            f"{key}: {right.total} sentences in {right.origin}, but {left.total} in {left.origin} "
            "(data.train); the two must match one to one"
        )
    if not (left.own_ids and right.own_ids):
        # Not strict: the source may be limited, the target side never is.
        pairs: Iterator[tuple[Sentence, Sentence]] = zip(source, target, strict=False)
    else:
        pairs = _by_id(source, target, key)
    for sentence, found in pairs:
        if sentence.words:
            yield replace(found, id=sentence.id)


def _by_id(
    source: SentenceStream, target: SentenceStream, key: str
) -> Iterator[tuple[Sentence, Sentence]]:
    # Sentences that were met before their turn: none where both sides are in the same order.
    waiting: dict[str, Sentence] = {}
    for number, sentence in enumerate(source):
        while sentence.id not in waiting:
            item = next(target, None)
            if item is None:
                left = [sentence, *source] if number == 0 else []
                if left and waiting.keys().isdisjoint(s.id for s in left):
                    yield from zip(left, waiting.values(), strict=False)
                    return
                raise DataError(
                    f"{key}: no sentence has the id {sentence.id!r} of {source.report.origin} "
                    f"(data.train), although both have {source.report.total} sentences with ids"
                )
            waiting[item.id] = item
        yield sentence, waiting.pop(sentence.id)
