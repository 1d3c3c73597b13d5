"""Which steps of a plan may be done next: those that read nothing unfinished, longest chain first.

The way of list scheduling by the critical path (Graham, 1969; "bottom level" in Kwok and Ahmad,
1999): what the longest chain of work hangs on is begun first.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.plan import TODO, Step
from pipeline.task import Ref


class Schedule:
    """The steps of a plan on their way.

    Args:
        steps: All steps of the plan, each after those whose output it reads.
        seconds: How long each of those to do may take; where it is given, those that the longest
            chain hangs on come first, else they come in the order of the plan.
    """

    def __init__(self, steps: Sequence[Step], seconds: Mapping[Ref, float] | None = None) -> None:
        self._steps = {s.task.ref: s for s in steps}
        self._readers: dict[Ref, list[Ref]] = {ref: [] for ref in self._steps}
        self._missing: dict[Ref, int] = {}
        for ref, step in self._steps.items():
            reads = set(step.task.reads) & self._steps.keys()
            self._missing[ref] = len(reads)
            for other in reads:
                self._readers[other].append(ref)
        self._order = self._ranked(seconds)
        self._open = {r for r, n in self._missing.items() if not n}
        self._gone: set[Ref] = set()
        self._left = len(self._steps)

    def _ranked(self, seconds: Mapping[Ref, float] | None) -> dict[Ref, tuple[float, int]]:
        chains = dict.fromkeys(self._steps, 0.0)
        if seconds is not None:
            for ref in reversed(self._steps):
                after = max((chains[r] for r in self._readers[ref]), default=0.0)
                chains[ref] = after + seconds.get(ref, 0.0)
        return {ref: (-chains[ref], place) for place, ref in enumerate(self._steps)}

    @property
    def finished(self) -> bool:
        """Whether everything is settled."""
        return not self._left

    def ready(self) -> list[Step]:
        """Return what can be done now, the most urgent first."""
        return [self._steps[r] for r in sorted(self._open, key=self._order.__getitem__)]

    def left(self) -> list[Step]:
        """Return what is not settled and not under way."""
        return [self._steps[r] for r in self._steps if r not in self._gone]

    def begin(self, step: Step) -> None:
        """Say that a step is under way."""
        self._open.remove(step.task.ref)
        self._gone.add(step.task.ref)

    def again(self, step: Step) -> None:
        """Say that a step that was under way has to be done after all."""
        self._open.add(step.task.ref)
        self._gone.remove(step.task.ref)

    def settle(self, step: Step) -> None:
        """Say that the output of a step is there, or that nothing is to be done about it."""
        self._open.discard(step.task.ref)
        self._gone.add(step.task.ref)
        self._left -= 1
        for ref in self._readers[step.task.ref]:
            self._missing[ref] -= 1
            if not self._missing[ref]:
                self._open.add(ref)


@dataclass(frozen=True, slots=True)
class Planned:
    """When and where a step is expected to be done.

    Attributes:
        step: The step.
        slot: Number of the place that does it.
        begin: Seconds after the start of the run.
        end: The same.
    """

    step: Step
    slot: int
    begin: float
    end: float


def simulate(steps: Sequence[Step], seconds: Mapping[Ref, float], slots: int) -> list[Planned]:
    """Return what a run with so many places would do when, if every step took its estimate."""
    schedule = Schedule(steps, seconds)
    free = list(range(slots))
    under_way: list[tuple[float, int, int, Step]] = []
    planned: list[Planned] = []
    now = 0.0
    while not schedule.finished:
        _pass_over(schedule)
        for step in schedule.ready():
            if not free:
                break
            slot = heapq.heappop(free)
            schedule.begin(step)
            end = now + seconds.get(step.task.ref, 0.0)
            heapq.heappush(under_way, (end, len(planned), slot, step))
            planned.append(Planned(step, slot, now, end))
        if under_way:
            now, _, slot, step = heapq.heappop(under_way)
            heapq.heappush(free, slot)
            schedule.settle(step)
    return planned


def _pass_over(schedule: Schedule) -> None:
    while idle := [s for s in schedule.ready() if s.state not in TODO]:
        for step in idle:
            schedule.settle(step)
