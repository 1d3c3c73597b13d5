"""Progress, lines and warnings of a process that works for a run, told to the run's own process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any

from pipeline.progress import Bar, Progress

LOGGERS = ("pipeline", "stages")
_TELL = 0.2  # seconds between messages about the same bar

Message = tuple[Any, ...]
"""What is told: its name, and what it is about."""


class RelayedProgress(Progress):
    """Tells another process what is to be shown.

    Args:
        tell: Sends a message there.
    """

    def __init__(self, tell: Callable[[Message], None]) -> None:
        super().__init__()
        self._tell = tell
        self._numbers = count()

    def say(self, text: str) -> None:
        """See :meth:`pipeline.progress.Progress.say`."""
        self._tell(("say", text))

    @contextmanager
    def task(
        self, label: str, total: float | None = None, unit: str = "sentences"
    ) -> Iterator[Bar]:
        """See :meth:`pipeline.progress.Progress.task`."""
        bar = _RelayedBar(next(self._numbers), self._tell)
        self._tell(("begin", bar.number, label, total, unit))
        try:
            yield bar
        finally:
            bar.flush()
            self._tell(("end", bar.number))


class _RelayedBar:
    def __init__(self, number: int, tell: Callable[[Message], None]) -> None:
        self.number = number
        self._tell = tell
        self._done = 0.0
        self._remark: str | None = None
        self._told = 0.0

    def advance(self, n: float = 1) -> None:
        self._done += n
        self._perhaps()

    def note(self, text: str) -> None:
        self._remark = text
        self._perhaps()

    def _perhaps(self) -> None:
        if time.monotonic() - self._told >= _TELL:
            self.flush()

    def flush(self) -> None:
        self._tell(("moved", self.number, self._done, self._remark))
        self._done, self._remark, self._told = 0.0, None, time.monotonic()


class RelayedLog(logging.Handler):
    """Tells another process what is logged."""

    def __init__(self, tell: Callable[[Message], None], level: int) -> None:
        super().__init__(level)
        self._told = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record: who logged it, how important it is, and the text."""
        self._told(("log", record.name, record.levelno, record.getMessage()))


class Shown:
    """Shows what one process tells, on the progress of the run.

    Args:
        progress: Where.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[int, tuple[ExitStack, Bar]] = {}

    def show(self, message: Message) -> None:
        """Show one message."""
        match message:
            case ("say", text):
                self._progress.say(text)
            case ("begin", number, label, total, unit):
                stack = ExitStack()
                bar = stack.enter_context(self._progress.task(label, total, unit))
                self._bars[number] = stack, bar
            case ("moved", number, done, remark) if number in self._bars:
                _, bar = self._bars[number]
                if remark is not None:
                    bar.note(remark)
                bar.advance(done)
            case ("end", number) if number in self._bars:
                self._bars.pop(number)[0].close()
            case ("moved" | "end", *_):  # of a process that had died when this was read
                pass
            case ("log", name, level, text):
                logging.getLogger(name).log(level, "%s", text)
            case _:  # pragma: no cover - a programming error
                raise ValueError(f"unknown message {message[0]!r}")

    def close(self) -> None:
        """Take away what a process has left that has ended."""
        while self._bars:
            self._bars.popitem()[1][0].close()
