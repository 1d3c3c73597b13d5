"""Deciding anew: thresholds move, and what is stored is decided again without computing it."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from pipeline.artifacts import RunFolder
from pipeline.plan import Selection, without
from tests.pipeline.test_runner import DE, make_runner, part_bytes, states


@pytest.mark.parametrize("workers", [1, 2])
def test_stored_rows_are_decided_anew_as_a_run_from_scratch_would(
    tmp_path: Path, workers: int
) -> None:
    make_runner(tmp_path, align={"noted": True}).run()
    runner = make_runner(tmp_path, align={"least": 7, "noted": True}, workers=workers)
    plan = states(runner)
    assert plan["prepare/train/en"][0] == "up to date"
    assert plan["align/de"] == ("decide", "decided anew: least was 0, is now 7")
    assert plan["report/all"] == ("run", "its input align/de is decided anew")
    runner.run()
    make_runner(tmp_path / "clean", align={"least": 7, "noted": True}).run()
    assert part_bytes(tmp_path) == part_bytes(tmp_path / "clean")
    decided, fresh = (
        found.manifest
        for found in (RunFolder(tmp_path / p).artifact(DE) for p in ("toy", "clean/toy"))
        if found is not None
    )
    assert decided.drops == fresh.drops == {"rows": {"unaligned": 5, "low_score": 5}}
    assert (decided.notes, decided.fingerprint) == (fresh.notes, fresh.fingerprint)
    assert make_runner(tmp_path, align={"least": 7, "noted": True}).run().done == []


def test_anything_else_that_changed_is_computed(tmp_path: Path) -> None:
    make_runner(tmp_path).run()
    changed = {"least": 7, "offset": 3}
    assert states(make_runner(tmp_path, align=changed))["align/de"][0] == "run"
    more = make_runner(tmp_path, align={"least": 7}, prepare={"rows": 30})
    assert states(more)["align/de"] == ("run", "its input prepare/train/en is made again")
    forced = states(make_runner(tmp_path, align={"least": 7}), Selection(force=True))
    assert forced["align/de"] == ("run", "its input prepare/train/en is made again")


def _killed(runs: Path) -> None:
    os.environ["TOY_KILL"] = str(os.getpid())
    make_runner(runs, align={"least": 7}).run()


def test_a_decision_that_was_killed_goes_on(tmp_path: Path) -> None:
    make_runner(tmp_path).run()
    process = multiprocessing.get_context("spawn").Process(target=_killed, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == -9
    done = tmp_path / "toy/align/de.partial/out/part-00000.parquet"
    written = done.stat().st_mtime_ns
    make_runner(tmp_path, align={"least": 7}).run()
    assert (tmp_path / "toy/align/de/part-00000.parquet").stat().st_mtime_ns == written
    make_runner(tmp_path / "clean", align={"least": 7}).run()
    assert part_bytes(tmp_path) == part_bytes(tmp_path / "clean")


def test_damaged_rows_are_computed_not_decided(tmp_path: Path) -> None:
    make_runner(tmp_path).run()
    (tmp_path / "toy/align/de/part-00001.parquet").unlink()
    runner = make_runner(tmp_path, align={"least": 7})
    assert [states(runner)[f"align/{x}"][0] for x in ("de", "es")] == ["run", "decide"]
    runner.run()
    make_runner(tmp_path / "clean", align={"least": 7}).run()
    assert part_bytes(tmp_path) == part_bytes(tmp_path / "clean")


def test_without_leaves_out_what_stands_at_a_path() -> None:
    identity = {"options": {"a": 1, "gate": {"b": 2, "c": 3}}, "version": "1"}
    assert without(identity, ["options.gate.b", "options.x.y"]) == {
        "options": {"a": 1, "gate": {"c": 3}},
        "version": "1",
    }
    assert without(identity, ["options.gate"])["options"] == {"a": 1}
    assert identity["options"]["gate"] == {"b": 2, "c": 3}  # type: ignore[index]
