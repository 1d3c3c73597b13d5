"""Progress with a rate and an ETA: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.progress import Task as RichTask
from rich.text import Text


class Bar(Protocol):
    """One thing under way."""

    def advance(self, n: float = 1) -> None:
        """Say that ``n`` more units are done."""

    def note(self, text: str) -> None:
        """Show a short remark beside the bar (a loss, a score)."""


class _Rate(ProgressColumn):
    def render(self, task: RichTask) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed and speed >= 10 else f"{speed or 0:.1f}/s")


class Progress:
    """Makes progress bars on a console.

    Args:
        console: Where to show them.
        interval: Seconds between plain lines where the console is not a terminal.
    """

    def __init__(self, console: Console | None = None, interval: float = 10.0) -> None:
        self.console = console or Console(stderr=True)
        self._interval = interval
        self._live: RichProgress | None = None
        self._shown = 0

    def say(self, text: str) -> None:
        """Print one line."""
        self.console.print(f"  {text}", highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def task(
        self, label: str, total: float | None = None, unit: str = "sentences"
    ) -> Iterator[Bar]:
        """Show one piece of work.

        Args:
            label: What is being done.
            total: How many units there are; ``None`` if unknown.
            unit: What is counted.
        """
        if self.console.is_terminal:
            with self._display() as live:
                bar = _LiveBar(live, label, total, unit)
                try:
                    yield bar
                finally:
                    bar.close()
        else:
            plain = _PlainBar(self.console, label, total, unit, self._interval)
            yield plain
            plain.close()

    @contextmanager
    def _display(self) -> Iterator[RichProgress]:
        """Show all that is under way at the same time in one display."""
        if self._live is None:
            self._live = RichProgress(
                TextColumn("  {task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[unit]}"),
                _Rate(),
                TimeRemainingColumn(elapsed_when_finished=True),
                TextColumn("{task.fields[remark]}"),
                console=self.console,
                transient=True,
            )
            self._live.start()
        self._shown += 1
        try:
            yield self._live
        finally:
            self._shown -= 1
            if not self._shown:
                self._live.stop()
                self._live = None


class _LiveBar:
    def __init__(self, live: RichProgress, label: str, total: float | None, unit: str) -> None:
        self._live = live
        self._task = live.add_task(label, total=total, unit=unit, remark="")

    def advance(self, n: float = 1) -> None:
        self._live.advance(self._task, n)

    def note(self, text: str) -> None:
        self._live.update(self._task, remark=text)

    def close(self) -> None:
        self._live.remove_task(self._task)


class _PlainBar:
    def __init__(
        self, console: Console, label: str, total: float | None, unit: str, interval: float
    ) -> None:
        self._console, self._label, self._total, self._unit = console, label, total, unit
        self._interval = interval
        self._done = 0.0
        self._told = 0.0
        self._remark = ""
        self._start = self._shown = time.monotonic()

    def advance(self, n: float = 1) -> None:
        self._done += n
        now = time.monotonic()
        if now - self._shown >= self._interval:
            self._shown = now
            self._line()

    def note(self, text: str) -> None:
        self._remark = text

    def close(self) -> None:
        # A piece of work that never showed a line was too short to be worth one.
        if self._shown != self._start and self._told != self._done:
            self._line()

    def _line(self) -> None:
        self._told = self._done
        elapsed = max(time.monotonic() - self._start, 1e-9)
        rate = self._done / elapsed
        of = f"/{self._total:,.0f}" if self._total is not None else ""
        eta = ""
        if self._total is not None and rate > 0:
            left = max(self._total - self._done, 0) / rate
            eta = f", ETA {int(left // 60)}:{int(left % 60):02d}"
        speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
        remark = f", {self._remark}" if self._remark else ""
        self._console.print(
            f"  {self._label}: {self._done:,.0f}{of} {self._unit}, {speed}/s{eta}{remark}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
