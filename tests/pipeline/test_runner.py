"""The runner: planning, skipping, resuming, failing."""

from __future__ import annotations

import io
import logging
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.artifacts import RunFolder
from pipeline.config import RunConfig, parse_config
from pipeline.errors import ConfigError, DamagedError, LockedError, XlnerError
from pipeline.plan import Selection
from pipeline.progress import Progress
from pipeline.stage import Ref
from tests.pipeline.toy_stages import TOYS
from xlner.api import Runner

DE = Ref("align", "de")


def make_config(**changes: Any) -> RunConfig:
    raw: dict[str, Any] = {"name": "toy", "languages": ["de", "es"], "part_rows": 10, **changes}
    return parse_config(raw, model=TOYS.config_type())


def make_runner(runs: Path, **changes: Any) -> Runner:
    quiet = Progress(Console(file=io.StringIO()))
    return Runner(make_config(**changes), runs, quiet, TOYS)


def states(runner: Runner, selection: Selection | None = None) -> dict[str, tuple[str, str]]:
    steps = runner.plan(runner.tasks(), selection)
    return {str(s.task.ref): (s.state, s.why) for s in steps}


def part_bytes(runs: Path, name: str = "toy") -> dict[str, bytes]:
    return {
        str(p.relative_to(runs / name)): p.read_bytes()
        for p in sorted((runs / name).rglob("*.parquet"))
    }


def test_a_run_writes_every_output_with_its_manifest(tmp_path: Path) -> None:
    result = make_runner(tmp_path).run()
    assert [str(Ref(a.manifest.stage, a.manifest.unit)) for a in result.done] == [
        "prepare/train/en",
        "align/de",
        "align/es",
        "report/all",
    ]
    manifest = RunFolder(tmp_path / "toy").artifact(DE).manifest  # type: ignore[union-attr]
    assert [p.rows for p in manifest.parts] == [10, 10, 5]
    assert manifest.rows_in == {"sentences": 25}
    assert manifest.rows_out == 25
    assert manifest.drops == {"rows": {"unaligned": 5}}
    prepared = RunFolder(tmp_path / "toy").artifact(Ref("prepare", "train/en"))
    assert prepared is not None
    assert prepared.manifest.drops == {"rows": {"empty_sentence": 2}}
    assert prepared.manifest.notes == {"scheme": "iob2"}
    assert (tmp_path / "toy/report/all/total.txt").read_text() == "40 after 1"
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize("workers", [1, 2])
def test_what_workers_count_is_added_up_and_warned_of(
    tmp_path: Path, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "pipeline"):
        make_runner(tmp_path, workers=workers).run()
        assert not caplog.text
        make_runner(tmp_path, workers=workers, align={"noted": True}).run()
    manifest = RunFolder(tmp_path / "toy").artifact(DE).manifest  # type: ignore[union-attr]
    assert manifest.notes == {"unlinked": 5}
    assert "align/de: 5 without links" in caplog.text


def test_other_libraries_read_the_folder_of_an_output(tmp_path: Path) -> None:
    import pandas

    make_runner(tmp_path).run()
    frame = pandas.read_parquet(tmp_path / "toy/align/de")
    assert len(frame) == 25  # three parts, and the manifest beside them


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    make_runner(tmp_path).run()
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.parquet")}
    assert make_runner(tmp_path).run().done == []
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.parquet")} == before


def test_neutral_options_do_not_make_anything_out_of_date(tmp_path: Path) -> None:
    make_runner(tmp_path).run()
    runner = make_runner(tmp_path, align={"batch_size": 99}, workers=2)
    assert {s for s, _ in states(runner).values()} == {"up to date"}


def test_the_plan_says_why(tmp_path: Path) -> None:
    make_runner(tmp_path).run()
    plan = states(make_runner(tmp_path, align={"offset": 3}))
    assert plan["prepare/train/en"][0] == "up to date"
    assert plan["align/de"] == ("run", "offset was 0, is now 3")
    assert plan["report/all"] == ("run", "its input align/de is made again")


def test_a_changed_seed_redoes_what_depends_on_it(tmp_path: Path) -> None:
    make_runner(tmp_path).run()
    plan = states(make_runner(tmp_path, seed=14))
    assert plan["prepare/train/en"] == ("run", "run.seed was 13, is now 14")


def test_force_redoes_the_selected_stages_only(tmp_path: Path) -> None:
    make_runner(tmp_path).run()
    result = make_runner(tmp_path).run(Selection("align", "align", force=True))
    assert {a.manifest.stage for a in result.done} == {"align"}


def test_from_refuses_to_build_on_what_is_out_of_date(tmp_path: Path) -> None:
    make_runner(tmp_path).run()
    told = "report/all needs align/de, which is not up to date.*--from align, or run_stage align f"
    with pytest.raises(ConfigError, match=told):
        make_runner(tmp_path, align={"offset": 3}).run(Selection(first="report"))
    with pytest.raises(ConfigError, match="an earlier stage: run_pipeline --from prepare$"):
        make_runner(tmp_path, seed=14).run(Selection(first="report"))


def test_what_is_out_of_date_is_not_shown_as_a_result(tmp_path: Path) -> None:
    runner = make_runner(tmp_path)
    runner.run()
    assert len(runner.summaries(runner.run(Selection(last="align")).steps)) == 1
    other = make_runner(tmp_path, align={"offset": 3})
    assert other.summaries(other.run(Selection(last="align")).steps) == []


def test_unknown_and_reversed_selections(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no stage named 'algin' \(did you mean 'align'\?\)"):
        make_runner(tmp_path).run(Selection(first="algin"))
    with pytest.raises(ConfigError, match="--from report comes after --until align"):
        make_runner(tmp_path).run(Selection(first="report", last="align"))


def test_checks_come_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"align.offset: at most 100 is allowed"):
        make_runner(tmp_path, align={"offset": 101}).run()
    assert not (tmp_path / "toy").exists()


def test_stages_that_are_left_out_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"report/all needs align/de: add 'align' to 'stages'"):
        make_runner(tmp_path, stages=["prepare", "report"]).run()


def test_same_bytes_for_every_worker_count(tmp_path: Path) -> None:
    make_runner(tmp_path / "one").run()
    make_runner(tmp_path / "two", workers=2).run()
    assert part_bytes(tmp_path / "one") == part_bytes(tmp_path / "two")


def test_a_failed_part_leaves_the_finished_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="part 2 is bad"):
        make_runner(tmp_path, align={"fail_at": 2}).run()
    partial = tmp_path / "toy/align/de.partial/out"
    assert sorted(p.name for p in partial.iterdir()) == ["part-00000.parquet", "part-00001.parquet"]


def test_a_part_whose_note_was_lost_is_counted_all_the_same(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="part 2 is bad"):
        make_runner(tmp_path, align={"fail_at": 2}).run()
    resumed = make_runner(tmp_path)
    mark = next(s.fingerprint for s in resumed.plan(resumed.tasks()) if s.task.ref == DE)
    partial = tmp_path / "toy/align/de.partial"
    (partial / "fingerprint").write_text(mark)
    (partial / "work/part-00000.json").write_text("")
    (partial / "work/part-00001.json").unlink()
    resumed.run()
    make_runner(tmp_path / "clean").run()
    runs = [RunFolder(tmp_path / p).artifact(DE) for p in ("toy", "clean/toy")]
    first, second = (r.manifest for r in runs)  # type: ignore[union-attr]
    assert first.parts == second.parts
    assert first.drops == second.drops == {"rows": {"unaligned": 5}}


def _killed_run(runs: Path) -> None:
    make_runner(runs, align={"kill_at": 2}).run()


def test_after_a_kill_the_next_run_continues(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_killed_run, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == -9
    partial = tmp_path / "toy/align/de.partial/out/part-00000.parquet"
    written = partial.stat().st_mtime_ns
    # The option that kills is part of the fingerprint, so pretend that it was never set.
    unharmed = make_runner(tmp_path)
    mark = next(s.fingerprint for s in unharmed.plan(unharmed.tasks()) if s.task.ref == DE)
    (tmp_path / "toy/align/de.partial/fingerprint").write_text(mark)
    assert states(unharmed)["align/de"][0] == "resume"
    unharmed.run()
    assert (tmp_path / "toy/align/de/part-00000.parquet").stat().st_mtime_ns == written
    make_runner(tmp_path / "clean").run()
    assert part_bytes(tmp_path) == part_bytes(tmp_path / "clean")


def test_a_stage_keeps_its_work_folder_over_an_interruption(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        make_runner(tmp_path, report={"fail": True}).run()
    assert not (tmp_path / "toy/report/all").exists()
    make_runner(tmp_path, report={"fail": True}).run()
    assert (tmp_path / "toy/report/all/total.txt").read_text() == "40 after 2"


def test_a_leftover_of_another_configuration_is_not_reused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="part 2 is bad"):
        make_runner(tmp_path, align={"fail_at": 2, "offset": 7}).run()
    make_runner(tmp_path).run()
    rows = list(RunFolder(tmp_path / "toy").artifact(DE).rows())  # type: ignore[union-attr]
    assert {r["aligner"] for r in rows} == {"offset 0"}


def test_two_runs_on_one_folder(tmp_path: Path) -> None:
    runner = make_runner(tmp_path)
    with runner.folder.lock(), pytest.raises(LockedError) as error:
        make_runner(tmp_path).run()
    assert str(error.value).startswith(
        f"another run is working on {tmp_path / 'toy'} (pid {os.getpid()}, since "
    )


def test_a_full_disk_is_reported_and_what_is_finished_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync
    count = 0

    def full(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count == 14:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(XlnerError, match="the disk is full: could not write .*; free some space"):
        make_runner(tmp_path).run()
    monkeypatch.setattr(os, "fsync", real)
    make_runner(tmp_path).run()
    make_runner(tmp_path / "clean").run()
    assert part_bytes(tmp_path) == part_bytes(tmp_path / "clean")


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    make_runner(tmp_path).run()
    bad = tmp_path / "toy/prepare/train/en/part-00001.parquet"
    bad.write_bytes(b"not parquet")
    told = r"en/part-00001.parquet has 11 bytes instead of 2,\d{3}\nput back .* delete it and run"
    with pytest.raises(DamagedError, match=told):
        make_runner(tmp_path).run(Selection("align", "align", force=True))
