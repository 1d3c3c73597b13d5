"""Places that do steps of a run: this process, or several side by side."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from pipeline.artifacts import Artifact, RunFolder
from pipeline.capacity import used_memory
from pipeline.config import RunConfig
from pipeline.disk import disk_errors
from pipeline.doing import Doer
from pipeline.errors import XlnerError
from pipeline.plan import Step
from pipeline.progress import Progress
from pipeline.relay import Message, Shown

_GRACE = 15.0  # seconds that tasks have to stop in


class Killed(XlnerError):
    """The process that did a task has ended without a word."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a step.

    Attributes:
        step: The step.
        made: Its output, or what went wrong.
    """

    step: Step
    made: Artifact | BaseException


class Slots(Protocol):
    """Where steps are done.

    Attributes:
        shares_memory: Whether all of them take from the memory of this machine.
    """

    shares_memory: bool

    def takes(self, step: Step) -> bool:
        """Return whether a step could be begun now."""

    @property
    def busy(self) -> list[tuple[Step, int]]:
        """The steps that are under way, with the bytes of memory that their processes hold."""

    def begin(self, step: Step, config: RunConfig) -> None:
        """Begin a step, whose inputs are there, with the configuration of its task."""

    def wait(self) -> Outcome:
        """Wait for the next step to end, showing what comes in between."""

    def stop(self) -> None:
        """End everything; what is under way is stopped."""


class Here:
    """Does steps in this process, one after another.

    Args:
        doer: Does them.
        folder: The folder of the run.
    """

    shares_memory = True

    def __init__(self, doer: Doer, folder: RunFolder) -> None:
        self._doer = doer
        self._folder = folder
        self._done: list[Outcome] = []

    def takes(self, step: Step) -> bool:
        """See :class:`Slots`."""
        return not self._done

    @property
    def busy(self) -> list[tuple[Step, int]]:
        """See :class:`Slots`."""
        return []

    def begin(self, step: Step, config: RunConfig) -> None:
        """See :class:`Slots`; raises what goes wrong."""
        with disk_errors(self._folder.folder(step.task.ref)):
            self._done.append(Outcome(step, self._doer.do(config, step)))

    def wait(self) -> Outcome:
        """See :class:`Slots`."""
        return self._done.pop()

    def stop(self) -> None:
        """See :class:`Slots`."""
        self._doer.close()


class Place(Protocol):
    """One process that does steps, seen from the run.

    Attributes:
        step: What it does at the moment.
        shown: Shows what it tells.
        connection: Has something to read when it tells something, or is gone.
    """

    step: Step | None
    shown: Shown
    connection: Connection

    @property
    def pid(self) -> int:
        """The number of the process, if it is on this machine, else 0."""

    def begin(self, step: Step, config: RunConfig) -> None:
        """Give the process a step; start it if need be."""

    def receive(self) -> Message:
        """Return what it tells: what is to be shown, or the end of its step.

        That is ``done`` with its output, ``failed`` with what went wrong, or ``lost`` with how the
        process ended.
        """

    def terminate(self) -> None:
        """Have the step stop as if by Ctrl-C, and then the process end."""

    def stop(self, grace: float) -> None:
        """End the process, which is killed after so many seconds."""


class Processes:
    """Does steps side by side, each in a process that goes on to the next.

    Args:
        make: Returns a new place by its number.
        count: How many at most; they start when they are needed.
        progress: Where to show what they tell.
    """

    shares_memory = True

    def __init__(self, make: Callable[[int], Place], count: int, progress: Progress) -> None:
        self._make = make
        self._progress = progress
        self._unused = list(reversed(range(count)))
        self._places: dict[int, Place] = {}

    def takes(self, step: Step) -> bool:
        """See :class:`Slots`."""
        return bool(self._unused) or any(p.step is None for p in self._places.values())

    @property
    def busy(self) -> list[tuple[Step, int]]:
        """See :class:`Slots`."""
        under_way = (p for p in self._places.values() if p.step is not None)
        return [(p.step, used_memory(p.pid)) for p in under_way if p.step is not None]

    def begin(self, step: Step, config: RunConfig) -> None:
        """See :class:`Slots`."""
        place = next((p for p in self._places.values() if p.step is None), None)
        if place is None:
            number = self._unused.pop()
            place = self._places[number] = self._make(number)
        place.shown = Shown(self._progress)
        place.step = step
        place.begin(step, config)

    def wait(self) -> Outcome:
        """See :class:`Slots`."""
        while True:
            by_connection: dict[Any, Place] = {p.connection: p for p in self._places.values()}
            place = by_connection[wait(list(by_connection))[0]]
            message = place.receive()
            if message[0] not in ("done", "failed", "lost"):
                place.shown.show(message)
                continue
            kind, made = message
            if kind == "lost":
                self._forget(place)
                made = Killed(f"its process died ({made})")
            place.shown.close()
            step, place.step = place.step, None
            if step is not None:  # or it has died with nothing to do
                return Outcome(step, made)

    def _forget(self, lost: Place) -> None:
        lost.stop(grace=0)
        number = next(n for n, p in self._places.items() if p is lost)
        del self._places[number]
        self._unused.append(number)

    def stop(self) -> None:
        """See :class:`Slots`."""
        end = time.monotonic() + _GRACE
        try:
            for place in self._places.values():
                if place.step is not None:
                    place.terminate()
        finally:
            for place in self._places.values():
                place.stop(grace=max(0.0, end - time.monotonic()))
                place.shown.close()
            self._places.clear()
