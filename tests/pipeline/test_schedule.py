"""Which steps come when, and how long they are expected to take."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import capacity
from pipeline.errors import ConfigError
from pipeline.estimates import Estimates, told_seconds
from pipeline.plan import Step
from pipeline.schedule import Schedule, simulate
from pipeline.task import Ref, Task
from tests.pipeline.test_runner import make_config, make_runner


def step(name: str, *reads: str, state: str = "run") -> Step:
    inputs = {r: Ref("toy", r) for r in reads}
    return Step(Task("toy", name, "files", inputs), name, {}, state, "")  # type: ignore[arg-type]


def names(steps: list[Step]) -> list[str]:
    return [s.task.unit for s in steps]


def costs(**seconds: float) -> dict[Ref, float]:
    return {Ref("toy", k): v for k, v in seconds.items()}


def test_without_estimates_the_order_of_the_plan_is_kept() -> None:
    schedule = Schedule([step("a"), step("b"), step("c", "a")])
    assert names(schedule.ready()) == ["a", "b"]
    schedule.begin(schedule.ready()[0])
    assert names(schedule.ready()) == ["b"]
    assert names(schedule.left()) == ["b", "c"]


def test_what_the_longest_chain_hangs_on_comes_first() -> None:
    steps = [step("quick"), step("long"), step("root"), step("leaf", "root")]
    schedule = Schedule(steps, costs(quick=1, long=5, root=1, leaf=6))
    assert names(schedule.ready()) == ["root", "long", "quick"]


def test_nothing_is_ready_before_all_that_it_reads() -> None:
    schedule = Schedule([step("a"), step("b"), step("c", "a", "b")])
    a, b = schedule.ready()
    schedule.settle(a)
    assert names(schedule.ready()) == ["b"]
    schedule.begin(b)
    schedule.again(b)
    assert names(schedule.ready()) == ["b"]
    schedule.settle(b)
    assert names(schedule.ready()) == ["c"]
    schedule.settle(schedule.ready()[0])
    assert schedule.finished


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[Step], dict[Ref, float]]:
    count = draw(st.integers(1, 12))
    steps, seconds = [], {}
    for n in range(count):
        reads = draw(st.sets(st.integers(0, n - 1), max_size=3)) if n else set()
        state = draw(st.sampled_from(["run", "up to date"]))
        steps.append(step(str(n), *map(str, sorted(reads)), state=state))
        if state == "run":
            seconds[Ref("toy", str(n))] = draw(st.floats(0.1, 100))
    return steps, seconds


@given(plans(), st.integers(1, 5))
def test_a_simulated_run_keeps_all_rules(
    plan: tuple[list[Step], dict[Ref, float]], slots: int
) -> None:
    steps, seconds = plan
    planned = simulate(steps, seconds, slots)
    assert sorted(p.step.task.unit for p in planned) == sorted(
        s.task.unit for s in steps if s.state == "run"
    )
    ends = {p.step.task.ref: p.end for p in planned}
    for one in planned:
        assert all(ends.get(r, 0.0) <= one.begin for r in one.step.task.inputs.values())
        others = [p for p in planned if p.slot == one.slot and p is not one]
        assert all(p.end <= one.begin or p.begin >= one.end for p in others)
    whole = max(ends.values(), default=0.0)
    assert whole <= sum(seconds.values()) + 1e-6
    # Graham's bound: never over twice the best.
    best = max(sum(seconds.values()) / slots, _longest(steps, seconds))
    assert whole <= 2 * best + 1e-6


def _longest(steps: list[Step], seconds: dict[Ref, float]) -> float:
    chains: dict[Ref, float] = {}
    for s in steps:
        before = max((chains[r] for r in s.task.inputs.values()), default=0.0)
        chains[s.task.ref] = before + seconds.get(s.task.ref, 0.0)
    return max(chains.values())


def test_times_come_from_earlier_tasks_of_the_same_kind(tmp_path: Path) -> None:
    first = make_runner(tmp_path)
    guessed = Estimates(first, first.plan(first.tasks()))
    assert not guessed.measured and all(s > 0 for s in guessed.seconds.values())
    first.run()
    other = make_runner(tmp_path, name="other", languages=["de", "es", "fr"])
    known = Estimates(other, other.plan(other.tasks()))
    assert known.measured == {
        Ref("prepare", "train/en"),
        Ref("report", "all"),
        *(Ref("align", lang) for lang in ("de", "es", "fr")),
    }
    elsewhere = Estimates(other, other.plan(other.tasks()), elsewhere=True)
    assert not elsewhere.measured
    changed = make_runner(tmp_path, name="other", align={"offset": 1})
    assert Ref("align", "de") not in Estimates(changed, changed.plan(changed.tasks())).measured


def test_times_are_said_in_words() -> None:
    assert [told_seconds(s) for s in (3, 99, 130, 7325)] == ["3 s", "99 s", "2 min", "2 h 02 min"]


def test_the_gpus_that_are_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, 3,5")
    assert capacity.visible_devices() == ["2", "3", "5"]
    assert capacity.devices(make_config(devices=2)) == ["2", "3"]
    with pytest.raises(ConfigError, match="devices: 4 are asked for, and this machine has 3"):
        capacity.devices(make_config(devices=4))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert capacity.visible_devices() == []


LISTED = """GPU 0: NVIDIA A100 (UUID: GPU-1)
GPU 1: NVIDIA A100 (UUID: GPU-2)
  MIG 3g.20gb     Device  0: (UUID: MIG-a)
  MIG 3g.20gb     Device  1: (UUID: MIG-b)
GPU 2: NVIDIA A100 (UUID: GPU-3)
"""


def test_gpus_are_listed_by_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "nvidia-smi"
    command.write_text(f"#!/bin/sh\ncat <<'E'\n{LISTED}E\n")
    command.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert capacity.visible_devices() == ["0", "MIG-a", "MIG-b", "2"]


@pytest.mark.parametrize(
    ("cores", "stated", "keys", "threads", "jobs"),
    [
        (2, None, {}, 1, 2),
        (16, None, {}, 4, 4),
        (64, None, {}, 16, 4),
        (16, "2", {}, 2, 8),
        (16, "2", {"threads": 8}, 8, 2),
        (16, None, {"workers": 2}, 4, 2),
        (1, None, {"threads": 8}, 8, 1),
        (16, None, {"jobs": 7}, 4, 7),
    ],
)
def test_threads_and_jobs_of_a_machine(
    cores: int,
    stated: str | None,
    keys: dict[str, int],
    threads: int,
    jobs: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(capacity, "cores", lambda: cores)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if stated is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", stated)
    config = make_config(**keys)
    assert capacity.threads(config) == threads
    assert capacity.jobs(config, 0) == jobs


def test_a_machine_with_gpus_takes_a_task_on_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "cores", lambda: 16)
    assert capacity.jobs(make_config(), 8) == 8
    assert capacity.jobs(make_config(jobs=2), 8) == 2


def test_a_share_holds_for_the_matrix_library_that_is_loaded_already() -> None:
    """A process that goes on and one that was started anew must multiply with the same digits."""
    import numpy as np
    from threadpoolctl import threadpool_info, threadpool_limits

    def threads() -> set[int]:
        return {i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"}

    draw = np.random.default_rng(0)
    left, right = (draw.normal(size=(50, 384)).astype(np.float32) for _ in range(2))
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        with capacity.share(1):
            assert threads() == {1}
            product = left @ right.T
        assert threads() == before
    with threadpool_limits(1, user_api="blas"):
        assert np.array_equal(product, left @ right.T)


def test_few_kernels_are_kept_unless_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = "ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"
    for name in kept:
        monkeypatch.delenv(name, raising=False)
    with capacity.share(1):
        assert [os.environ[name] for name in kept] == ["64", "64"]
    assert not any(name in os.environ for name in kept)
    monkeypatch.setenv(kept[0], "1024")
    with capacity.share(1):
        assert [os.environ[name] for name in kept] == ["1024", "64"]
    assert os.environ[kept[0]] == "1024"
