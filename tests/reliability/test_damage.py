"""Files of a run that are not what was written: found, named, and made again once deleted."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.artifacts import RunFolder
from pipeline.errors import ConfigError, DamagedError
from pipeline.plan import Selection
from pipeline.stage import Part
from tests.pipeline.test_runner import DE, make_runner, part_bytes, states
from tests.pipeline.toy_stages import AlignWorker
from tests.reliability.conftest import Clean, Starter
from tests.reliability.tiny_run import contents, files, write_config
from xlner.api import Runner, load_config

PREPARED = "prepare/train/en/part-00001.parquet"
ALIGNED = "align/de/part-00001.parquet"
TOTAL = "report/all/total.txt"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The parts that workers of ``align`` make, as they are made."""
    parts: list[int] = []
    real = AlignWorker.__call__

    def call(self: AlignWorker, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        parts.append(part.index)
        return real(self, inputs, part)

    monkeypatch.setattr(AlignWorker, "__call__", call)
    return parts


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A complete run of the toy stages, one language."""
    make_runner(tmp_path, languages=["de"]).run()
    return tmp_path


def go(runs: Path, selection: Selection | None = None, **changes: Any) -> list[str]:
    done = make_runner(runs, languages=["de"], **changes).run(selection).done
    return [f"{a.manifest.stage}/{a.manifest.unit}" for a in done]


@pytest.mark.parametrize("name", [PREPARED, ALIGNED, TOTAL])
def test_a_file_of_another_size_stops_every_run(run: Path, name: str) -> None:
    before = part_bytes(run)
    path = run / "toy" / name
    cut(path)
    with pytest.raises(DamagedError) as error:
        go(run)
    told = str(error.value)
    assert f"{path} has " in told and " bytes instead of " in told
    assert "delete it and run again" in told
    path.unlink()
    assert go(run) == [name.rpartition("/")[0]]
    assert part_bytes(run) == before
    assert (run / "toy" / TOTAL).read_text() == "20 after 1"
    assert go(run) == []


@pytest.mark.parametrize("name", [PREPARED, ALIGNED, TOTAL])
def test_what_is_missing_is_made_again(run: Path, name: str, made: list[int]) -> None:
    before = part_bytes(run)
    (run / "toy" / name).unlink()
    unit, _, file = name.rpartition("/")
    assert states(make_runner(run, languages=["de"]))[unit] == ("resume", f"{file} is missing")
    assert go(run) == [unit]
    assert part_bytes(run) == before
    assert made == ([1] if name == ALIGNED else [])  # of a row-wise stage only what is missing


def test_parts_are_compared_before_they_are_kept(run: Path, made: list[int]) -> None:
    """Beside a part that is missing, a flipped bit is found that sizes do not show."""
    before = part_bytes(run)
    (run / "toy" / ALIGNED).unlink()
    flip(run / "toy/align/de/part-00002.parquet")
    assert go(run) == ["align/de"]
    assert made == [1, 2]
    assert part_bytes(run) == before


@pytest.mark.parametrize(("name", "stage"), [(PREPARED, "align"), (ALIGNED, "report")])
def test_flipped_bits_are_found_when_they_are_read(run: Path, name: str, stage: str) -> None:
    flip(run / "toy" / name)
    with pytest.raises(DamagedError) as error:
        go(run, Selection(first=stage, force=True))
    assert f"{run / 'toy' / name} is damaged: it has another SHA-256" in str(error.value)
    assert "delete it and run again" in str(error.value)


def test_making_again_that_was_interrupted(
    run: Path, made: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = part_bytes(run)
    for name in ("part-00000.parquet", "part-00002.parquet"):
        (run / "toy/align/de" / name).unlink()
    watched = AlignWorker.__call__

    def stop(self: AlignWorker, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        if part.index == 2:
            raise KeyboardInterrupt
        return watched(self, inputs, part)

    with monkeypatch.context() as patched:
        patched.setattr(AlignWorker, "__call__", stop)
        with pytest.raises(KeyboardInterrupt):
            go(run)
    assert go(run) == ["align/de"]
    assert made == [0, 2]
    assert part_bytes(run) == before


def test_damage_outside_the_selected_stages(run: Path) -> None:
    cut(run / "toy" / PREPARED)
    with pytest.raises(DamagedError, match="part-00001.parquet has"):
        go(run, Selection(first="report", force=True))
    (run / "toy" / PREPARED).unlink()
    with pytest.raises(ConfigError, match="part-00001.parquet is missing.*--from prepare"):
        go(run, Selection(first="align", force=True))
    assert go(run, Selection(first="report")) == []  # nothing that is to be done reads it


def test_many_damaged_files_are_counted(tmp_path: Path) -> None:
    make_runner(tmp_path, languages=["de"], part_rows=1).run()
    for path in (tmp_path / "toy/align/de").glob("part-*"):
        cut(path)
    with pytest.raises(DamagedError) as error:
        make_runner(tmp_path, languages=["de"], part_rows=1).run()
    assert str(error.value).count(" bytes instead of ") == 10
    assert "and 15 more files are damaged" in str(error.value)


def edit(run: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    path = run / "toy/align/de/_manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(fingerprint="0" * 64),
        lambda m: m["parts"][0].update(rows=9),
        lambda m: m["parts"].pop(),
        lambda m: m["drops"].clear(),
        lambda m: m["identity"].update(version="2"),
        lambda m: m.update(seed=14),
    ],
    ids=["fingerprint", "rows", "parts", "drops", "version", "seed"],
)
def test_a_manifest_that_was_edited(
    run: Path, change: Callable[[dict[str, Any]], None], made: list[int]
) -> None:
    before = part_bytes(run)
    path = edit(run, change)
    with pytest.raises(DamagedError, match="changed after it was written") as error:
        go(run)
    assert str(path) in str(error.value)
    assert states(make_runner(run, languages=["de"]))["align/de"][0] == "damaged"
    path.unlink()
    assert go(run) == ["align/de"]
    assert made == [0, 1, 2]  # nothing vouches for what is there
    assert part_bytes(run) == before
    assert go(run) == []


@pytest.mark.parametrize("text", ["", "{", '{"stage": "align"}', "\x00\xff"])
def test_a_manifest_that_is_no_manifest(run: Path, text: str) -> None:
    path = run / "toy/align/de/_manifest.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(DamagedError, match="_manifest.json: damaged manifest"):
        go(run)
    path.unlink()
    assert go(run) == ["align/de"]


def test_force_makes_again_whatever_is_damaged(run: Path, made: list[int]) -> None:
    before = part_bytes(run)
    cut(run / "toy" / ALIGNED)
    (run / "toy" / TOTAL).unlink()
    edit(run, lambda m: m.update(seed=14))
    assert go(run, Selection(first="align", force=True)) == ["align/de", "report/all"]
    assert made == [0, 1, 2]
    assert part_bytes(run) == before


def test_a_manifest_from_before_there_were_seals(run: Path) -> None:
    def older(manifest: dict[str, Any]) -> None:
        del manifest["seal"], manifest["sizes"]
        for part in manifest["parts"]:
            del part["size"]

    edit(run, older)
    assert go(run) == []
    (run / "toy" / ALIGNED).unlink()
    assert go(run) == ["align/de"]


@pytest.mark.parametrize("lost", [ALIGNED, "align/de/_manifest.json"])
def test_what_reads_an_output_that_comes_out_otherwise_is_made_again(
    run: Path, lost: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A newer library computes something else: nothing may rest on what was there before."""
    real = AlignWorker.__call__

    def newer(self: AlignWorker, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        self.largest = 77
        return real(self, inputs, part)

    shutil.copytree(run / "toy", run / "copy")
    (run / "toy" / lost).unlink()
    monkeypatch.setattr(AlignWorker, "__call__", newer)
    assert go(run) == ["align/de", "report/all"]

    shutil.rmtree(run / "toy")
    (run / "copy").rename(run / "toy")
    (run / "toy" / lost).unlink()
    with caplog.at_level(logging.WARNING, "pipeline"):
        assert go(run, Selection(last="align")) == ["align/de"]
    assert "report/all was made from another align/de than there is now" in caplog.text


@pytest.mark.slow
def test_damage_from_the_command_line(
    tmp_path: Path, models: Path, starter: Starter, clean: Clean
) -> None:
    place = tmp_path / "copy"
    shutil.copytree(clean.folder, place)
    config = str(write_config(place / "tiny.yaml", models))
    run = place / "artifacts/runs/tiny"
    part = run / "predict/projected/seed-13/test/de/part-00000.parquet"
    model = run / "train/projected/seed-13/model.safetensors"
    flip(model)
    cut(part)

    normal = starter.run([config], place)
    assert normal.code == 1
    assert "part-00000.parquet has" in normal.told and "delete it and run again" in normal.told
    assert "Traceback" not in normal.told
    part.unlink()
    # No size shows it: what predicts looks at the content of the model.
    read = starter.run([config, "--from", "predict", "--force"], place)
    assert read.code == 1
    assert "model.safetensors has another SHA-256 than when it was written" in read.told
    model.unlink()
    (run / "translate/de/part-00001.parquet").unlink()

    again = starter.run([config], place)
    assert again.code == 0, again.told
    for named in (
        "translate/de (1 of 3: part-00001.parquet is missing",
        "train/projected/seed-13 (2 of 3: model.safetensors is missing",
    ):
        assert named in again.told
    assert contents(run) == clean.contents
    assert files(place) == clean.files


def test_a_model_folder_that_was_replaced(tmp_path: Path, models: Path) -> None:
    """Another model of the same name, size and date: what it made is out of date, and says so."""
    import os

    mine = tmp_path / "models"
    shutil.copytree(models, mine)
    path = str(write_config(tmp_path / "tiny.yaml", mine, stages=["prepare", "translate", "align"]))

    def plan() -> dict[str, str]:
        runner = Runner(load_config(path), tmp_path / "runs")
        return {str(s.task.ref): s.fingerprint for s in runner.plan(runner.tasks())}

    before = plan()
    assert plan() == before
    other = tmp_path / "other"
    shutil.copytree(mine / "encoder", other)  # with the dates
    weights = other / "model.safetensors"
    stat = weights.stat()
    flip(weights)
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    shutil.rmtree(mine / "encoder")
    other.rename(mine / "encoder")
    assert (mine / "encoder/model.safetensors").stat().st_mtime_ns == stat.st_mtime_ns
    after = plan()
    assert after["align/de"] != before["align/de"]
    assert after["translate/de"] == before["translate/de"]


class Backwards:
    """A clock that is set back by a day whenever somebody looks at it."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self, zone: object = None) -> datetime:
        self.time -= timedelta(days=1)
        return self.time


def test_a_clock_that_is_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import time

    clock = Backwards()
    monkeypatch.setattr("pipeline.doing.datetime", clock)
    monkeypatch.setattr(time, "time", lambda: clock.now().timestamp())
    monkeypatch.setattr(time, "time_ns", lambda: int(clock.now().timestamp() * 1e9))
    make_runner(tmp_path).run()
    for artifact in RunFolder(tmp_path / "toy").artifacts():
        manifest = artifact.manifest
        assert manifest.seconds >= 0
        assert manifest.finished >= manifest.started
    # Files from the future, older than their inputs or newer, are as up to date as others.
    for number, path in enumerate(sorted(tmp_path.rglob("*.parquet"))):
        os.utime(path, (4e9 - number, 4e9 - number))
    assert make_runner(tmp_path).run().done == []
    assert {s for s, _ in states(make_runner(tmp_path, align={"offset": 3})).values()} == {
        "up to date",
        "run",
    }
    assert RunFolder(tmp_path / "toy").artifact(DE) is not None


def test_a_file_from_the_future_is_hashed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under a clock that was set back, times cannot vouch for a file."""
    import time

    from pipeline.hashes import FileHashes

    file = tmp_path / "data.txt"
    file.write_text("one")
    monkeypatch.setattr(time, "time_ns", lambda: 10**15)
    hashes = FileHashes(tmp_path / "h.json")
    hashes.of(file)
    hashes.save()
    assert not (tmp_path / "h.json").exists()
