"""Strict span F1: the same figure as seqeval's (checked in the tests), on spans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline.schema import Span


def f1(
    gold: Sequence[Sequence[Span]],
    found: Sequence[Iterable[tuple[int, int, str]]],
    rows: Iterable[int],
) -> float:
    """Return micro F1 in percent over some rows; a span counts if start, end and type are right."""
    right = n_gold = n_found = 0
    for r in rows:
        truth = {(s.start, s.end, s.type) for s in gold[r]}
        guess = set(found[r])
        right += len(truth & guess)
        n_gold += len(truth)
        n_found += len(guess)
    return 200.0 * right / max(1, n_gold + n_found)


def halves(n: int) -> tuple[range, range]:
    """Return the rows of the first half (tuning allowed) and of the second (test)."""
    return range(n // 2), range(n // 2, n)
