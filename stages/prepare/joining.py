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
    order otherwise. A target sentence without words is yielded, too, so that the rows match.

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
    by_id = left.own_ids and right.own_ids
    # Sentences that were met before their turn: none where both sides are in the same order.
    waiting: dict[str, Sentence] = {}
    for sentence in source:
        if not by_id:
            found = next(target)
        else:
            while sentence.id not in waiting:
                item = next(target, None)
                if item is None:
                    raise DataError(
                        f"{key}: no sentence has the id {sentence.id!r} of {left.origin} "
                        f"(data.train), although both have {left.total} sentences with ids"
                    )
                waiting[item.id] = item
            found = waiting.pop(sentence.id)
        if sentence.words:
            yield replace(found, id=sentence.id)
