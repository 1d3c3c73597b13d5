"""The Ray cluster of a run: reaching it, and what a worker takes of it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.config import RayConfig
from pipeline.errors import XlnerError

_STORE = 128 * 1024**2  # bytes; Ray takes a third of the memory by itself, and parts are files
_PASSED_ON = ("XLNER_", "HF_", "TRANSFORMERS_")
_SECRET = ("TOKEN", "KEY", "SECRET")

logger = logging.getLogger(__name__)


class Cluster:
    """A connection to Ray; the program's own, if it has one already.

    Args:
        options: The section ``ray`` of the configuration.

    Raises:
        XlnerError: If Ray is not installed, or the cluster does not answer in time.
    """

    def __init__(self, options: RayConfig) -> None:
        try:
            import ray
        except ImportError as error:
            raise XlnerError(
                'engine: ray needs Ray: pip install "xlner[ray]", or use engine: local'
            ) from error
        self._options = options
        self._cpus = 1.0
        self._ours = not ray.is_initialized()
        self._address = options.address or os.environ.get("RAY_ADDRESS") or "local"
        if self._ours:
            self._connect()

    def _connect(self) -> None:
        import ray

        # Neither asks nor tells anybody on the internet.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        own: dict[str, Any] = {}
        if self._address == "local":
            own = {
                "num_cpus": len(os.sched_getaffinity(0)),
                "include_dashboard": False,
                "object_store_memory": _STORE,
            }
        else:
            self._ask()
        try:
            with _own_signals():
                ray.init(
                    address=self._address, log_to_driver=False, logging_level=logging.ERROR, **own
                )
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise self._unreachable(f"{type(error).__name__}: {error}") from error

    def _ask(self) -> None:
        """Find out whether a cluster answers, in a process: Ray may wait or exit if none does."""
        if self._address.startswith("ray://"):
            raise self._unreachable(
                "Ray Client (ray://) is not supported: start the run on a node of the cluster and "
                "give HOST:6379, or auto"
            )
        command = [sys.executable, "-m", "ray.scripts.scripts", "health-check"]
        if self._address != "auto":
            command += ["--address", self._address]
        try:
            asked = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=self._options.wait_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise self._unreachable(
                f"no answer within {self._options.wait_seconds:g} s (ray.wait_seconds)"
            ) from None
        if asked.returncode:
            told = asked.stderr.strip().splitlines() or ["it does not answer"]
            raise self._unreachable(told[-1])

    def _unreachable(self, why: str) -> XlnerError:
        if self._address == "local":
            return XlnerError(f"Ray could not be started on this machine: {why}")
        whence = "ray.address" if self._options.address else "RAY_ADDRESS"
        return XlnerError(
            f"the Ray cluster at {self._address} ({whence}) cannot be used: {why}. Is it running "
            "(ray status), and is this machine one of its nodes (ray start --address=…)?"
        )

    def fit(self, workers: int) -> None:
        """Decide how much of a processor a worker takes, and see that at least one finds a place.

        Nodes that are still being started are waited for.

        Raises:
            XlnerError: If no node has what a worker needs.
        """
        deadline = time.monotonic() + self._options.wait_seconds
        gpus = self._options.gpus_per_worker
        while True:
            nodes = _nodes()
            self._cpus = self._options.cpus_per_worker or cpus_per_worker(
                [n.get("CPU", 0.0) for n in nodes], workers
            )
            found = any(_places(n, self._cpus, gpus) for n in nodes)
            if found or self._address == "local" or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        places = _places_for("worker", nodes, self._cpus, gpus)
        if places < workers:
            logger.warning(
                "%d of the %d workers find a place on the Ray cluster (%s each); the others wait "
                "for more nodes",
                places,
                workers,
                _needs(self._cpus, gpus),
            )

    def trainings(self) -> int:
        """Return how many trainings find a place at the same time.

        Raises:
            XlnerError: If there is none for a single one.
        """
        options = self._options
        return _places_for(
            "training", _nodes(), options.cpus_per_training, options.gpus_per_training
        )

    def training_share(self, threads: int) -> dict[str, Any]:
        """Return what a training takes of the cluster, as options of Ray."""
        options = self._options
        variables = {**_passed_on(), "OMP_NUM_THREADS": str(threads)}
        return _share(options.cpus_per_training, options.gpus_per_training, variables)

    def share(self) -> dict[str, Any]:
        """Return what an actor takes of the cluster, as options of Ray."""
        return _share(self._cpus, self._options.gpus_per_worker, _passed_on())

    def leave(self) -> None:
        """Disconnect, which ends a cluster that was started here."""
        import ray

        if self._ours:
            with _own_signals():
                ray.shutdown()


def cpus_per_worker(nodes: Sequence[float], workers: int) -> float:
    """Return the share of a processor that lets all workers in and leaves a tenth of each node.

    Tasks that find every processor reserved by actors would wait for ever.

    Args:
        nodes: Processors of each node.
        workers: How many workers shall find a place.
    """
    for hundredths in range(100, 5, -5):
        if sum(int(90 * cpus) // hundredths for cpus in nodes) >= workers:
            return hundredths / 100
    return 0.05


def _passed_on() -> dict[str, str]:
    """Return the variables of the environment that nodes get."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_PASSED_ON) and not any(word in name for word in _SECRET)
    }


def _places(node: dict[str, float], cpus: float, gpus: float) -> int:
    """Return how many times a node has so much of a processor and of a GPU."""
    places = int(node.get("CPU", 0.0) / cpus + 1e-9)
    if gpus:
        # One with a share of a GPU has it all from one device.
        has = node.get("GPU", 0.0)
        places = min(places, int(has) * int(1 / gpus + 1e-9) if gpus < 1 else int(has / gpus))
    return places


def _places_for(what: str, nodes: Sequence[dict[str, float]], cpus: float, gpus: float) -> int:
    """Return how many workers or trainings find a place.

    Raises:
        XlnerError: If there is none for a single one.
    """
    places = sum(_places(node, cpus, gpus) for node in nodes)
    cpus_key, gpus_key = (f"ray.{kind}_per_{what}" for kind in ("cpus", "gpus"))
    if not places:
        has = "; ".join(f"{n.get('CPU', 0):g} CPU, {n.get('GPU', 0):g} GPU" for n in nodes)
        raise XlnerError(
            f"no node of the Ray cluster can take a {what}, which needs {_needs(cpus, gpus)}; the "
            f"nodes have: {has or 'nothing'}. Lower {cpus_key} or {gpus_key}, or add nodes"
        )
    if not gpus and any(n.get("GPU", 0) for n in nodes):
        logger.warning("the Ray cluster has GPUs, but %s is 0: none is used", gpus_key)
    return places


def _needs(cpus: float, gpus: float) -> str:
    return f"{cpus:g} CPU" + (f" and {gpus:g} GPU" if gpus else "")


def _share(cpus: float, gpus: float, variables: dict[str, str]) -> dict[str, Any]:
    environment = {"env_vars": variables} if variables else None
    return {"num_cpus": cpus, "num_gpus": gpus, "runtime_env": environment}


def _nodes() -> list[dict[str, float]]:
    import ray

    return [n["Resources"] for n in ray.nodes() if n["Alive"]]


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep the handlers of this program: Ray puts its own in place of that of SIGTERM."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread() and before is not None:
            signal.signal(signal.SIGTERM, before)
