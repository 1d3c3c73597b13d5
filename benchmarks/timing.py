"""Side by side: candidates take turns, and ratios are those of the same round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Times:
    """Seconds of one candidate, round by round.

    Attributes:
        wall: By the clock.
        cpu: Of this process.
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def by(self, clock: str) -> list[float]:
        """Return those of ``wall`` or ``cpu``."""
        return self.cpu if clock == "cpu" else self.wall


def turns(
    candidates: Mapping[str, Callable[[], Any]], runs: int, times: dict[str, Times]
) -> Iterator[tuple[int, str, Any]]:
    """Run all candidates in turn, ``runs`` times over; which comes first moves on every round.

    What else the machine does hits all of them. Warm up before.

    Args:
        candidates: By name.
        runs: How many rounds.
        times: Gets the seconds, by name.

    Yields:
        Round, name and result of every run.
    """
    names = list(candidates)
    times |= {name: Times() for name in names}
    for number in range(runs):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            wall, cpu = time.perf_counter(), time.process_time()
            result = candidates[name]()
            times[name].wall.append(time.perf_counter() - wall)
            times[name].cpu.append(time.process_time() - cpu)
            yield number, name, result


def alternate(candidates: Mapping[str, Callable[[], Any]], runs: int) -> dict[str, Times]:
    """Time candidates in turn, ``runs`` times over, after one run each to warm up."""
    for call in candidates.values():
        call()
    times: dict[str, Times] = {}
    for _ in turns(candidates, runs, times):
        pass
    return times


def ratios(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """Return the ratio of two candidates for each round."""
    return [a / b for a, b in zip(one, other, strict=True)]


def spread(values: Sequence[float]) -> str:
    """Return the median, and in brackets the range."""
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"
