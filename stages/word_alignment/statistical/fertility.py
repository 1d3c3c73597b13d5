"""How many words a word is linked to: a learnt prior, passed to the links as messages.

A hidden Markov model lets a word generate any number of others, so that a rare word collects
whatever has no better place. Fertilities (Brown et al. 1993) say how many are usual for each word.
They tie together all links of a word, which rules out exact sums; loopy belief propagation
(Cromières and Kurohashi 2009) is quick, deterministic and good enough.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from stages.word_alignment.statistical.corpus import Doubles, Floats

MOST: Final = 4
"""So many links or more are one case."""
_STRENGTH: Final = 3.0
_LEAST, _LARGEST = np.float32(1e-3), np.float32(1e3)


def estimate(counts: Doubles) -> Floats:
    """Return the probability of each number of links, for every word.

    Args:
        counts: How often each word is expected to have 0, 1, … ``MOST`` or more links,
            ``(words, MOST + 1)``. Words lean on the mean of all by as much as on three occurrences
            of their own.

    Returns:
        ``(words, MOST + 2)``: the last one is what one link beyond ``MOST`` would have.
    """
    total = counts.sum(axis=0)
    mean = (total + 1e-3) / (total + 1e-3).sum()
    share = (counts + _STRENGTH * mean) / (counts.sum(axis=1, keepdims=True) + _STRENGTH)
    beyond = share[:, -1:] * np.minimum(share[:, -1:] / share[:, -2:-1], 1)
    return np.concatenate([share, beyond], axis=1).astype(np.float32)


def numbers(cavity: Floats) -> Floats:
    """Return the distribution of the number of links before each step.

    Args:
        cavity: Probability of each link without what fertility says, ``(pairs, steps, states)``.

    Returns:
        ``(steps + 1, MOST + 1, pairs, states)``; the last one counts all steps.
    """
    pairs, steps, states = cavity.shape
    found = np.zeros((steps + 1, MOST + 1, pairs, states), dtype=np.float32)
    found[0, 0] = 1
    for step in range(steps):
        _add(found[step], cavity[:, step], found[step + 1])
    return found


def messages(cavity: Floats, before: Floats, prior: Floats) -> Floats:
    """Return by what factor each link's odds change, given how many other links its word has.

    Args:
        cavity: As for :func:`numbers`.
        before: What that returned.
        prior: The probabilities of :func:`estimate` for every state's word, ``(pairs, states,
            MOST + 2)``.
    """
    steps = cavity.shape[1]
    after = np.empty_like(before[1:])
    after[-1] = 0
    after[-1, 0] = 1
    for step in range(steps - 1, 0, -1):
        _add(after[step], cavity[:, step], after[step - 1])
    linked = np.zeros((steps, *before.shape[2:]), dtype=np.float32)
    unlinked = np.zeros_like(linked)
    rest = np.ones_like(linked)
    for number in range(MOST):
        others = before[:-1, 0] * after[:, number]
        for first in range(1, number + 1):
            others += before[:-1, first] * after[:, number - first]
        rest -= others
        unlinked += others * prior[:, :, number]
        linked += others * prior[:, :, number + 1]
    np.maximum(rest, 0, out=rest)
    unlinked += rest * prior[:, :, MOST]
    linked += rest * prior[:, :, MOST + 1]
    factor = np.clip(linked / np.maximum(unlinked, 1e-9), _LEAST, _LARGEST)
    return np.ascontiguousarray(factor.transpose(1, 0, 2))


def expected(all_links: Floats, prior: Floats) -> Floats:
    """Return the probability of each number of links, ``(pairs, states, MOST + 1)``.

    Args:
        all_links: The last of :func:`numbers`.
        prior: As for :func:`messages`.
    """
    found = np.moveaxis(all_links, 0, -1) * prior[:, :, :-1]
    return np.asarray(found / np.maximum(found.sum(axis=-1, keepdims=True), 1e-30))


def _add(counts: Floats, link: Floats, out: Floats) -> None:
    """Add one link to the numbers ``(MOST + 1, pairs, states)``."""
    np.multiply(counts, 1 - link, out=out)
    out[1:] += counts[:-1] * link
    out[-1] += counts[-1] * link
