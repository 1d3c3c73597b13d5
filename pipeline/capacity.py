"""What the machine has for tasks side by side: cores, GPUs, memory.

Nothing here imports torch: it is asked before anything is loaded, by ``--dry-run`` too.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from threadpoolctl import threadpool_limits

from pipeline.config import RunConfig
from pipeline.errors import ConfigError

_SHARES = 4
"""Tasks that a machine without GPUs is divided among: more gain little where a run is one chain."""
_CGROUP = Path("/sys/fs/cgroup")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_KERNELS = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64", "LRU_CACHE_CAPACITY": "64"}
"""How many kernels oneDNN, and torch above it, keep. Each is made for one shape of its operands: a
training, whose batches have many lengths, kept hundreds of megabytes of them (1,024 by default).
An update needs some twenty."""


def cores() -> int:
    """Return how many processors this process may use: its affinity, or a container's quota."""
    mine = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, _, period = (_CGROUP / "cpu.max").read_text().partition(" ")
        if quota != "max":
            mine = min(mine, max(1, int(quota) // int(period)))
    return mine


def visible_devices() -> list[str]:
    """Return the GPUs that this process may use, as CUDA is told them."""
    stated = os.environ.get(_VISIBLE)
    if stated is not None:
        return [d.strip() for d in stated.split(",") if d.strip() not in ("", "-1")]
    command = shutil.which("nvidia-smi")
    return [] if command is None else list(_asked(command))


@functools.cache
def _asked(command: str) -> tuple[str, ...]:
    """Ask the driver, once: it takes a second to answer."""
    try:
        told = subprocess.run(
            [command, "-L"], capture_output=True, text=True, timeout=30, check=False
        ).stdout
    except subprocess.TimeoutExpired:
        return ()
    return tuple(_listed(told))


def _listed(told: str) -> list[str]:
    """Return the devices that ``nvidia-smi -L`` lists; of a divided GPU, its parts."""
    found: list[str] = []
    for line in told.splitlines():
        if line.startswith("GPU ") and ":" in line:
            found.append(line[4:].partition(":")[0].strip())
        elif "(UUID: MIG-" in line:
            if found and found[-1].isdigit():
                found.pop()
            found.append(line.rpartition("UUID: ")[2].strip(" )"))
    return found


def devices(config: RunConfig) -> list[str]:
    """Return the GPUs that a run uses: all that are visible, or ``devices`` of them.

    Raises:
        ConfigError: If there are fewer than the configuration says.
    """
    found = visible_devices()
    wanted = config.devices
    if wanted is None:
        return found
    if wanted > len(found):
        raise ConfigError(
            f"devices: {wanted} are asked for, and this machine has {len(found)} GPUs that may be "
            "used; with --dry-run the plan for more can be looked at"
        )
    return found[:wanted]


def threads(config: RunConfig) -> int:
    """Return the threads of one task: by the configuration or the machine, never by ``jobs``.

    They may change the last digits of results, so that the same configuration on the same machine
    has the same, however many tasks run side by side.
    """
    if config.threads is not None:
        return config.threads
    stated = os.environ.get("OMP_NUM_THREADS", "")
    if stated.isdigit() and int(stated) > 0:
        return int(stated)
    return max(1, cores() // max(_SHARES, len(visible_devices())))


def fair_threads(processes: int) -> int:
    """Return the threads of one of several processes that share a task.

    What is stated for a task, where that divides the cores among them; else a fair share.
    """
    fair = max(1, cores() // processes)
    stated = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(int(stated), fair)) if stated.isdigit() else fair


def jobs(config: RunConfig, gpus: int) -> int:
    """Return how many tasks run side by side where the configuration does not say.

    One per GPU, or as many as there are cores for the threads and processes of a task.
    """
    if config.jobs is not None:
        return config.jobs
    return gpus or max(1, cores() // (threads(config) * config.workers))


def free_memory() -> int | None:
    """Return the bytes that programs can still get, where the system tells."""
    free: int | None = None
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError):
        limit = (_CGROUP / "memory.max").read_text().strip()
        if limit != "max":
            used = int((_CGROUP / "memory.current").read_text())
            stat = (_CGROUP / "memory.stat").read_text().split()
            cached = int(stat[stat.index("inactive_file") + 1])  # given back when it is needed
            left = max(0, int(limit) - used + cached)
            free = left if free is None else min(free, left)
    return free


def used_memory(pid: int) -> int:
    """Return the bytes that a process holds in memory; 0 where the system does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return 0


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Have variables of the environment other values while the block runs."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def share(count: int, device: str | None = None) -> Iterator[None]:
    """Have what is loaded, and processes that are started, in the block keep to their share.

    That of threads, and where the user does not say, of memory for kernels. Libraries read it when
    they are loaded; those that are loaded already are told their threads: torch, and the matrix
    library of numpy, whose last digits depend on them too.

    Args:
        count: Threads.
        device: The GPU to see; ``None``: all as before.
    """
    kernels = {name: most for name, most in _KERNELS.items() if name not in os.environ}
    changed = dict.fromkeys(_THREADS, str(count)) | kernels
    if device is not None:
        changed[_VISIBLE] = device
    torch = sys.modules.get("torch")
    had = torch.get_num_threads() if torch is not None else None
    if torch is not None:
        torch.set_num_threads(count)
    try:
        with environment(changed), threadpool_limits(count, user_api="blas"):
            yield
    finally:
        if torch is not None and had is not None:
            torch.set_num_threads(had)
