"""Length-bucketed, token-bounded batches, and rows of one length."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch


def token_bounded_batches(
    lengths: Sequence[tuple[int, int]], max_tokens: int, rng: random.Random
) -> list[list[int]]:
    """Groups items of similar length; a padded batch holds at most `max_tokens` per side.

    Args:
        lengths: Length of each item on its two sides (give the same one twice if there is one).
        max_tokens: Bound on rows times longest row, for either side. An item that is longer
            forms a batch of its own.
        rng: Decides between items of the same length, and the order of the batches.

    Returns:
        Indices into `lengths`, each exactly once.
    """
    order = list(range(len(lengths)))
    rng.shuffle(order)
    order.sort(key=lambda i: (max(lengths[i]), lengths[i]))
    batches: list[list[int]] = []
    current: list[int] = []
    longest = 0
    for index in order:
        longest_then = max(longest, *lengths[index])
        if current and longest_then * (len(current) + 1) > max_tokens:
            batches.append(current)
            current, longest_then = [], max(lengths[index])
        current.append(index)
        longest = longest_then
    if current:
        batches.append(current)
    rng.shuffle(batches)
    return batches


def padded(rows: Sequence[list[int]], fill: int, device: torch.device) -> torch.Tensor:
    """Rows filled up with `fill` to the longest: shape (rows, longest row), int64."""
    width = max(map(len, rows))
    return torch.tensor([row + [fill] * (width - len(row)) for row in rows], device=device)
