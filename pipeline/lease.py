"""The lock of a run in an object store: a lease that its holder renews."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.errors import LockedError, XlnerError
from pipeline.storage import Store

LOCK = ".lock.json"
BEAT = 10.0  # seconds between renewals
PATIENCE = 60.0  # seconds without a renewal after which the holder counts as dead


class Lease:
    """Holds a run in a store for this process.

    No clocks are compared: whoever finds a lock looks whether it is being renewed. One that is not
    for a minute belongs to a process that was killed, and is taken over. A holder that cannot
    renew it for that long (no network) counts itself as having lost it.

    Args:
        store: The run.
        mirror: The folder of this machine that the run works in, whose own lock is held: a lock in
            the store by a process that had the same folder is then known to be a dead one's.
    """

    def __init__(
        self,
        store: Store,
        mirror: Path,
        *,
        beat: float = BEAT,
        patience: float = PATIENCE,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._store = store
        self._beat, self._patience, self._tell = beat, patience, tell
        self._mine: dict[str, Any] = {
            "token": uuid.uuid4().hex,
            "place": f"{socket.gethostname()} {_boot()} {mirror.resolve()}",
            "owner": f"{socket.gethostname()}, pid {os.getpid()}, "
            f"since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
            "beat": 0,
        }
        self._stop = threading.Event()
        self._lost: str | None = None

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Hold it while the block runs.

        Raises:
            LockedError: If another process has it.
        """
        self._take()
        thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
            self._release()

    def _release(self) -> None:
        try:
            if self._lost is None and (self._read() or {}).get("token") == self._mine["token"]:
                self._store.delete(LOCK)
        except XlnerError as error:
            self._tell(f"{self._store.name(LOCK)} could not be deleted: {error}")

    def check(self) -> None:
        """See that the run is still ours; call it before anything is put in place.

        Raises:
            LockedError: If it is not.
        """
        if self._lost is not None:
            raise LockedError(f"{self._store.url}: {self._lost}; run again")

    def _take(self) -> None:
        if self._store.create(LOCK, self._data()):
            return
        found = self._read()
        if found is not None and found.get("place") != self._mine["place"]:
            self._tell(
                f"{self._store.url} is locked ({found.get('owner')}): looking whether that is alive"
            )
            deadline = time.monotonic() + self._patience
            while time.monotonic() < deadline:
                time.sleep(min(1.0, self._beat / 4))
                now = self._read()
                if now is None:
                    break
                if now != found:
                    raise LockedError(
                        f"another run is working on {self._store.url} ({now.get('owner')}); wait "
                        "for it to end, or use another name (--set name=…)"
                    )
        self._store.write(LOCK, self._data())
        # Two that take it over at the same time: the later one has it.
        time.sleep(min(1.0, self._beat / 4))
        now = self._read()
        if now is None or now.get("token") != self._mine["token"]:
            raise LockedError(f"another run has just begun to work on {self._store.url}")

    def _renew(self) -> None:
        renewed = time.monotonic()
        while not self._stop.wait(self._beat):
            try:
                found = self._read()
                if found is None or found.get("token") != self._mine["token"]:
                    owner = (found or {}).get("owner", "its lock was deleted")
                    self._lost = f"this run has lost its lock ({owner})"
                    return
                self._mine["beat"] += 1
                self._store.write(LOCK, self._data())
                renewed = time.monotonic()
            except XlnerError as error:
                if time.monotonic() - renewed > self._patience:
                    self._lost = f"the lock could not be renewed ({error})"
                    return

    def _data(self) -> bytes:
        return json.dumps(self._mine).encode()

    def _read(self) -> dict[str, Any] | None:
        try:
            found = json.loads(self._store.read(LOCK))
        except FileNotFoundError:
            return None
        except ValueError:  # written in a store that is none: half of it
            return {"owner": "unknown"}
        return found if isinstance(found, dict) else {"owner": "unknown"}


def _boot() -> str:
    """Return what tells this start of this machine from others of the same name."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return "?"
