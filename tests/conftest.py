"""Settings for the whole suite, made before torch is loaded."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.warm import Warm

# A job that a shell started in the background ignores Ctrl-C, and so would all that tests start and
# stop in this way.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tiny models gain nothing from threads, and threads that spin while they wait lose a factor of ten
# on a busy machine. The commands that tests start inherit this.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

# How long an example takes says more of the machine than of the code.
settings.register_profile("xlner", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("xlner")

# Nothing that tests write has to outlive a power cut, and disks take their time; tests of what is
# synced, and when, put a function of their own in this place.
os.fsync = os.fstat  # type: ignore[assignment]

# Whatever collecting makes lives as long as the session.
gc.disable()


LIBRARIES = (
    "ctranslate2",
    "langcodes",
    "pandas",
    "pyarrow.parquet",
    "pydantic",
    "rapidfuzz.distance",
    "rich.progress",
    "scipy.optimize",
    "scipy.sparse",
    "scipy.stats",
    "sklearn.metrics",
    "tokenizers",
    "transformers.models.auto.modeling_auto",
    "transformers.models.bert.modeling_bert",
    "transformers.models.marian.modeling_marian",
    "transformers.models.marian.tokenization_marian",
    "transformers.trainer",
    "typer",
    "yaml",
)


@pytest.fixture(scope="session")
def warm_python() -> Iterator[Path]:
    """A Python that has the libraries loaded, and nothing of ours; see :mod:`tests.warm`."""
    with Warm(*LIBRARIES) as python:
        yield python


@pytest.fixture
def hub_cache(warm_python: Path) -> Iterator[Path]:
    """The cache in which that Python looks for models of the hub."""
    folder = warm_python.parent / "hf" / "hub"
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(folder)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that have most slow tests: none shall be left alone at the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


def pytest_collection_finish() -> None:
    """Set aside what test modules have imported: torch and friends are no garbage.

    Looking through it takes 0.7 seconds, and every task of a run ends with a look through all. Nor
    is what tests import later, or hold while a task ends.
    """
    from pipeline.engine.memory import set_libraries_aside

    gc.freeze()
    gc.enable()
    set_libraries_aside()
