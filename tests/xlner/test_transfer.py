"""Runs are copied to and from a store, whole or not at all."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from pipeline.artifacts import RunFolder
from pipeline.config import parse_config
from pipeline.errors import ConfigError, DamagedError, LockedError, XlnerError
from pipeline.manifest import MANIFEST
from pipeline.runner import Runner
from tests.pipeline.toy_stages import TOYS
from xlner.transfer import pull, push

URL = "memory://bucket/runs"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    raw = {"name": "toy", "languages": ["de", "es"], "part_rows": 2}
    config = parse_config(raw, model=TOYS.config_type())
    return Runner(config, tmp_path_factory.mktemp("made"), None, TOYS).run().folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "runs" / made.name)


@pytest.fixture(autouse=True)
def _empty_store() -> Iterator[None]:
    yield
    store = fsspec.filesystem("memory")
    if store.exists("/bucket"):
        store.rm("/bucket", recursive=True)


def files(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name not in (".lock", ".hashes.json")
    }


def test_a_run_comes_back_as_it_was(run: Path, tmp_path: Path) -> None:
    place, sent = push(run, URL)
    assert place.endswith("bucket/runs/toy")
    assert sent == len(files(run)) - 1  # the config is sent every time, and not counted
    there, got = pull(f"{URL}/toy", tmp_path / "elsewhere")
    assert there == tmp_path / "elsewhere" / "toy"
    assert got == sent
    assert files(there) == files(run)


def test_done_again_nothing_moves(run: Path, tmp_path: Path) -> None:
    push(run, URL)
    assert push(run, URL)[1] == 0
    pull(f"{URL}/toy", tmp_path / "elsewhere")
    assert pull(f"{URL}/toy", tmp_path / "elsewhere")[1] == 0


def test_the_manifest_goes_last_and_an_older_one_first(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    push(run, URL)
    output = next(RunFolder(run).artifacts())
    unit = output.folder.relative_to(run).as_posix()
    store = fsspec.filesystem("memory")
    store.pipe_file(f"/bucket/runs/toy/{unit}/{MANIFEST}", b"{}")  # another output than this one
    calls: list[str] = []
    put, remove = MemoryFileSystem.put_file, MemoryFileSystem.rm_file

    def put_file(self: MemoryFileSystem, here: str, there: str, **options: object) -> None:
        calls.append(Path(there).name)
        put(self, here, there, **options)

    def rm_file(self: MemoryFileSystem, path: str) -> None:
        calls.append(f"without {Path(path).name}")
        remove(self, path)

    monkeypatch.setattr(MemoryFileSystem, "put_file", put_file)
    monkeypatch.setattr(MemoryFileSystem, "rm_file", rm_file)
    push(run, URL)
    assert calls[0] == f"without {MANIFEST}"
    assert calls[-2:] == [MANIFEST, "config.json"]
    assert len(calls) == len(output.known_files()) + 3


def test_a_part_that_is_damaged_there_does_not_come_here(run: Path, tmp_path: Path) -> None:
    push(run, URL)
    store = fsspec.filesystem("memory")
    part = next(p for p in store.find("/bucket/runs/toy/align") if p.endswith(".parquet"))
    store.pipe_file(part, store.cat_file(part)[::-1])
    with pytest.raises(DamagedError, match="another SHA-256"):
        pull(f"{URL}/toy", tmp_path / "elsewhere")
    folder = tmp_path / "elsewhere" / "toy" / Path(part).relative_to("/bucket/runs/toy").parent
    assert not (folder / MANIFEST).exists()
    store.rm_file(part)
    with pytest.raises(DamagedError, match="is missing; push the run again"):
        pull(f"{URL}/toy", tmp_path / "elsewhere")


def test_a_damaged_run_is_not_sent(run: Path) -> None:
    part = next((run / "align").rglob("*.parquet"))
    part.write_bytes(part.read_bytes()[::-1])
    with pytest.raises(DamagedError, match=part.name):
        push(run, URL)


def test_what_was_lost_here_comes_again(run: Path, tmp_path: Path) -> None:
    push(run, URL)
    there, _ = pull(f"{URL}/toy", tmp_path / "elsewhere")
    next((there / "align").rglob("*.parquet")).unlink()
    assert pull(f"{URL}/toy", tmp_path / "elsewhere")[1] == 2  # the part and its manifest
    assert files(there) == files(run)


def test_a_run_at_work_is_left_alone(run: Path) -> None:
    with RunFolder(run).lock(), pytest.raises(LockedError):
        push(run, URL)


def test_errors_name_the_url(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no run there"):
        pull("memory://nothing/here", tmp_path)
    with pytest.raises(ConfigError, match=r"nosuch://x.*known are: .*memory"):
        push(run, "nosuch://x")
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(XlnerError, match="what was copied is not copied again"):
        push(run, f"file://{tmp_path}/file")


def test_names_lead_out_of_no_run(run: Path, tmp_path: Path) -> None:
    push(run, URL)
    fsspec.filesystem("memory").pipe_file("/bucket/runs/toy/../../x/_manifest.json", b"{}")
    with pytest.raises(XlnerError):
        pull("memory://bucket/runs/toy/..", tmp_path)
    assert not (tmp_path.parent / "x").exists()


def test_the_commands(run: Path, tmp_path: Path, warm_python: Path) -> None:
    def command(*words: str) -> subprocess.CompletedProcess[str]:
        line = [warm_python, "-c", "from xlner.commands.run import main; main()", *words]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    bucket = tmp_path / "bucket"
    bucket.mkdir()
    sent = command("push", "toy", f"file://{bucket}", "--runs-dir", str(run.parent))
    assert sent.returncode == 0, sent.stderr
    assert "files sent to" in sent.stderr
    shutil.rmtree(run)
    got = command("pull", f"file://{bucket}/toy", "--runs-dir", str(run.parent))
    assert got.returncode == 0, got.stderr
    assert (run / "report").is_dir()
    refused = command("list", "--runs-dir", "s3://bucket/runs")
    assert refused.returncode == 2
    assert "run_pipeline push" in refused.stderr
