"""How many threads a translator takes."""

from __future__ import annotations

import os


def fair_threads(workers: int) -> int:
    """Return the number of threads for one of ``workers`` processes.

    What is stated for a task, where that divides the cores among them; else a fair share.
    """
    fair = max(1, (os.cpu_count() or 1) // workers)
    stated = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(int(stated), fair)) if stated.isdigit() else fair
