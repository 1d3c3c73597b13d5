"""Carries out a plan: steps that are ready go to whatever is free, and what comes of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from pipeline import capacity
from pipeline.artifacts import Artifact
from pipeline.errors import XlnerError
from pipeline.estimates import Estimates, told_bytes, told_seconds
from pipeline.plan import TODO, Planner, Selection, Step
from pipeline.schedule import Schedule
from pipeline.slots import Killed, Outcome, Slots
from pipeline.task import Ref

logger = logging.getLogger(__name__)


class Work:
    """The steps of one plan being done.

    Args:
        planner: Whose plan it is.
        steps: The plan.
        selection: What was asked for.
        done: Gets the outputs as they are finished.
        side_by_side: Whether several steps may be under way: what the longest chain hangs on comes
            first then, and what does not fit into memory waits.
    """

    def __init__(
        self,
        planner: Planner,
        steps: Sequence[Step],
        selection: Selection,
        done: list[Artifact],
        *,
        side_by_side: bool,
    ) -> None:
        self._planner = planner
        self._steps = steps
        self._selected = selection.stages(planner.registry)
        self._done = done
        self._side_by_side = side_by_side
        gpus = bool(capacity.devices(planner.config))
        self._estimates = Estimates(planner, steps, gpus=gpus) if side_by_side else None
        self._schedule = Schedule(steps, self._estimates.seconds if self._estimates else None)
        self._changed: set[Ref] = set()
        self._before: dict[Ref, dict[str, str] | None] = {}
        self._under_way: set[Ref] = set()
        self._begun = 0
        self._failed: list[tuple[Step, BaseException]] = []
        self._killed: list[Step] = []  # to be tried once more, with nothing beside it
        self._tried: set[Ref] = set()
        self._waits: set[Ref] = set()

    def carry_out(self, slots: Slots) -> None:
        """Do everything.

        Raises:
            XlnerError: If something goes wrong. What was under way beside it is finished first.
        """
        under_way = 0
        while True:
            under_way += self._hand_out(slots, under_way)
            if not under_way:
                break
            self._take(slots.wait(), under_way - 1)
            under_way -= 1
        self._raise()

    def sweep(self) -> None:
        """Delete what was being written by processes that had to be killed."""
        for ref in self._under_way:
            self._planner.folder.sweep_partial(ref)

    # -- beginning --------------------------------------------------------------------------

    def _hand_out(self, slots: Slots, under_way: int) -> int:
        """Begin what is ready and fits; return how many steps."""
        begun = 0
        for step in self._ready():
            if self._failed:
                break
            if not slots.takes(step):
                continue
            if self._killed:
                # All else waits until it has had the whole memory.
                if step not in self._killed:
                    continue
                if under_way + begun:
                    break
                self._killed.remove(step)
                self._begin(slots, step)
                return 1
            if under_way + begun and (step.task.ref in self._tried or not self._fits(step, slots)):
                continue
            self._begin(slots, step)
            begun += 1
        return begun

    def _ready(self) -> Iterator[Step]:
        """Yield the steps that can be done now; pass over those about which nothing is to do."""
        settled = True
        while settled:
            settled = False
            for step in self._schedule.ready():
                if self._to_do(step):
                    continue
                self._schedule.settle(step)
                settled = True
        yield from self._schedule.ready()

    def _to_do(self, step: Step) -> bool:
        kept = step.state in ("up to date", "decide")
        other = next((r for r in step.task.reads if r in self._changed), None) if kept else None
        if other is not None and step.task.stage in self._selected:
            step.state = "run"
            step.why = f"its input {other} came out otherwise than before"
        elif other is not None:
            logger.warning(
                "%s was made from another %s than there is now: run again with --from %s --force",
                step.task.ref,
                other,
                step.task.stage,
            )
        return step.state in TODO

    def _begin(self, slots: Slots, step: Step) -> None:
        ref = step.task.ref
        self._begun += 1
        left = sum(s.state in TODO for s in self._schedule.left()) - 1
        self._planner.progress.console.print(
            f"[bold]{ref}[/bold] [dim]({self._begun} of {self._begun + left}: {step.why})[/dim]",
            soft_wrap=True,
        )
        if ref not in self._before:
            self._before[ref] = self._planner.folder.hashes(ref, step.fingerprint)
        self._schedule.begin(step)
        self._under_way.add(ref)
        slots.begin(step, self._planner.configured(step.task))

    def _fits(self, step: Step, slots: Slots) -> bool:
        """Return whether there is memory for a step beside those that are under way."""
        free = capacity.free_memory()
        if self._estimates is None or free is None or not slots.shares_memory:
            return True
        # What is under way may not have taken yet what it is going to.
        for other, held in slots.busy:
            free -= max(0, self._estimates.memory(other) - held)
        needs = self._estimates.memory(step)
        if needs <= free:
            return True
        if step.task.ref not in self._waits:
            self._waits.add(step.task.ref)
            self._planner.progress.say(
                f"{step.task.ref} waits for memory: it may take {told_bytes(needs)}, and beside "
                f"what is under way {told_bytes(max(free, 0))} are left"
            )
        return False

    # -- ending -----------------------------------------------------------------------------

    def _take(self, outcome: Outcome, others: int) -> None:
        """See what came of a step."""
        step, made = outcome.step, outcome.made
        ref = step.task.ref
        self._under_way.discard(ref)
        if isinstance(made, BaseException):
            self._gone_wrong(step, made, others)
            return
        if self._before[ref] is not None and self._before[ref] != made.hashes:
            self._changed.add(ref)
        self._done.append(made)
        self._schedule.settle(step)
        if self._side_by_side:
            self._planner.progress.say(f"{ref}: done in {told_seconds(made.manifest.seconds)}")

    def _gone_wrong(self, step: Step, error: BaseException, others: int) -> None:
        ref = step.task.ref
        if not isinstance(error, Exception):  # stopped from outside
            raise error
        self._planner.folder.sweep_partial(ref)
        if isinstance(error, Killed) and ref not in self._tried:
            self._tried.add(ref)
            self._killed.append(step)
            self._schedule.again(step)
            self._begun -= 1
            logger.warning(
                "%s: %s; it is tried once more, with nothing beside it%s",
                ref,
                error,
                f", when {others} more are finished" if others else "",
            )
            return
        self._failed.append((step, error))
        waits = f"; {others} more that are under way are finished first" if others else ""
        self._planner.progress.say(f"{ref} has failed{waits}")

    def _raise(self) -> None:
        if not self._failed:
            return
        if len(self._failed) == 1 and not isinstance(self._failed[0][1], XlnerError):
            step, error = self._failed[0]
            error.add_note(f"in {step.task.ref}")
            raise error
        told = [_told(step, error) for step, error in self._failed]
        failed = XlnerError("\n".join(told))
        failed.exit_code = max(getattr(e, "exit_code", 1) for _, e in self._failed)
        raise failed from self._failed[0][1]


def _told(step: Step, error: BaseException) -> str:
    ref = str(step.task.ref)
    text = str(error) if isinstance(error, XlnerError) else f"{type(error).__name__}: {error}"
    if isinstance(error, Killed):
        text += (
            ", twice, the second time with nothing beside it. Where memory ran out (signal 9): "
            "close other programs, or make what it computes at once smaller; finished parts and "
            "checkpoints are kept"
        )
    return text if text.startswith(ref) else f"{ref}: {text}"
