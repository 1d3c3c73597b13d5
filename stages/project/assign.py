"""Choosing one range per entity so that no two overlap and the total value is greatest.

The problem is a weighted set packing (an integer linear programme in 2501.18750): each entity takes
at most one of its candidates, every target word belongs to at most one of those taken. Only
candidates of positive value can add to the total, so the others are pruned without loss. In most
sentences the best candidates do not touch and are the answer; what is left splits into small groups
of entities whose candidates overlap, solved by branch and bound, and by HiGHS (scipy's ``milp``)
where a group is too tangled for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import numpy as np

from stages.project.words import FloatArray, IntArray

MAX_NODES: Final = 20_000
"""Nodes of branch and bound before a group is handed to the integer programme."""
MAX_DEPTH: Final = 200

Solver = Literal["exact", "greedy"]
Option = tuple[float, int, int, int]  # value, start, end, index
Options = dict[int, list[Option]]
"""The candidates of each entity, best first."""


def choose(
    entity: IntArray,
    start: IntArray,
    end: IntArray,
    value: FloatArray,
    n_entities: int,
    solver: Solver = "exact",
) -> IntArray:
    """Return the index of the candidate taken per entity (-1: none).

    Args:
        entity: Entity of each candidate, ascending.
        start: First word of each candidate; entities of different sentences must not share words.
        end: The word after its last.
        value: What taking the candidate adds; those not above zero are never taken.
        n_entities: Number of entities.
        solver: ``exact``: an optimal assignment. ``greedy``: the best candidate left is taken again
            and again, as the published implementation of 2501.18750 does.
    """
    taken = np.full(n_entities, -1, np.int64)
    useful = np.flatnonzero(value > 0)
    useful = useful[np.lexsort((-value[useful], entity[useful]))]  # the first of equals first
    owners, firsts = np.unique(entity[useful], return_index=True)
    taken[owners] = useful[firsts]
    ends = np.append(firsts[1:], len(useful))
    for group in _tangles(start[useful], end[useful], firsts):
        options = {
            int(owners[k]): [
                (float(value[i]), int(start[i]), int(end[i]), int(i))
                for i in useful[firsts[k] : ends[k]]
            ]
            for k in group
        }
        solution = _greedy(options) if solver == "greedy" else _optimal(options)
        for e, index in solution.items():
            taken[e] = index
    return taken


def _tangles(start: IntArray, end: IntArray, firsts: IntArray) -> Iterator[list[int]]:
    """Yield groups of entities (numbers among those in ``firsts``) that need a joint solution.

    Entities whose whole reach (from the first to the last word of any useful candidate) overlaps
    belong together; a group in which the best candidates do not overlap is solved already.

    Args:
        start: First word of each useful candidate, those of an entity together, the best first.
        end: The word after its last.
        firsts: Where those of each entity begin.
    """
    if not len(firsts):
        return
    lowest = np.minimum.reduceat(start, firsts)
    order = np.argsort(lowest, kind="stable")
    reach = np.maximum.accumulate(np.maximum.reduceat(end, firsts)[order])
    group = np.cumsum(np.append(False, lowest[order][1:] >= reach[:-1]))
    # Best candidates that overlap within the sorted order of their starts. Groups do not share
    # words and come in order, so a running maximum is safe across them.
    best = firsts[order]
    best = best[np.lexsort((start[best], group))]
    clash = start[best][1:] < np.maximum.accumulate(end[best])[:-1]
    for bad in np.unique(group[1:][clash]):
        lo, hi = np.searchsorted(group, [bad, bad + 1])
        yield sorted(order[lo:hi].tolist())


def _mask(start: int, end: int, origin: int) -> int:
    return ((1 << (end - start)) - 1) << (start - origin)


def _greedy(options: Options) -> dict[int, int]:
    origin = min(o[1] for listed in options.values() for o in listed)
    solution = dict.fromkeys(options, -1)
    used = 0
    ranked = sorted((-value, k, e, s, t) for e, o in options.items() for value, s, t, k in o)
    for _, k, e, start, end in ranked:
        mask = _mask(start, end, origin)
        if solution[e] < 0 and not used & mask:
            solution[e] = k
            used |= mask
    return solution


def _optimal(options: Options) -> dict[int, int]:
    solution = _branch_and_bound(options) if len(options) <= MAX_DEPTH else None
    return _integer_programme(options) if solution is None else solution


def _branch_and_bound(options: Options) -> dict[int, int] | None:
    """Return an optimal choice per entity, or ``None`` after :data:`MAX_NODES` nodes."""
    origin = min(o[1] for listed in options.values() for o in listed)
    # The most valuable entities first: good solutions early make the bound bite.
    ids = sorted(options, key=lambda e: (-options[e][0][0], e))
    choices = [[(v, _mask(s, t, origin), k) for v, s, t, k in options[e]] for e in ids]
    bound = [0.0]
    for listed in reversed(choices):
        bound.append(bound[-1] + listed[0][0])
    bound.reverse()
    best_value = -1.0
    best: list[int] = []
    picked = [-1] * len(ids)
    nodes = 0

    def descend(depth: int, used: int, value: float) -> bool:
        nonlocal best_value, best, nodes
        nodes += 1
        if nodes > MAX_NODES:
            return False
        if depth == len(ids):
            if value > best_value + 1e-12:
                best_value, best = value, picked.copy()
            return True
        rest = bound[depth + 1]
        for v, mask, k in choices[depth]:
            if value + v + rest <= best_value + 1e-12:
                return True  # the options are sorted: none of the later ones can do better
            if not used & mask:
                picked[depth] = k
                if not descend(depth + 1, used | mask, value + v):
                    return False
        picked[depth] = -1
        if value + rest > best_value + 1e-12:
            return descend(depth + 1, used, value)
        return True

    if not descend(0, 0, 0.0):
        return None
    return dict(zip(ids, best, strict=True))


def _integer_programme(options: Options) -> dict[int, int]:
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_matrix

    flat = [(e, *o) for e, listed in sorted(options.items()) for o in listed]
    rows: list[int] = []
    columns: list[int] = []
    names: dict[tuple[str, int], int] = {}
    for column, (e, _, s, t, _) in enumerate(flat):
        for name in [("entity", e), *(("word", w) for w in range(s, t))]:
            rows.append(names.setdefault(name, len(names)))
            columns.append(column)
    matrix = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(names), len(flat)))
    result = milp(
        c=-np.array([f[1] for f in flat]),
        constraints=LinearConstraint(matrix.tocsr(), -np.inf, 1.0),
        integrality=np.ones(len(flat)),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0.0},
    )
    if result.x is None:
        raise RuntimeError(f"the integer programme was not solved: {result.message}")
    solution = dict.fromkeys(options, -1)
    for x, (e, _, _, _, k) in zip(result.x, flat, strict=True):
        if x > 0.5:
            solution[e] = k
    return solution


def drop_overlaps(start: IntArray, end: IntArray, value: FloatArray) -> Sequence[int]:
    """Return the indices of ranges that survive when better ones push out those they overlap."""
    order = np.argsort(start, kind="stable")
    if not (start[order][1:] < np.maximum.accumulate(end[order])[:-1]).any():
        return range(len(start))
    kept: list[int] = []
    used: set[int] = set()
    for k in np.lexsort((start, -value)).tolist():
        words = range(int(start[k]), int(end[k]))
        if not any(w in used for w in words):
            used.update(words)
            kept.append(k)
    return sorted(kept)
