"""Processes of this machine that work for this one: what they are given and tell goes by pipe.

Each has a pipe of its own, so that it is known at once who has died, and over what: one that is
gone ends its pipe.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.resource_tracker import ensure_running
from typing import Any

from tqdm import tqdm

from pipeline.capacity import share
from pipeline.relay import Message

# Ctrl-C and the end of a terminal reach the whole group; the run decides what to do about it.
_IGNORED = (signal.SIGINT, signal.SIGHUP)
_GRACE = 5.0  # seconds that a process which has nothing to do may take to end

# spawn, not fork: torch and ctranslate2 own threads that do not survive a fork.
_CONTEXT = multiprocessing.get_context("spawn")


class Child:
    """A process of this machine, seen from the one that has started it.

    Args:
        serve: What it does: gets what it is sent, as an iterator that ends with the pipe, what
            sends a message here from any of its threads, and ``given``.
        given: What it gets besides.
        threads: How many it has.
        device: The GPU that it sees; ``None``: what this process sees.
        alone: Whether it starts no processes itself. Such a one ends with this process even where
            nobody stops it.

    Attributes:
        connection: Our end of the pipe.
    """

    def __init__(
        self,
        serve: Callable[..., None],
        *given: Any,
        threads: int,
        device: str | None = None,
        alone: bool = True,
    ) -> None:
        self.connection, theirs = _CONTEXT.Pipe()
        self._process: SpawnProcess = _CONTEXT.Process(
            target=_enter, args=(serve, theirs, *given), daemon=alone, name="xlner worker"
        )
        with share(threads, device), _signals_held_back():
            self._process.start()
        theirs.close()  # so that its death ends the pipe

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid or 0

    def send(self, item: Any) -> None:
        """Give the process something; if it has died meanwhile, the next receive tells."""
        with contextlib.suppress(OSError):
            self.connection.send(item)

    def receive(self) -> Message:
        """Return the next message; ``lost``, and how the process ended, if it is gone."""
        try:
            message: Message = self.connection.recv()
        except (EOFError, OSError):
            self._process.join(_GRACE)
            code = self._process.exitcode
            return "lost", f"killed by signal {-code}" if code and code < 0 else f"exit code {code}"
        return message

    def terminate(self) -> None:
        """Have the process stop what it does as if by Ctrl-C, and then end."""
        self.connection.close()  # nobody listens any more
        self._process.terminate()

    def stop(self, grace: float = _GRACE) -> None:
        """End the process, which its pipe tells to if it has time.

        Args:
            grace: The seconds until it is killed.
        """
        self.connection.close()
        self._process.join(grace)
        self._process.kill()
        self._process.join()


def portable(error: BaseException) -> BaseException:
    """Return the error with its traceback as a note, or what can be said of it in words."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # a class that cannot be rebuilt from its arguments
        cause = RuntimeError(f"{type(error).__name__}: {error}")
        cause.add_note("".join(traceback.format_exception(error)))
        return cause
    return error


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """Have a process that is started in the block not see what it ignores once it is up.

    Ctrl-C in the second in which its Python starts would end it with a traceback.
    """
    ensure_running()  # or it is started in the block, and ends what holds signals back
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _IGNORED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# -- in the process ---------------------------------------------------------------------------


def _enter(serve: Callable[..., None], connection: Connection, *given: Any) -> None:
    """Leave signals to the run, end when that is gone, and serve it."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _IGNORED)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    # The lock of progress bars would be one between processes, which Python's resource tracker
    # would complain of when this one is killed.
    tqdm.set_lock(threading.RLock())
    lock = threading.Lock()

    def tell(message: Message) -> None:
        with lock, contextlib.suppress(OSError):  # the run is gone, and so will this process be
            connection.send(message)

    serve(_items(connection), tell, *given)


def _items(connection: Connection) -> Iterator[Any]:
    with contextlib.suppress(EOFError, OSError):
        while True:
            yield connection.recv()


def _die_with_parent() -> None:
    """End this process at once when the parent is gone, killed for instance."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
