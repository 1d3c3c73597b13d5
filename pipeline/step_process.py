"""Processes of this machine that do steps of a run, one after another each."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.artifacts import Artifact, RunFolder
from pipeline.child import Child, portable
from pipeline.config import RunConfig
from pipeline.disk import disk_errors
from pipeline.doing import Doer, engine_of
from pipeline.engine.memory import set_libraries_aside
from pipeline.plan import Step
from pipeline.registry import Registry
from pipeline.relay import LOGGERS, Message, RelayedLog, RelayedProgress, Shown


@dataclass(frozen=True, slots=True)
class Setup:
    """What a process needs to do steps of a run.

    Attributes:
        registry: The stages.
        folder: The folder of the run.
        level: From which level on what is logged is told.
    """

    registry: Registry
    folder: Path
    level: int


class StepProcess(Child):
    """A process of this machine; see :class:`pipeline.slots.Place`.

    Args:
        setup: What it needs.
        device: The GPU that it sees; ``None``: what this process sees.
        threads: Of the process.
    """

    def __init__(self, setup: Setup, device: str | None, threads: int) -> None:
        self.step: Step | None = None
        self.shown: Shown
        with _without_main():
            super().__init__(_serve, setup, threads=threads, device=device, alone=False)

    def begin(self, step: Step, config: RunConfig) -> None:
        """See :class:`pipeline.slots.Place`."""
        self.send((step, config.__getstate__()))


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Have processes that are started in the block not run the script of this one again.

    What they do is in modules; a script need not say ``if __name__ == "__main__"`` for them.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


# -- in the process ---------------------------------------------------------------------------


class StepWorker:
    """Does steps in a process of its own.

    Args:
        setup: What it needs.
        tell: Sends a message to the run.
    """

    def __init__(self, setup: Setup, tell: Callable[[Message], None]) -> None:
        self._setup, self._tell = setup, tell
        self._model = setup.registry.config_type()
        self._doer: Doer | None = None
        for name in LOGGERS:
            logger = logging.getLogger(name)
            logger.handlers = [RelayedLog(tell, setup.level)]
            logger.setLevel(setup.level)
            logger.propagate = False

    def do(self, step: Step, state: dict[str, Any]) -> Artifact:
        """Do one step, with the state of the configuration of its task."""
        config = self._model.__new__(self._model)
        config.__setstate__(state)
        folder = RunFolder(self._setup.folder)
        if self._doer is None:
            engine = engine_of(config)
            progress = RelayedProgress(self._tell)
            self._doer = Doer(self._setup.registry, folder, engine, progress)
        try:
            with disk_errors(folder.folder(step.task.ref)):
                return self._doer.do(config, step)
        except Exception as error:
            raise portable(error) from None


def _serve(
    items: Iterator[tuple[Step, dict[str, Any]]], tell: Callable[[Message], None], setup: Setup
) -> None:
    """Do steps until the run ends this process."""
    set_libraries_aside()
    worker = StepWorker(setup, tell)
    with contextlib.suppress(KeyboardInterrupt):  # there was nothing to stop
        signal.signal(signal.SIGTERM, _stop)
        for step, state in items:
            try:
                tell(("done", worker.do(step, state)))
            except BaseException as error:
                tell(("failed", error))
        # The pipe is closed before the signal is sent: it may come while this process ends.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _stop(number: int, frame: object) -> None:
    """Stop what is under way, once: what cleans up after it is left to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
