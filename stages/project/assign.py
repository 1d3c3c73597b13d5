"""Choosing one range per entity so that no two overlap and the total value is greatest.

The problem is a weighted set packing (an integer linear programme in 2501.18750): each entity takes
at most one of its candidates, every target word belongs to at most one of those taken. Only
candidates of positive value can add to the total, so the others are pruned without loss. In most
sentences the best candidates do not touch and are the answer; what is left splits into small groups
of entities whose candidates overlap, solved by branch and bound, and by HiGHS (scipy's ``milp``)
where a group is too tangled for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from stages.project.words import FloatArray, IntArray

MAX_NODES: Final = 20_000
"""Nodes of branch and bound before a group is handed to the integer programme."""
MAX_DEPTH: Final = 200

Options = list[tuple[float, int, int, int]]  # (value, start, end, index), best first


def choose_exact(
    entity: IntArray, start: IntArray, end: IntArray, value: FloatArray, n_entities: int
) -> IntArray:
    """Return the index of the candidate taken per entity (-1: none) in an optimal assignment.

    Args:
        entity: Entity of each candidate, ascending.
        start: First word of each candidate; entities of different sentences must not share words.
        end: The word after its last.
        value: What taking the candidate adds; those not above zero are never taken.
        n_entities: Number of entities.
    """
    taken = best_per_entity(entity, value, n_entities)
    for group in _tangles(entity, start, end, value, taken):
        indices = np.concatenate([np.flatnonzero(value[lo:hi] > 0) + lo for lo, hi in group])
        for e, index in _solve(_options(indices, entity, start, end, value)).items():
            taken[e] = index
    return taken


def choose_greedy(
    entity: IntArray, start: IntArray, end: IntArray, value: FloatArray, n_entities: int
) -> IntArray:
    """Return the candidate taken per entity when the best one left is taken again and again.

    This is what the published implementation of 2501.18750 does. Arguments as for
    :func:`choose_exact`.
    """
    best = best_per_entity(entity, value, n_entities)
    taken = best.copy()
    for group in _tangles(entity, start, end, value, best):
        ids = [int(entity[lo]) for lo, _ in group]
        taken[ids] = -1
        indices = np.concatenate([np.flatnonzero(value[lo:hi] > 0) + lo for lo, hi in group])
        used = 0
        for k in indices[np.argsort(-value[indices], kind="stable")]:
            mask = _mask(int(start[k]), int(end[k]), int(start[indices].min()))
            if taken[entity[k]] < 0 and not used & mask:
                taken[entity[k]] = k
                used |= mask
    return taken


def best_per_entity(entity: IntArray, value: FloatArray, n_entities: int) -> IntArray:
    """Return the first best candidate of positive value per entity, -1 where there is none."""
    best = np.full(n_entities, -1, np.int64)
    if not len(entity):
        return best
    firsts = np.flatnonzero(np.concatenate([[True], entity[1:] != entity[:-1]]))
    top = np.maximum.reduceat(value, firsts)
    counts = np.diff(np.concatenate([firsts, [len(entity)]]))
    hits = np.flatnonzero((value == np.repeat(top, counts)) & (value > 0))
    best[entity[hits[::-1]]] = hits[::-1]  # the first of equals is written last
    return best


def _tangles(
    entity: IntArray, start: IntArray, end: IntArray, value: FloatArray, best: IntArray
) -> list[list[tuple[int, int]]]:
    """Return groups of entities (as slices of the candidates) that need a joint solution.

    Entities whose whole reach (from the first to the last word of any useful candidate) overlaps
    belong together; a group in which the best candidates do not overlap is solved already.
    """
    useful = np.flatnonzero(value > 0)
    if not len(useful):
        return []
    owner = entity[useful]
    firsts = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))
    ids = owner[firsts]
    lowest = np.minimum.reduceat(start[useful], firsts)
    highest = np.maximum.reduceat(end[useful], firsts)
    order = np.argsort(lowest, kind="stable")
    ids, lowest, highest = ids[order], lowest[order], highest[order]
    reach = np.maximum.accumulate(highest)
    new = np.concatenate([[True], lowest[1:] >= reach[:-1]])
    group = np.cumsum(new) - 1
    # Best candidates that overlap within the sorted order of their starts.
    chosen = best[ids]
    by_start = np.lexsort((start[chosen], group))
    s, e, g = start[chosen][by_start], end[chosen][by_start], group[by_start]
    # Groups do not share words and come in order, so a running maximum is safe across them.
    clash = s[1:] < np.maximum.accumulate(e)[:-1]
    bad = np.unique(g[1:][clash])
    if not len(bad):
        return []
    left = np.searchsorted(entity, ids, side="left")
    right = np.searchsorted(entity, ids, side="right")
    tangled = []
    for b in bad:
        lo, hi = np.searchsorted(group, [b, b + 1])
        members = sorted(zip(left[lo:hi].tolist(), right[lo:hi].tolist(), strict=True))
        tangled.append(members)
    return tangled


def _mask(start: int, end: int, origin: int) -> int:
    return ((1 << (end - start)) - 1) << (start - origin)


def _options(
    indices: IntArray, entity: IntArray, start: IntArray, end: IntArray, value: FloatArray
) -> dict[int, Options]:
    """Return the candidates with these indices per entity, best first."""
    options: dict[int, Options] = {}
    for k in indices.tolist():
        options.setdefault(int(entity[k]), []).append(
            (float(value[k]), int(start[k]), int(end[k]), k)
        )
    for listed in options.values():
        listed.sort(key=lambda o: (-o[0], o[3]))
    return options


def _solve(options: dict[int, Options]) -> dict[int, int]:
    solution = _branch_and_bound(options) if len(options) <= MAX_DEPTH else None
    return _integer_programme(options) if solution is None else solution


def _branch_and_bound(options: dict[int, Options]) -> dict[int, int] | None:
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


def _integer_programme(options: dict[int, Options]) -> dict[int, int]:
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
