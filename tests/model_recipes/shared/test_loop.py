"""The training loop: budgets, batches, checkpoints that survive a kill."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model_recipes.shared import loop
from model_recipes.shared.batching import token_bounded_batches
from model_recipes.shared.loop import (
    CheckpointMismatchError,
    LoopConfig,
    TrainingState,
    learning_rate_factor,
    run_training,
)
from pipeline.errors import ConfigError, DataError, XlnerError
from tests.model_recipes.shared.toy_text import steps


def make_model() -> torch.nn.Module:
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.2), torch.nn.Linear(8, 1))


def make_shard(number: int) -> list[list[float]]:
    rng = random.Random(number)
    return [[rng.random() for _ in range(4)] for _ in range(7)]


def train(
    checkpoint: Path, number: int, *, fingerprint: str = "f", kill_at: int | None = None
) -> tuple[torch.nn.Module, TrainingState]:
    model = make_model()
    calls = 0

    def loss_of(batch: list[float], device: torch.device) -> tuple[torch.Tensor, int]:
        nonlocal calls
        calls += 1
        if calls == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return (model(torch.tensor([batch], device=device)) - sum(batch)).pow(2).mean(), 1

    config = steps(number)
    if kill_at is not None:
        # A checkpoint after every step, so that there is one to continue from.
        config = config.model_copy(update={"checkpoint_minutes": 1e-9})
    state = run_training(
        model, make_shard, loss_of, config, checkpoint=checkpoint, fingerprint=fingerprint, seed=1
    )
    return model, state


def weights(model: torch.nn.Module) -> list[Any]:
    return [p.tolist() for p in model.parameters()]


def test_a_training_that_was_killed_ends_like_one_that_was_not(
    tmp_path: Path, warm_python: Path
) -> None:
    whole, whole_state = train(tmp_path / "whole.pt", 40)
    killed = tmp_path / "killed.pt"
    code = (
        "from pathlib import Path\n"
        "from tests.model_recipes.shared.test_loop import train\n"
        f"train(Path({str(killed)!r}), 40, kill_at=18)\n"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([warm_python, "-c", code], cwd=root, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    resumed, resumed_state = train(killed, 40)
    assert weights(resumed) == weights(whole)
    assert resumed_state.losses == whole_state.losses
    assert resumed_state.step == whole_state.step == 40
    assert (resumed_state.shard, resumed_state.batch) == (5, 5)


def test_the_number_of_threads_is_as_before(tmp_path: Path) -> None:
    before, during = torch.get_num_threads(), set()
    model = make_model()

    def loss_of(batch: list[float], device: torch.device) -> tuple[torch.Tensor, int]:
        during.add(torch.get_num_threads())
        return model(torch.tensor([batch], device=device)).mean(), 1

    config = steps(2).model_copy(update={"threads": before + 1})
    state = {"checkpoint": tmp_path / "c.pt", "fingerprint": "f", "seed": 1}
    run_training(model, make_shard, loss_of, config, **state)
    assert during == {before + 1} and torch.get_num_threads() == before


def test_training_moves_the_weights_and_lowers_the_loss(tmp_path: Path) -> None:
    model, state = train(tmp_path / "c.pt", 200)
    assert weights(model) != weights(make_model())
    assert state.losses[-1][1] < 0.5 * state.losses[0][1]


def test_a_crash_while_saving_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "c.pt"
    train(checkpoint, 10)
    before = checkpoint.read_bytes()

    def half(payload: object, handle: Any) -> None:
        handle.write(b"half a checkp")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(XlnerError, match="the disk is full"):
        train(checkpoint, 20)
    assert checkpoint.read_bytes() == before
    monkeypatch.undo()
    _, state = train(checkpoint, 20)
    assert state.step == 20
    assert [p.name for p in tmp_path.iterdir()] == ["c.pt"]


def test_a_finished_training_is_not_continued(tmp_path: Path) -> None:
    model, _ = train(tmp_path / "c.pt", 10)
    again, state = train(tmp_path / "c.pt", 10)
    assert state.step == 10
    assert weights(again) == weights(model)


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    train(tmp_path / "c.pt", 5)
    with pytest.raises(CheckpointMismatchError, match="remove it to start anew"):
        train(tmp_path / "c.pt", 5, fingerprint="g")


def test_text_of_which_nothing_is_left_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(train.__globals__, "make_shard", lambda number: [])
    with pytest.raises(DataError, match="shard 0 of the training data is empty"):
        train(tmp_path / "c.pt", 5)


def test_a_loss_that_is_no_number_stops_the_training(tmp_path: Path) -> None:
    model = make_model()

    def loss_of(batch: list[float], device: torch.device) -> tuple[torch.Tensor, int]:
        return model(torch.tensor([batch])).sum() * float("nan"), 1

    with pytest.raises(ConfigError, match="at step 5; lower loop.learning_rate"):
        run_training(
            model,
            make_shard,
            loss_of,
            steps(20),
            checkpoint=tmp_path / "c.pt",
            fingerprint="f",
            seed=1,
        )
    assert not (tmp_path / "c.pt").exists()


def test_the_time_budget_ends_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(0, 100_000, 10))
    monkeypatch.setattr(loop.time, "monotonic", lambda: float(next(ticks)))
    model = make_model()
    config = LoopConfig(max_minutes=5, device="cpu", precision="fp32", threads=1, log_every=1000)
    state = run_training(
        model,
        make_shard,
        lambda batch, device: (model(torch.tensor([batch])).pow(2).mean(), 1),
        config,
        checkpoint=tmp_path / "c.pt",
        fingerprint="f",
        seed=1,
    )
    assert 20 < state.step <= 30


def test_the_learning_rate_rises_and_falls() -> None:
    config = LoopConfig(max_steps=110, warmup_steps=10, final_learning_rate_ratio=0.1)
    factors = [learning_rate_factor(config, step, 0.0) for step in range(111)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9] == factors[10] == pytest.approx(1.0)
    assert all(a > b for a, b in itertools.pairwise(factors[10:]))
    assert factors[110] == pytest.approx(0.1)
    timed = LoopConfig(max_minutes=10, warmup_steps=0, final_learning_rate_ratio=0.0)
    assert learning_rate_factor(timed, 5, 300.0) == pytest.approx(0.5)
    assert learning_rate_factor(timed, 5, 900.0) == pytest.approx(0.0)


def test_a_budget_is_required() -> None:
    with pytest.raises(ValueError, match="give a budget"):
        LoopConfig()


@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), max_size=80),
    st.integers(1, 200),
    st.integers(0, 5),
)
def test_batches_hold_every_item_once_and_keep_the_bound(
    lengths: list[tuple[int, int]], bound: int, seed: int
) -> None:
    batches = token_bounded_batches(lengths, bound, random.Random(seed))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(max(lengths[i]) for i in batch)
        assert len(batch) == 1 or longest * len(batch) <= bound
    assert batches == token_bounded_batches(lengths, bound, random.Random(seed))
