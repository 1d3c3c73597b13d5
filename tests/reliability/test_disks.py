"""Full, read-only and broken disks: a clear error, nothing lost, and the next run goes on."""

from __future__ import annotations

import errno
import os
import pwd
import re
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import disk
from pipeline.artifacts import RunFolder
from pipeline.errors import XlnerError
from pipeline.hashes import FileHashes
from pipeline.stage import Ref
from stages.translate import conversion
from tests.pipeline.test_runner import make_runner, part_bytes, states
from tests.reliability.conftest import Clean, Starter
from tests.reliability.test_kills import leftovers
from tests.reliability.tiny_run import contents, files, write_config
from xlner.transfer import pull, push


def mount(folder: Path, options: str) -> None:
    """Mount memory as a disk, or skip the test where that is not allowed."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own of 8 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount(folder, "size=8m")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, leave: int) -> Path:
    """Fill a disk but for so many bytes."""
    ballast = folder / "ballast"
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - leave)
    return ballast


@pytest.mark.parametrize("pages", [0, 1, 2, 4, 7, 10, 13])
def test_a_disk_that_fills_up_anywhere_in_a_run(
    small_disk: Path, tmp_path: Path, pages: int
) -> None:
    ballast = fill(small_disk, pages * resource.getpagesize())
    with pytest.raises(XlnerError, match=r"the disk is full: could not write .*; free some space"):
        make_runner(small_disk).run()
    assert not leftovers(small_disk)
    ballast.unlink()
    make_runner(small_disk).run()
    make_runner(tmp_path / "clean").run()
    assert part_bytes(small_disk) == part_bytes(tmp_path / "clean")
    assert not list(small_disk.rglob("*.partial"))


@pytest.mark.slow
@pytest.mark.parametrize("leave", [60_000, 150_000])
def test_a_disk_that_fills_up_in_training(
    tmp_path: Path, models: Path, starter: Starter, clean: Clean, leave: int
) -> None:
    """Checkpoints are written by torch and safetensors, whose errors are no OSErrors."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount(folder, "size=64m")
    try:
        config = str(write_config(folder / "tiny.yaml", models))
        assert starter.run([config, "--until", "synthesize"], folder).code == 0
        ballast = fill(folder, leave)
        full = starter.run([config], folder)
        assert full.code == 1
        told = (
            "error: the disk is full: could not write artifacts/runs/tiny/train/projected/seed-13"
        )
        assert told in full.told, full.told
        assert "Traceback" not in full.told
        ballast.unlink()
        assert starter.run([config], folder).code == 0
        assert contents(folder / "artifacts/runs/tiny") == clean.contents
        assert files(folder) == clean.files
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_cannot_be_written_to(small_disk: Path) -> None:
    make_runner(small_disk).run()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    told = r"disk.*: read-only file system; .*--runs-dir names another one"
    with pytest.raises(XlnerError, match=told):
        make_runner(small_disk, align={"offset": 3}).run()
    # What is there can be read all the same, and looked at: hashes are computed again.
    assert states(make_runner(small_disk, align={"offset": 3}))
    hashes = FileHashes(small_disk / "new.json")
    assert hashes.of(Path(__file__))
    hashes.save()
    assert not (small_disk / "new.json").exists()
    assert RunFolder(small_disk / "toy").artifact(Ref("align", "de")).num_rows == 25  # type: ignore[union-attr]


def test_a_run_on_a_disk_that_is_only_read_is_copied(small_disk: Path, tmp_path: Path) -> None:
    run = make_runner(small_disk).run().folder
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    _, sent = push(run, str(tmp_path / "copies"))
    assert sent > 0 and push(run, str(tmp_path / "copies"))[1] == 0
    there, _ = pull(str(tmp_path / "copies" / run.name), tmp_path / "runs")
    assert contents(there) == contents(run)


def test_a_folder_without_permission(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere; the next test has the error raised instead")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(XlnerError, match=r"permission denied; .*--runs-dir names another one"):
            make_runner(tmp_path / "runs").run()
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (errno.ENOSPC, "the disk is full: could not write"),
        (errno.EDQUOT, "the disk quota is used up: could not write"),
        (errno.EROFS, "read-only file system; the inputs must be readable and the folder of the"),
        (errno.EACCES, "permission denied; the inputs must be readable and the folder of the runs"),
        (errno.EIO, "input/output error; check it (dmesg)"),
    ],
)
@pytest.mark.parametrize("number", [1, 9])
def test_what_the_disk_says_at_any_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, told: str, number: int
) -> None:
    real = os.fsync
    count = 0

    def fail(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count == number:
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(XlnerError) as error:
        make_runner(tmp_path).run()
    assert told in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert not leftovers(tmp_path)
    make_runner(tmp_path).run()


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(XlnerError, match="it would be larger than files may be here"):
            make_runner(tmp_path).run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    make_runner(tmp_path).run()


def test_errors_of_other_libraries_are_told_by_their_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SafetensorError(Exception):
        pass

    text = "Error while serializing: I/O error: No space left on device (os error 28)"
    with pytest.raises(XlnerError, match="the disk is full"), disk.disk_errors(tmp_path):
        raise SafetensorError(text)
    # torch does not say why; it is the disk only if the disk is full.
    stream = "[enforce fail at inline_container.cc:603] . PytorchStreamWriter failed writing file"
    with pytest.raises(RuntimeError, match="PytorchStreamWriter"), disk.disk_errors(tmp_path):
        raise RuntimeError(stream)
    monkeypatch.setattr(disk, "_free", lambda path: 0)
    with pytest.raises(XlnerError, match="the disk is full"), disk.disk_errors(tmp_path):
        raise RuntimeError(stream)


@pytest.mark.parametrize(
    ("code", "said"),
    [(errno.ENOSPC, "could not write {cache};"), (errno.EROFS, "the variable XLNER_CACHE names")],
)
def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, code: int, said: str) -> None:
    cache, task = tmp_path / "cache", tmp_path / "task"

    def fail(folder: Path) -> None:
        raise OSError(code, os.strerror(code))

    words = said.format(cache=re.escape(str(cache)))
    with pytest.raises(XlnerError, match=words), disk.disk_errors(task):
        conversion.kept([1], cache, fail)


def test_a_home_on_a_disk_that_is_read_only_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path, **how: bool) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", fail)
    told = "read-only.*the variable XLNER_CACHE names"
    with pytest.raises(XlnerError, match=told), disk.disk_errors(tmp_path):
        conversion.converted(tmp_path, "int8")


def test_a_home_that_is_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XLNER_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    model = tmp_path / "model"
    model.mkdir()
    for home in ("/dev/null", "/proc/nowhere"):
        monkeypatch.setenv("HOME", home)
        with pytest.raises(
            XlnerError, match=rf"{home}/.cache.*: n.*the variable XLNER_CACHE names"
        ):
            conversion.converted(model, "int8")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)  # a user without an entry
    with pytest.raises(XlnerError, match="no home .*the variable XLNER_CACHE names"):
        conversion.converted(model, "int8")


def test_everything_is_on_the_disk_before_the_manifest_that_vouches_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut, an output with a manifest is whole."""
    events: list[tuple[str, str]] = []
    real_sync, real_replace = os.fsync, Path.replace

    def sync(descriptor: int) -> None:
        events.append(("sync", str(Path(f"/proc/self/fd/{descriptor}").resolve())))
        real_sync(descriptor)

    def replace(path: Path, target: Path) -> Path:
        events.append(("name", str(target)))
        return real_replace(path, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    make_runner(tmp_path).run()
    for unit, file in (("report/all", "total.txt"), ("align/de", "part-00001.parquet")):
        partial = tmp_path / f"toy/{unit}.partial/out"
        content = events.index(("sync", str(partial / file)))
        manifest = events.index(("name", str(partial / "_manifest.json")))
        folder = events.index(("sync", str(partial)), manifest)
        renamed = events.index(("name", str(tmp_path / "toy" / unit)))
        assert content < manifest < folder < renamed
