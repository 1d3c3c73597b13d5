"""A run that is killed at a random moment loses nothing: the next one ends as if nothing had been.

``XLNER_KILLS=50 pytest tests/reliability/test_kills.py`` kills fifty times instead of five. Every
other kill falls into a given stage, all of them in turn; the rest at any time. ``XLNER_KILL_SEED``
gives other moments.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reliability.conftest import Clean, Starter
from tests.reliability.tiny_run import STAGES, contents, files, write_config

KILLS = int(os.environ.get("XLNER_KILLS", "5"))
SEED = os.environ.get("XLNER_KILL_SEED", "1")
# So that five kills, too, fall into stages of both kinds.
ORDER = ("train", "align", "translate", "self_train", "synthesize", "report", "prepare", "predict",
         "project", "evaluate")  # fmt: skip
assert set(ORDER) == set(STAGES)


def leftovers(folder: Path) -> set[str]:
    """Return what only a process that is at work may have: temporary files, locks, old outputs."""
    return {
        str(p.relative_to(folder))
        for p in folder.rglob("*")
        if p.name.endswith((".tmp", ".old", ".lock"))
    }


@pytest.mark.slow
@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    number: int,
    tmp_path: Path,
    models: Path,
    starter: Starter,
    clean: Clean,
    record_property: Callable[[str, object], None],
) -> None:
    rng = random.Random(f"{SEED}:{number}")
    config = str(write_config(tmp_path / "tiny.yaml", models))
    run = tmp_path / "artifacts/runs/tiny"
    stage = None if number % 2 else ORDER[number // 2 % len(ORDER)]
    after = rng.uniform(0, clean.stages[stage] if stage else clean.seconds)
    killed = starter.run([config], tmp_path, after=after, stage=run / stage if stage else None)
    # A run that was quicker than the clean one may have ended before.
    assert killed.code in (-signal.SIGKILL, 0), killed.told
    at_work = sorted(str(p.relative_to(run)) for p in run.rglob("*.partial"))
    record_property("at work", " ".join(at_work) if killed.code else "it had ended")
    when = f"killed after {after:.3f} s ({stage or 'any stage'}), at work on {at_work}"

    again = starter.run([config], tmp_path)
    assert again.code == 0, f"{when}\n{again.told}"
    assert contents(run) == clean.contents, when
    assert files(tmp_path) == clean.files, when


@pytest.mark.slow
@pytest.mark.parametrize("number", range(max(1, KILLS // 5)))
def test_a_run_of_two_jobs_that_is_killed_goes_on_with_two_or_one(
    number: int, tmp_path: Path, models: Path, starter: Starter, clean: Clean
) -> None:
    rng = random.Random(f"{SEED}:two:{number}")
    config = str(write_config(tmp_path / "tiny.yaml", models, jobs=2))
    run = tmp_path / "artifacts/runs/tiny"
    stage = ORDER[(2 * number + 1) % len(ORDER)]
    after = rng.uniform(0, clean.stages[stage])
    killed = starter.run([config], tmp_path, after=after, stage=run / stage)
    assert killed.code in (-signal.SIGKILL, 0), killed.told
    at_work = sorted(str(p.relative_to(run)) for p in run.rglob("*.partial"))
    when = f"killed after {after:.3f} s of {stage}, at work on {at_work}"

    again = starter.run([config, "--jobs", str(2 - number % 2)], tmp_path)
    assert again.code == 0, f"{when}\n{again.told}"
    assert contents(run) == clean.contents, when
    assert files(tmp_path) == clean.files, when


@pytest.mark.slow
def test_ten_kills_in_a_row(tmp_path: Path, models: Path, starter: Starter, clean: Clean) -> None:
    """What a kill leaves is killed again, before the run may end."""
    rng = random.Random(SEED)
    config = str(write_config(tmp_path / "tiny.yaml", models))
    for _ in range(10):
        after = rng.uniform(0.15, clean.seconds / 5)
        killed = starter.run([config], tmp_path, after=after)
        assert killed.code in (-signal.SIGKILL, 0), killed.told
    assert starter.run([config], tmp_path).code == 0
    run = tmp_path / "artifacts/runs/tiny"
    assert contents(run) == clean.contents
    assert files(tmp_path) == clean.files


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "stage", "jobs"),
    [
        (signal.SIGTERM, "translate", 1),
        (signal.SIGTERM, "train", 1),
        (signal.SIGINT, "self_train", 1),
        (signal.SIGHUP, "align", 1),
        (signal.SIGTERM, "align", 2),
        (signal.SIGINT, "train", 2),
    ],
)
def test_a_stopped_run_says_so_and_leaves_a_clean_state(
    sent: signal.Signals,
    stage: str,
    jobs: int,
    tmp_path: Path,
    models: Path,
    starter: Starter,
    clean: Clean,
) -> None:
    if signal.getsignal(sent) == signal.SIG_IGN:
        pytest.skip(f"{sent.name} is ignored by all that is started here (nohup?)")
    config = str(write_config(tmp_path / "tiny.yaml", models, jobs=jobs))
    run = tmp_path / "artifacts/runs/tiny"
    # How long the stage takes was measured beside other tests: alone it may be over before.
    for part in (4, 16, 64):
        after = clean.stages[stage] / part
        stopped = starter.run([config], tmp_path, after=after, stage=run / stage, sent=sent)
        if stopped.code:
            break
        shutil.rmtree(tmp_path / "artifacts")
    assert stopped.code == (-sent if sent == signal.SIGINT else 128 + sent), stopped.told
    assert "stopped; what is finished is kept, run the same command again" in stopped.told
    assert "Traceback" not in stopped.told
    assert not leftovers(tmp_path)

    # In one process, whose Python need not be started: that two go on is tested above.
    again = starter.run([config, "--jobs", "1"], tmp_path)
    assert again.code == 0, again.told
    assert contents(run) == clean.contents
    assert files(tmp_path) == clean.files


@pytest.mark.slow
def test_a_kill_before_any_operation_on_a_file_does_no_harm(tmp_path: Path) -> None:
    """Every fifth operation of a small run in the normal tests, every one with XLNER_KILLS set."""
    step = 1 if "XLNER_KILLS" in os.environ else 5
    done = subprocess.run(
        [sys.executable, "-m", "tests.reliability.every_operation", str(tmp_path), str(step), "1"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["wrong"] == []
    assert told["kills"] >= 90 / step
