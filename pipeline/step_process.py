"""Processes of this machine that do steps of a run, one after another each.

Each is a :class:`~concurrent.futures.ProcessPoolExecutor` of one process: one that dies takes no
other with it, and each sees one GPU from its start.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.artifacts import Artifact, RunFolder
from pipeline.capacity import share
from pipeline.config import RunConfig
from pipeline.disk import disk_errors
from pipeline.doing import Doer
from pipeline.engine import engine_of
from pipeline.engine.memory import set_libraries_aside
from pipeline.engine.pool import belong_to_parent, how_ended, portable
from pipeline.plan import Step
from pipeline.registry import Registry
from pipeline.relay import LOGGERS, Message, RelayedLog, RelayedProgress, Shown
from pipeline.slots import Events


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


class _Spawning(SpawnContext):
    """Starts processes anew, not by a fork: torch and ctranslate2 own threads that do not survive.

    It keeps the processes that it has made, so that one can be told to stop.
    """

    def __init__(self) -> None:
        super().__init__()
        self.made: list[SpawnProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]
        """Make a process, and remember it."""
        process = SpawnProcess(*args, **kwargs)
        self.made.append(process)
        return process


class StepProcess:
    """A process of this machine; see :class:`Place`.

    Args:
        setup: What it needs.
        device: The GPU that it sees; ``None``: what this process sees.
        threads: Of the process.
        events: Gets what it tells.
    """

    def __init__(self, setup: Setup, device: str | None, threads: int, events: Events) -> None:
        self.step: Step | None = None
        self.future: Future[Artifact] | None = None
        self.shown: Shown
        self._device, self._threads, self._events = device, threads, events
        self._context = _Spawning()
        ours, self._theirs = self._context.Pipe(duplex=False)
        self._reader = threading.Thread(target=self._read, args=(ours,), daemon=True)
        self._pool = ProcessPoolExecutor(
            1, self._context, initializer=_enter, initargs=(setup, self._theirs)
        )

    def _read(self, connection: Connection) -> None:
        with connection, contextlib.suppress(EOFError, OSError):
            while True:
                self._events.put((self, connection.recv()))

    def begin(self, step: Step, config: RunConfig) -> None:
        """See :class:`Place`."""
        self.step = step
        # The process starts with the first step.
        with share(self._threads, self._device), _without_main():
            self.future = self._pool.submit(_do, step, config.__getstate__())
        if not self._theirs.closed:
            self._theirs.close()  # so that the end of the process ends the pipe
            self._reader.start()
        self.future.add_done_callback(self._ended)

    def _ended(self, future: Future[Artifact]) -> None:
        # All that the process had to tell comes before its word that a step is over.
        if not future.cancelled() and isinstance(future.exception(), BrokenProcessPool):
            self._events.put((self, ("broken",)))

    @property
    def pid(self) -> int:
        """See :class:`Place`."""
        return self._context.made[-1].pid or 0

    def terminate(self) -> None:
        """See :class:`Place`."""
        self._context.made[-1].terminate()

    def lost(self, error: BaseException | None) -> str | None:
        """See :class:`Place`."""
        if not isinstance(error, BrokenProcessPool):
            return None
        # The pool waits for its process, and two that wait take the exit code from each other.
        self._pool.shutdown(wait=True)
        return how_ended(self._context.made[-1].exitcode)

    def end(self) -> None:
        """See :class:`Place`."""
        if self.future is not None and not self.future.done():
            for process in self._context.made:
                process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._reader.is_alive():
            self._reader.join()


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

    Attributes:
        working: Whether a step is under way.
    """

    def __init__(self, setup: Setup, tell: Callable[[Message], None]) -> None:
        self.working = False
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
        self.working = True
        try:
            with disk_errors(folder.folder(step.task.ref)):
                return self._doer.do(config, step)
        except Exception as error:
            raise portable(error) from None
        finally:
            self.working = False
            self._tell(("over",))


_worker: StepWorker | None = None  # of this process


def _enter(setup: Setup, connection: Connection) -> None:
    """Make this process ready to do steps."""
    global _worker
    belong_to_parent()
    signal.signal(signal.SIGTERM, _stop)
    lock = threading.Lock()

    def tell(message: Message) -> None:
        with lock, contextlib.suppress(OSError):  # the run is gone, and so will this process be
            connection.send(message)

    set_libraries_aside()
    _worker = StepWorker(setup, tell)


def _stop(number: int, frame: object) -> None:
    if _worker is not None and _worker.working:
        raise KeyboardInterrupt


def _do(step: Step, state: dict[str, Any]) -> Artifact:
    assert _worker is not None
    return _worker.do(step, state)
