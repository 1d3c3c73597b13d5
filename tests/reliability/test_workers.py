"""Worker processes that die, fail, or outlive their run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import capacity
from pipeline.engine.local import LocalEngine
from pipeline.engine.memory import Advice, SmallerBatchesFactory
from pipeline.errors import DataError, ModelError, XlnerError
from tests.reliability.toys import (
    ROWS,
    Copies,
    Crashes,
    Fails,
    KilledEarly,
    KilledOn,
    Slow,
    copied,
    make_jobs,
)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(true: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


def test_a_part_whose_worker_was_killed_is_made_by_a_new_one(tmp_path: Path, notes: Path) -> None:
    jobs = make_jobs(tmp_path, 4)
    rows: dict[int, int] = {}
    for job, done in LocalEngine().run(KilledOn(notes, part=2), jobs, 2):
        rows[job.index] = rows.get(job.index, 0) + done
    assert (notes / "killed.1").exists()  # the part was begun twice
    assert rows == dict.fromkeys(range(4), ROWS)
    assert copied(jobs)


def test_a_part_that_kills_two_workers_is_named(tmp_path: Path, notes: Path) -> None:
    jobs = make_jobs(tmp_path, 4)
    advice = Advice("translate/de", "translate.max_batch_tokens", 2)
    factory = SmallerBatchesFactory((KilledOn(notes, part=2, times=2),), (), advice)
    with pytest.raises(XlnerError) as error:
        list(LocalEngine().run(factory, jobs, 2))
    told = str(error.value)
    assert f"died on {jobs[2].output} (killed by signal 9)" in told
    assert "memory ran out: lower translate.max_batch_tokens (--set translate.max_batch" in told
    assert "or use fewer processes (--set workers=1)" in told
    assert not jobs[2].output.exists()
    assert copied(jobs[:2])  # what was finished before it is kept


def test_a_worker_that_dies_while_it_loads_is_no_endless_loop(tmp_path: Path, notes: Path) -> None:
    with pytest.raises(XlnerError, match=r"died while it loaded its model \(killed by signal 9\)"):
        list(LocalEngine().run(KilledEarly(notes), make_jobs(tmp_path, 4), 2))


def test_a_native_crash_is_told_from_a_lack_of_memory(tmp_path: Path, notes: Path) -> None:
    with pytest.raises(XlnerError, match=r"\(exit code 3\). A native library has failed"):
        list(LocalEngine().run(Crashes(notes), make_jobs(tmp_path, 2), 2))


def broken_link() -> DataError:
    return DataError("part 1: sentence 's7' has no words")


def unportable() -> Exception:
    class Local(Exception):
        pass

    return Local("cannot be sent to another process")


def cut_short() -> EOFError:
    return EOFError("Compressed file ended before the end-of-stream marker was reached")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("made", [broken_link, cut_short])
def test_the_error_of_a_worker_is_raised_as_it_is(
    tmp_path: Path, notes: Path, workers: int, made: Callable[[], Exception]
) -> None:
    jobs = make_jobs(tmp_path, 3)
    with pytest.raises(type(made()), match=str(made())):
        list(LocalEngine().run(Fails(notes, error=made), jobs, workers))


def test_an_error_that_cannot_be_sent_is_told_in_words(tmp_path: Path, notes: Path) -> None:
    jobs = make_jobs(tmp_path, 3)
    with pytest.raises(RuntimeError, match="Local: cannot be sent") as error:
        list(LocalEngine().run(Fails(notes, error=unportable), jobs, 2))
    assert "in before" in error.value.__notes__[0]  # the traceback of the worker


def test_stopping_does_not_wait_for_parts(tmp_path: Path, notes: Path) -> None:
    rows = LocalEngine().run(Slow(notes), make_jobs(tmp_path, 2), 2)
    started = time.monotonic()

    def interrupt() -> None:
        wait_until(lambda: len(list(notes.glob("pid.*"))) == 2)
        os.kill(os.getpid(), signal.SIGINT)

    from threading import Thread

    Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        next(rows)
    assert time.monotonic() - started < 25
    pids = [int(p.suffix[1:]) for p in notes.glob("pid.*")]
    assert len(pids) == 2
    assert not any(alive(p) for p in pids)


ORPHANS = """
import sys
from pathlib import Path
from pipeline import capacity
from pipeline.engine.local import LocalEngine
from pipeline.engine.memory import Advice, SmallerBatchesFactory
from tests.reliability.toys import Slow, make_jobs
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    list(LocalEngine().run(Slow(folder / "notes"), make_jobs(folder, 4), 2))
"""


def test_processes_are_kept_from_task_to_task(tmp_path: Path, notes: Path) -> None:
    """Importing torch takes seconds, and a run has many tasks."""
    engine = LocalEngine()
    pids = []
    for name in ("first", "second", "third"):
        folder = tmp_path / name
        folder.mkdir()
        jobs = make_jobs(folder, 4)
        list(engine.run(Slow(notes, seconds=0.3), jobs, 2))
        assert copied(jobs)
        pids.append({int(p.suffix[1:]) for p in notes.glob("pid.*")})
    assert pids[0] == pids[1] == pids[2]
    assert len(pids[0]) == 2
    engine.close()
    assert not any(alive(p) for p in pids[0])


@pytest.mark.parametrize(
    ("cores", "stated", "told"), [(16, None, "4"), (16, "8", "4"), (16, "2", "2"), (2, "8", "1")]
)
def test_processes_of_a_pool_divide_the_cores(
    cores: int, stated: str | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)))
    monkeypatch.setattr(capacity, "_CGROUP", Path("/nowhere"))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if stated is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", stated)
    assert capacity.fair_threads(4) == int(told)
    with capacity.share(capacity.fair_threads(4)):
        assert os.environ["OMP_NUM_THREADS"] == told
    assert os.environ.get("OMP_NUM_THREADS") == stated


def test_workers_end_with_a_run_that_is_killed(tmp_path: Path, notes: Path) -> None:
    script = tmp_path / "orphans.py"
    script.write_text(ORPHANS)
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], env={**os.environ, "PYTHONPATH": str(root)}
    )
    assert wait_until(lambda: len(list(notes.glob("pid.*"))) == 2)
    pids = [int(p.suffix[1:]) for p in notes.glob("pid.*")]
    assert all(alive(p) for p in pids)
    process.kill()
    process.wait()
    assert wait_until(lambda: not any(alive(p) for p in pids), 10)


def test_a_worker_that_outlives_its_run_writes_nothing(tmp_path: Path, notes: Path) -> None:
    """The folder that it was to write into is gone; it must not come back."""
    import shutil

    jobs = make_jobs(tmp_path, 1)
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(FileNotFoundError):
        list(LocalEngine().run(Copies(notes), jobs, 1))
    assert not (tmp_path / "out").exists()


def test_models_that_cannot_be_loaded_are_told_once(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model here"):
        list(LocalEngine().run(no_model, make_jobs(tmp_path, 3), 2))


def no_model() -> Copies:
    raise ModelError("no model here")
