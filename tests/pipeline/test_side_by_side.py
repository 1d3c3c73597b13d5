"""Tasks that run side by side: the same results, and what happens when one of them goes wrong."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline import capacity
from pipeline.child import Child
from pipeline.config import parse_config
from pipeline.errors import XlnerError
from pipeline.progress import Progress
from tests.pipeline.probes import PROBES, wait_for
from tests.pipeline.test_runner import make_config, part_bytes
from tests.pipeline.toy_stages import TOYS
from tests.reliability.test_workers import alive, wait_until
from xlner.api import Runner

ROOT = Path(__file__).parents[2]


def probing(
    place: Path, does: dict[str, str], jobs: int = 2, console: Console | None = None, **keys: Any
) -> Runner:
    (place / "marks").mkdir(exist_ok=True)
    raw = {"name": "probes", "probe": {"marks": str(place / "marks"), "does": does}, **keys}
    config = parse_config(raw, model=PROBES.config_type())
    progress = Progress(console or Console(file=io.StringIO()))
    return Runner(config, place / "runs", progress, PROBES, jobs=jobs)


def seen(place: Path) -> dict[str, dict[str, str | None]]:
    found: dict[str, dict[str, str | None]] = json.loads(
        (place / "runs/probes/collect/all/all.json").read_text()
    )
    return found


def pids(place: Path) -> dict[str, int]:
    return {p.name: int(p.read_text()) for p in (place / "marks").iterdir()}


def test_tasks_are_under_way_at_the_same_time_each_in_its_process(tmp_path: Path) -> None:
    result = probing(tmp_path, {"a": "meet b", "b": "meet a", "c": "sleep 0"}).run()
    assert len(result.done) == 4
    found = pids(tmp_path)
    assert found["a.0"] != found["b.0"]
    assert found["c.0"] in (found["a.0"], found["b.0"])  # a process goes on to the next task
    assert os.getpid() not in found.values()
    assert not any(alive(p) for p in found.values())


def test_one_job_stays_in_this_process(tmp_path: Path) -> None:
    probing(tmp_path, {"a": "sleep 0"}, jobs=1).run()
    assert pids(tmp_path) == {"a.0": os.getpid()}


@pytest.mark.parametrize("jobs", [2, 3])
def test_the_same_bytes_whatever_the_number_of_jobs(tmp_path: Path, jobs: int) -> None:
    for name, count in (("one", 1), ("several", jobs)):
        config = make_config(languages=["de", "es", "fr"])
        quiet = Progress(Console(file=io.StringIO()))
        result = Runner(config, tmp_path / name, quiet, TOYS, jobs=count).run()
        assert len(result.done) == 5
    assert part_bytes(tmp_path / "one") == part_bytes(tmp_path / "several")
    totals = [(tmp_path / n / "toy/report/all/total.txt").read_text() for n in ("one", "several")]
    assert totals[0] == totals[1]


def test_threads_are_those_of_the_configuration_whatever_the_number_of_jobs(tmp_path: Path) -> None:
    for jobs in (1, 2):
        place = tmp_path / str(jobs)
        place.mkdir()
        before = dict(os.environ)
        probing(place, {"a": "sleep 0", "b": "sleep 0"}, jobs=jobs, threads=3).run()
        assert {s["OMP_NUM_THREADS"] for s in seen(place).values()} == {"3"}
        assert dict(os.environ) == before


def test_each_process_sees_one_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-7")
    probing(tmp_path, {"a": "meet b", "b": "meet a"}).run()
    assert sorted(str(s["CUDA_VISIBLE_DEVICES"]) for s in seen(tmp_path).values()) == [
        "4",
        "GPU-7",
    ]


def test_what_processes_show_and_warn_of_comes_here(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shown = io.StringIO()
    console = Console(file=shown, width=200)
    with caplog.at_level(logging.WARNING, "stages"):
        probing(tmp_path, {"a": "warn", "b": "sleep 0.3"}, console=console).run()
    assert [(r.name, r.getMessage()) for r in caplog.records] == [("stages.probe", "a warns")]
    told = shown.getvalue()
    assert "probe/a (1 of 3: no output yet)" in told
    assert "collect/all (3 of 3: no output yet)" in told
    assert "probe/b: done in" in told


def test_a_terminal_shows_all_that_is_under_way(tmp_path: Path) -> None:
    shown = io.StringIO()
    console = Console(file=shown, width=120, force_terminal=True)
    probing(tmp_path, {"a": "meet b", "b": "meet a", "c": "sleep 0.5"}, console=console).run()
    told = shown.getvalue()
    assert "probe a" in told and "probe b" in told and "3/3" in told


def test_what_is_under_way_beside_a_failure_is_finished(tmp_path: Path) -> None:
    does = {"a": "fail b", "b": "sleep 0.5", "c": "sleep 0"}
    with pytest.raises(ValueError, match="a is bad") as error:
        probing(tmp_path, does).run()
    assert "in probe/a" in error.value.__notes__
    run = tmp_path / "runs/probes"
    assert (run / "probe/b/seen.json").exists()
    assert not (run / "probe/a").exists()
    assert not (run / "collect").exists()
    assert not list(run.rglob("*.tmp")) and not (run / ".lock").exists()


def test_several_failures_are_each_named(tmp_path: Path) -> None:
    with pytest.raises(XlnerError) as error:
        probing(tmp_path, {"a": "fail b", "b": "fail a"}).run()
    told = sorted(str(error.value).splitlines())
    assert told == ["probe/a: ValueError: a is bad", "probe/b: ValueError: b is bad"]


def test_a_task_whose_process_was_killed_is_tried_once_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = probing(tmp_path, {"a": "die 1", "b": "sleep 0.5", "c": "sleep 0"}).run()
    assert len(result.done) == 4
    assert "probe/a: its process died (killed by signal 9); it is tried once more" in caplog.text
    assert {"a.0", "a.1", "b.0", "c.0"} == set(pids(tmp_path))  # nothing else was begun twice
    assert not list((tmp_path / "runs").rglob("*.tmp"))


def test_a_task_that_kills_two_processes_is_named_and_the_rest_kept(tmp_path: Path) -> None:
    with pytest.raises(
        XlnerError, match=r"probe/a: its process died \(killed by signal 9\), twice"
    ):
        probing(tmp_path, {"a": "die 2", "b": "sleep 0.5"}).run()
    assert (tmp_path / "runs/probes/probe/b/seen.json").exists()
    done = probing(tmp_path, {"a": "die 2", "b": "sleep 0.5"}).run().done
    assert [f"{a.manifest.stage}/{a.manifest.unit}" for a in done] == ["probe/a", "collect/all"]


def test_a_task_that_does_not_fit_into_memory_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "free_memory", lambda: 1000)
    shown = io.StringIO()
    console = Console(file=shown, width=200)
    result = probing(tmp_path, {"a": "sleep 0.3", "b": "sleep 0"}, console=console).run()
    assert len(result.done) == 3
    told = shown.getvalue()
    assert (
        told.count("waits for memory: it may take 0.6 GB, and beside what is under way 0.0 GB") == 1
    )
    begun = {n: (tmp_path / "marks" / f"{n}.0").stat().st_mtime for n in "ab"}
    assert abs(begun["a"] - begun["b"]) > 0.25


SCRIPT = """
import sys
from pathlib import Path
import typer
from pipeline import slots
from tests.pipeline.test_side_by_side import probing
from xlner.commands.run import STOPPED
from xlner.commands.shared import ended_like_an_interrupt, reported_errors
slots._GRACE = float(sys.argv[3])
try:
    with ended_like_an_interrupt(), reported_errors(STOPPED):
        probing(Path(sys.argv[1]), {"a": sys.argv[2], "b": "sleep 30"}).run()
except typer.Exit as left:
    sys.exit(left.exit_code)
"""
"""As users write scripts: nothing says that it may be run again by the processes that it starts."""


def start(place: Path, what: str = "sleep 30", grace: float = 15) -> subprocess.Popen[str]:
    script = place / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script), str(place), what, str(grace)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    for name in ("a.0", "b.0"):
        wait_for(place / "marks" / name)
    time.sleep(0.1)  # so that its number is in it
    return process


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_ends_the_tasks_and_leaves_a_clean_state(
    tmp_path: Path, sent: signal.Signals
) -> None:
    if signal.getsignal(sent) == signal.SIG_IGN:
        pytest.skip(f"{sent.name} is ignored by all that is started here (nohup?)")
    process = start(tmp_path)
    for _ in range(3):  # whoever is impatient spoils nothing
        process.send_signal(sent)
        time.sleep(0.05)
    _, told = process.communicate(timeout=30)
    assert told.count("stopped; what is finished is kept") == 1, told
    # The last one may come when all is cleaned up, and end the program as it would any other.
    assert process.returncode in (128 + sent, -sent)
    assert not any(alive(p) for p in pids(tmp_path).values())
    left = [p.name for p in (tmp_path / "runs").rglob("*") if p.name.endswith((".tmp", ".lock"))]
    assert not left
    again = probing(tmp_path, {"a": "sleep 0", "b": "sleep 0"})
    assert len(again.run().done) == 3


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGHUP])
def test_a_process_that_starts_leaves_signals_to_the_run(sent: signal.Signals) -> None:
    child = Child(serve, threads=1)
    os.kill(child.pid, sent)
    child.send("something")
    assert child.receive() == "something"
    child.stop()


def serve(items: Iterator[str], tell: Callable[[str], None]) -> None:
    for item in items:
        tell(item)


def test_a_stop_that_finds_a_process_at_its_end_says_nothing(tmp_path: Path) -> None:
    code = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from pipeline.step_process import Setup, _serve\n"
        "from tests.pipeline.probes import PROBES\n"
        "_serve(iter(()), print, Setup(PROBES, Path('run'), 30))\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "print('ended')\n"
    )
    where = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=where, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")


def test_a_task_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, "hang 30", grace=0.5)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=25)
    assert process.returncode == 128 + signal.SIGTERM
    assert not any(alive(p) for p in pids(tmp_path).values())
    assert not list((tmp_path / "runs").rglob("*.tmp"))


def test_tasks_end_with_a_run_that_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path)
    found = pids(tmp_path).values()
    assert all(alive(p) for p in found)
    process.kill()
    process.communicate()
    assert wait_until(lambda: not any(alive(p) for p in found), 10)
    again = probing(tmp_path, {"a": "sleep 0", "b": "sleep 0"})
    assert len(again.run().done) == 3
