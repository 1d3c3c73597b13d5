"""How many threads a translator takes."""

from __future__ import annotations

import os


def fair_threads(workers: int) -> int:
    """Return the number of threads for one of ``workers`` processes."""
    stated = os.environ.get("OMP_NUM_THREADS", "")
    if stated.isdigit() and int(stated) > 0:
        return int(stated)
    return max(1, (os.cpu_count() or 1) // workers)
