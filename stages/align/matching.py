"""Which subwords are linked: the methods of SimAlign and awesome-align, over whole batches.

A batch of similarity matrices is padded to one shape ``(pairs, source, target)`` with
:data:`PAD`; ``rows`` and ``cols`` hold the true sizes. Every function gives three index arrays
``(pair, source, target)``, sorted, so that padding never reaches a result.

The methods are those of SimAlign (Jalili Sabet et al. 2020): ``inter`` (mutual argmax), ``itermax``
(a second mutual argmax among what the first left over), ``match`` (maximum-weight bipartite
matching), ``forward`` and ``reverse``; and the thresholded softmax of awesome-align (Dou and Neubig
2021).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.intp]
Indices = tuple[Ints, Ints, Ints]

PAD: Final = -1.0
"""The similarity of padding: below every real one (they lie in [0, 1])."""

ITERMAX_ALPHA: Final = 0.9
ITERMAX_ROUNDS: Final = 2


def forward(sim: Floats, rows: Ints, cols: Ints) -> Indices:
    """Link every source subword to its most similar target subword."""
    best = sim.argmax(axis=2)
    pair, source = np.nonzero((np.arange(sim.shape[1]) < rows[:, None]) & (cols > 0)[:, None])
    return pair, source, best[pair, source]


def reverse(sim: Floats, rows: Ints, cols: Ints) -> Indices:
    """Link every target subword to its most similar source subword."""
    best = sim.argmax(axis=1)
    pair, target = np.nonzero((np.arange(sim.shape[2]) < cols[:, None]) & (rows > 0)[:, None])
    return _sorted(pair, best[pair, target], target)


def inter(sim: Floats, rows: Ints, cols: Ints) -> Indices:
    """Link subwords that are each other's most similar one."""
    back = sim.argmax(axis=1)
    pair, source, target = forward(sim, rows, cols)
    mutual = back[pair, target] == source
    return pair[mutual], source[mutual], target[mutual]


def itermax(sim: Floats, rows: Ints, cols: Ints) -> Indices:
    """``inter``, then again where at least one side is unlinked, links of one side damped by 0.9.

    Pairs with a side of at most two subwords stay at ``inter``, as in simalign.
    """
    linked = np.zeros(sim.shape, dtype=bool)
    linked[inter(sim, rows, cols)] = True
    inside = _inside(sim, rows, cols)
    active = np.minimum(rows, cols) > 2
    for _ in range(ITERMAX_ROUNDS - 1):
        free_rows = np.logical_not(np.any(linked, axis=2))
        free_cols = np.logical_not(np.any(linked, axis=1))
        # simalign stops where one side has nothing free; padding must not count as free.
        live = (
            active
            & (free_rows & inside.any(axis=2)).any(axis=1)
            & (free_cols & inside.any(axis=1)).any(axis=1)
        )
        if not live.any():
            break
        at = np.flatnonzero(live)
        free_x, free_y = free_rows[at, :, None], free_cols[at, None, :]
        either = free_x | free_y
        # Double precision, as in simalign: a product in single precision could tie differently.
        damp = np.where(free_x & free_y, 1.0, np.where(either, ITERMAX_ALPHA, 0.0))
        again = np.where(inside[at], sim[at] * damp, PAD)
        pair, source, target = inter(again, rows[at], cols[at])
        new = either[pair, source, target]
        linked[at[pair[new]], source[new], target[new]] = True
    return where(linked)


def match(sim: Floats, rows: Ints, cols: Ints) -> Indices:
    """Link by a maximum-weight bipartite matching that covers the shorter side."""
    parts: list[tuple[Ints, Ints, Ints]] = []
    for index, (m, n) in enumerate(zip(rows.tolist(), cols.tolist(), strict=True)):
        source, target = linear_sum_assignment(sim[index, :m, :n], maximize=True)
        parts.append((np.full(len(source), index), source, target))
    if not parts:
        empty = np.zeros(0, dtype=np.intp)
        return empty, empty, empty
    pair, source, target = (np.concatenate(column) for column in zip(*parts, strict=True))
    return pair, source, target


METHODS: Final[Mapping[str, Callable[[Floats, Ints, Ints], Indices]]] = {
    "inter": inter,
    "itermax": itermax,
    "match": match,
    "forward": forward,
    "reverse": reverse,
}
"""SimAlign's methods by the name that a configuration uses."""


def directions(scores: Floats, rows: Ints, cols: Ints) -> tuple[Floats, Floats]:
    """Return the softmax of ``scores`` over the target and over the source, zero in padding."""
    inside = _inside(scores, rows, cols)
    masked = np.where(inside, scores, -np.inf)
    result = []
    for axis in (2, 1):
        top = masked.max(axis=axis, keepdims=True, initial=np.finfo(np.float32).min)
        weights = np.exp(masked - top)
        total = weights.sum(axis=axis, keepdims=True)
        result.append(weights / np.where(total > 0, total, 1))
    return result[0], result[1]


def distort(sim: Floats, rows: Ints, cols: Ints, ratio: float) -> Floats:
    """Damp links far from the diagonal, by simalign's formula; pairs of one subword stay.

    Returns a double precision array (as simalign's does) or, for ``ratio`` 0, ``sim`` itself.
    """
    if ratio == 0:
        return sim
    out = sim.astype(np.float64)
    for index, (m, n) in enumerate(zip(rows.tolist(), cols.tolist(), strict=True)):
        if m < 2 or n < 2:
            continue
        across = np.arange(n)[None, :] / float(n - 1)
        down = np.arange(m)[:, None] / float(m - 1)
        out[index, :m, :n] *= 1.0 - ((across - down) ** 2) * ratio
    return out


def _inside(sim: Floats, rows: Ints, cols: Ints) -> npt.NDArray[np.bool_]:
    """Return which cells are no padding."""
    source = np.arange(sim.shape[1]) < rows[:, None]
    target = np.arange(sim.shape[2]) < cols[:, None]
    return source[:, :, None] & target[:, None, :]


def where(mask: npt.NDArray[np.bool_]) -> Indices:
    """Link where a mask is set."""
    pair, source, target = np.nonzero(mask)
    return pair, source, target


def _sorted(pair: Ints, source: Ints, target: Ints) -> Indices:
    order = np.lexsort((target, source, pair))
    return pair[order], source[order], target[order]
