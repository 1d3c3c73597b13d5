"""What ``--dry-run`` shows: what there is to do, what does it, and how long it may take."""

from __future__ import annotations

from rich.console import Console

from pipeline import capacity
from pipeline.estimates import Estimates, told_seconds
from pipeline.plan import TODO, Planner, Step
from pipeline.schedule import simulate
from pipeline.task import Ref

_COLOURS = {
    "up to date": "green",
    "run": "yellow",
    "resume": "cyan",
    "decide": "cyan",
    "damaged": "red",
    "not selected": "dim",
}


class Placed:
    """A plan laid out over the places of this machine, or of another one.

    Args:
        planner: Whose plan it is.
        steps: The plan.

    Attributes:
        names: What the places are called.
        planned: What each of them does when.
        estimates: How long that is expected to take.
    """

    def __init__(self, planner: Planner, steps: list[Step]) -> None:
        config = planner.config
        here = len(capacity.visible_devices())
        gpus = here if config.devices is None else config.devices
        jobs = capacity.jobs(config, gpus)
        self.names = [f"GPU {n % gpus}" if gpus else f"process {n + 1}" for n in range(jobs)]
        self.estimates = Estimates(planner, steps, gpus=gpus > 0, elsewhere=gpus > here)
        self.planned = simulate(steps, self.estimates.seconds, jobs)


def show_plan(steps: list[Step], console: Console) -> None:
    """Print which tasks run, which are up to date, and why."""
    from rich.table import Table

    table = Table("task", "state", "why", box=None, pad_edge=False)
    for step in steps:
        state = f"[{_COLOURS[step.state]}]{step.state}[/]"
        table.add_row(str(step.task.ref), state, step.why or "")
    console.print(table)
    todo = sum(s.state in TODO for s in steps)
    console.print(f"{todo} of {len(steps)} tasks to do")


def show_places(placed: Placed, console: Console) -> None:
    """Print which place does what in which order, and how long it may take."""
    from rich.table import Table

    if not placed.planned:
        return
    seconds = placed.estimates.seconds
    whole = max(p.end for p in placed.planned)
    work = sum(seconds.values())
    if len(placed.names) > 1:
        table = Table("place", "from", "takes", "task", box=None, pad_edge=False)
        for number, name in enumerate(placed.names):
            mine = [p for p in placed.planned if p.slot == number]
            for one in mine:
                shown = name if one is mine[0] else ""
                taken = told_seconds(one.end - one.begin)
                table.add_row(shown, _clock(one.begin), taken, str(one.step.task.ref))
        console.print()
        console.print(table)
        console.print(
            f"side by side: {len(placed.names)} at most, {work / max(whole, 1e-9):.1f} on average"
        )
    measured = len(placed.estimates.measured)
    guessed = len(seconds) - measured
    grounds = [f"{measured} tasks by what such took before"] if measured else []
    if guessed:
        grounds.append(f"{guessed} by the sizes of data and models, to an order of magnitude")
    console.print(f"expected time: {told_seconds(whole)} ({', '.join(grounds)})")


def places_json(placed: Placed) -> dict[Ref, dict[str, object]]:
    """Return the place, the beginning and the length of each step that is to be done."""
    return {
        p.step.task.ref: {
            "place": placed.names[p.slot],
            "begin": round(p.begin, 1),
            "seconds": round(p.end - p.begin, 1),
        }
        for p in placed.planned
    }


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
