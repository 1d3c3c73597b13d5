"""Runs that are kept in an object store: fsspec's memory, a mounted folder, and S3 (moto)."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.config import parse_config
from pipeline.errors import ConfigError, DamagedError, LockedError, XlnerError
from pipeline.lease import LOCK, Lease
from pipeline.listing import describe_runs
from pipeline.manifest import MANIFEST
from pipeline.mirror import StoredRun
from pipeline.plan import Selection
from pipeline.progress import Progress
from pipeline.stage import Ref
from pipeline.storage import SCRATCH, Store, is_url, mirror_folder, plain_folder, url_of
from stages.inspect.reading import find_run
from tests.pipeline.toy_stages import TOYS
from xlner.api import Runner

PART = "align/de/part-00001.parquet"


@pytest.fixture(params=["memory", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty folder in a store."""
    if request.param == "memory":
        import fsspec

        fsspec.filesystem("memory").rm("/", recursive=True)
        return "memory:///runs"
    return f"s3://{request.getfixturevalue('bucket')}/runs-{tmp_path.name}"


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """Return a bucket of a server on this machine that speaks S3."""
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    fs = pytest.importorskip("s3fs", reason="s3fs is not installed")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        fs.S3FileSystem().mkdir("bucket")
        yield "bucket"
    server.stop()


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the mirrors in a folder that can be deleted: as if on another machine."""
    monkeypatch.setenv(SCRATCH, str(tmp_path / "scratch"))
    return tmp_path / "scratch"


def toy(runs: Path | str, **changes: Any) -> Runner:
    raw: dict[str, Any] = {"name": "toy", "languages": ["de", "es"], "part_rows": 10, **changes}
    quiet = Progress(Console(file=io.StringIO()))
    return Runner(parse_config(raw, model=TOYS.config_type()), Path(runs), quiet, TOYS)


def states(runner: Runner) -> dict[str, str]:
    return {str(s.task.ref): s.state for s in runner.plan(runner.tasks())}


def data(store: Store) -> dict[str, bytes]:
    return {
        k: store.read(k)
        for k in store.find()
        if not k.endswith(MANIFEST) and k not in ("config.json", LOCK)
    }


def plain(folder: Path) -> dict[str, bytes]:
    toy(folder).run()
    return {
        str(p.relative_to(folder / "toy")): p.read_bytes()
        for p in sorted((folder / "toy").rglob("*"))
        if p.is_file() and p.name not in (MANIFEST, "config.json")
    }


def test_a_run_in_a_store_has_the_files_of_one_on_disk(url: str, tmp_path: Path) -> None:
    toy(url).run()
    store = Store(f"{url}/toy")
    assert data(store) == plain(tmp_path / "plain")
    keys = [k for k in store.find() if not k.endswith(".parquet")]
    assert keys == [
        "align/de/_manifest.json",
        "align/es/_manifest.json",
        "config.json",  # and no lock, and nothing of the work in progress
        "prepare/train/en/_manifest.json",
        "report/all/_manifest.json",
        "report/all/half",
        "report/all/total.txt",
    ]


def test_another_machine_fetches_what_it_needs(url: str, scratch: Path, tmp_path: Path) -> None:
    toy(url).run(Selection(last="align"))
    store = Store(f"{url}/toy")
    shutil.rmtree(scratch)
    runner = toy(url)
    assert states(runner) == {
        "prepare/train/en": "up to date",
        "align/de": "up to date",
        "align/es": "up to date",
        "report/all": "run",
    }
    runner.run()
    here = {str(p.relative_to(runner.folder.path)) for p in runner.folder.path.rglob("*.parquet")}
    assert here == {k for k in store.find() if k.startswith("align/") and k.endswith(".parquet")}
    assert data(store) == plain(tmp_path / "plain")


def test_a_second_run_on_another_machine_does_nothing(url: str, scratch: Path) -> None:
    toy(url).run()
    shutil.rmtree(scratch)
    runner = toy(url)
    result = runner.run()
    assert result.done == []
    assert runner.summaries(result.steps) == ["40 after 1"]


def test_finished_parts_are_taken_up_by_another_machine(
    url: str, scratch: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="part 2 is bad"):
        toy(url, align={"fail_at": 2}).run()
    store = Store(f"{url}/toy")
    begun = [k for k in store.find() if k.startswith("align/de.partial/")]
    assert [k.rpartition("/")[2] for k in begun] == [
        f"part-0000{i}.{kind}" for i in (0, 1) for kind in ("json", "parquet")
    ]
    shutil.rmtree(scratch)
    # The option that fails is part of the fingerprint, so pretend that it was never set.
    runner = toy(url)
    mark = next(s.fingerprint for s in runner.plan(runner.tasks()) if s.task.ref.unit == "de")
    for key in begun:
        data_of = store.read(key)
        if key.endswith("1.parquet"):
            data_of = data_of[:-1]  # one is not whole
        store.write(f"align/de.partial/{mark}/{key.rpartition('/')[2]}", data_of)
    runner = toy(url)
    made: list[int] = []
    inner = runner._engine.run

    def watched(factory: Any, jobs: Any, workers: int) -> Any:
        made.extend(j.index for j in jobs)
        return inner(factory, jobs, workers)

    runner._engine.run = watched  # type: ignore[method-assign]
    runner.run(Selection(last="align"))
    assert made == [1, 2, 0, 1, 2]  # of de, then all of es
    assert not [k for k in store.find() if ".partial" in k]
    toy(url).run()
    assert data(store) == plain(tmp_path / "plain")


def test_another_configuration_takes_the_place_of_the_old_output(url: str, scratch: Path) -> None:
    toy(url).run()
    store = Store(f"{url}/toy")
    before = store.read(PART)
    toy(url, align={"offset": 3}, part_rows=20).run()
    assert store.read(PART) != before
    assert "align/de/part-00002.parquet" not in store.find()  # three parts before, two now
    shutil.rmtree(scratch)
    runner = toy(url, align={"offset": 3}, part_rows=20)
    assert set(states(runner).values()) == {"up to date"}


def test_what_was_finished_here_and_not_sent_is_sent(url: str) -> None:
    toy(url).run()
    store = Store(f"{url}/toy")
    whole = {k: store.read(k) for k in store.find()}
    # Killed before the last manifest, or between two files of it.
    store.delete("align/de/_manifest.json", PART, "report/all/_manifest.json")
    # An object that somebody deleted.
    store.delete("align/es/part-00000.parquet")
    assert toy(url).run().done == []
    assert {k: store.read(k) for k in store.find()} == whole


def test_a_damaged_object_is_named_and_made_again(url: str, scratch: Path) -> None:
    toy(url).run()
    store = Store(f"{url}/toy")
    good = store.read(PART)
    store.write(PART, bytes([*good[:-1], good[-1] ^ 1]))
    shutil.rmtree(scratch)
    with pytest.raises(DamagedError, match=rf"{url}/toy/{PART} has another SHA-256"):
        toy(url).run(Selection(first="report", force=True))
    toy(url).run(Selection(repair=True))
    assert store.read(PART) == good


def test_an_object_of_another_size_stops_every_run(url: str, scratch: Path) -> None:
    toy(url).run()
    store = Store(f"{url}/toy")
    good = store.read(PART)
    store.write(PART, good[:100])
    shutil.rmtree(scratch)
    with pytest.raises(DamagedError, match=rf"part-00001.parquet has 100 bytes in {url}/toy"):
        toy(url).run()
    store.delete(PART)
    with pytest.raises(DamagedError, match=rf"part-00001.parquet is missing in {url}/toy"):
        toy(url).run()
    toy(url).run(Selection(repair=True))
    assert store.read(PART) == good


def test_a_damaged_manifest_is_named_and_made_again(url: str, scratch: Path) -> None:
    toy(url).run()
    store = Store(f"{url}/toy")
    key = f"align/de/{MANIFEST}"
    store.write(key, store.read(key).replace(b'"de"', b'"fr"'))
    shutil.rmtree(scratch)
    with pytest.raises(DamagedError, match=rf"{url}/toy/{key}: changed after it was written"):
        toy(url).run()
    toy(url).run(Selection(repair=True))
    assert json.loads(store.read(key))["lang"] == "de"


def test_reading_a_run_brings_it_here(url: str, scratch: Path) -> None:
    toy(url).run()
    shutil.rmtree(scratch)
    for given in (find_run("toy", Path(url)), find_run(f"{url}/toy", Path("artifacts/runs"))):
        found = given.artifact(Ref("align", "de"))
        assert found is not None
        assert sum(1 for _ in found.rows()) == 25
    with pytest.raises(ConfigError, match="no run 'other'"):
        find_run("other", Path(url))


def test_listing_the_runs_of_a_store(url: str) -> None:
    toy(url).run()
    toy(url, name="half").run(Selection(last="prepare"))
    Store(f"{url}/half").write(LOCK, b"{}")
    listed = {d["run"]: d for d in describe_runs(Path(url))}
    assert listed["toy"]["state"] == "complete"
    assert listed["toy"]["folder"] == f"{url}/toy"
    assert listed["toy"]["tasks"] == 4
    assert listed["half"]["state"] == "locked"


def quick(store: Store, mirror: Path) -> Lease:
    return Lease(store, mirror, beat=0.1, patience=1.0)


def test_two_machines_on_one_run(url: str, tmp_path: Path) -> None:
    store = Store(f"{url}/toy")
    told = rf"another run is working on {url}/toy \(.*pid "
    with quick(store, tmp_path / "a").hold(), pytest.raises(LockedError, match=told):
        quick(store, tmp_path / "b")._take()
    assert LOCK not in store.find()


def test_the_lock_of_a_killed_run_is_taken_over(url: str, tmp_path: Path) -> None:
    store = Store(f"{url}/toy")
    dead = quick(store, tmp_path / "a")
    dead._take()  # and it is never renewed
    started = time.monotonic()
    with quick(store, tmp_path / "b").hold():
        assert time.monotonic() - started > 1.0
        # What held it before, should it be alive after all, notices before it puts things in place.
        dead_thread = threading.Thread(target=dead._renew)
        dead_thread.start()
        dead_thread.join(10)
        with pytest.raises(LockedError, match="this run has lost its lock"):
            dead.check()
    # On the same machine and mirror, whose own lock is held, there is nothing to wait for.
    again = quick(store, tmp_path / "a")
    again._take()
    started = time.monotonic()
    with Lease(store, tmp_path / "a", beat=0.1, patience=60.0).hold():
        assert time.monotonic() - started < 10
    assert LOCK not in store.find()


def test_a_run_that_has_lost_its_lock_puts_nothing_in_place(url: str) -> None:
    runner = toy(url)
    inner = runner._engine.run

    def watched(factory: Any, jobs: Any, workers: int) -> Any:
        assert isinstance(runner.folder, StoredRun)
        assert runner.folder.lease is not None
        runner.folder.store.write(LOCK, b'{"token": "other", "owner": "another machine"}')
        runner.folder.lease._beat = 0.0
        runner.folder.lease._renew()  # what its thread does every ten seconds
        yield from inner(factory, jobs, workers)

    runner._engine.run = watched  # type: ignore[method-assign]
    with pytest.raises(LockedError, match=r"has lost its lock \(another machine\)"):
        runner.run()
    store = Store(f"{url}/toy")
    assert f"align/de/{MANIFEST}" not in store.find()
    assert json.loads(store.read(LOCK))["token"] == "other"  # the lock of the other one stays


KILLED = """
import sys
from tests.pipeline.test_storage import toy
if __name__ == "__main__":
    toy(sys.argv[1], prepare={"rows": 400}).run()
"""


def test_killed_runs_are_finished_by_other_machines(tmp_path: Path, scratch: Path) -> None:
    """At two moments; every time the next process has an empty disk."""
    url = f"local://{tmp_path}/store/runs"
    store = Store(f"{url}/toy")
    for number in range(2):
        child = subprocess.Popen([sys.executable, "-c", KILLED, url])
        enough = 20 + 70 * number
        deadline = time.monotonic() + 60
        while len(store.find()) < enough and child.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        child.send_signal(signal.SIGKILL)
        child.wait()
        shutil.rmtree(scratch)
        store.delete(LOCK)  # rather than wait for a minute
    assert not [k for k in store.find() if k.startswith("report/")]
    runner = toy(url, prepare={"rows": 400})
    assert "resume" in states_when_locked(runner)
    runner.run()
    toy(tmp_path / "plain", prepare={"rows": 400}).run()
    wanted = {
        str(p.relative_to(tmp_path / "plain/toy")): p.read_bytes()
        for p in (tmp_path / "plain/toy").rglob("*.parquet")
    }
    assert {k: v for k, v in data(store).items() if k.endswith(".parquet")} == wanted
    assert not [k for k in store.find() if ".partial" in k]


def states_when_locked(runner: Runner) -> set[str]:
    with runner.folder.lock():
        return set(states(runner).values())


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("s3://bucket/runs", "s3://bucket/runs"),
        ("s3:/bucket/runs/", "s3://bucket/runs"),  # what pathlib makes of it
        ("local:///mnt/x", "local:///mnt/x"),
        ("memory://x", "memory:///x"),
    ],
)
def test_urls_survive_being_paths(given: str, url: str) -> None:
    assert is_url(Path(given))
    assert url_of(Path(given)) == url
    assert mirror_folder(url_of(given)) == mirror_folder(url)


def test_paths_are_no_urls() -> None:
    assert not is_url("artifacts/runs")
    assert not is_url("/a/b:c")
    assert not is_url(Path("file:///a/b"))
    assert plain_folder(Path("file:///a/b")) == Path("/a/b")
    with pytest.raises(ConfigError, match="give a bucket"):
        url_of("s3://")


def test_unknown_stores_and_missing_libraries_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="nowhere://x/runs: Protocol not known: nowhere"):
        Store("nowhere://x/runs")
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(ConfigError, match=r"gs://x/runs: .*gcsfs"):
        Store("gs://x/runs")


def test_what_a_store_says_is_told_with_the_key(bucket: str) -> None:
    with pytest.raises(XlnerError, match="s3://no-such-bucket/runs/toy/a could not be written"):
        Store("s3://no-such-bucket/runs/toy").write("a", b"")


def test_a_store_that_fails_in_a_run_is_told_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"local://{tmp_path}/store/runs"
    sound = Store.upload

    def failing(self: Store, path: Path, key: str) -> None:
        if key.endswith("part-00001.parquet"):
            with self._written(key):
                raise TimeoutError("the network is gone")
        sound(self, path, key)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "upload", failing)
        with pytest.raises(XlnerError, match="part-00001.parquet: the store says: the network is"):
            toy(url).run()
    toy(url).run()
    assert data(Store(f"{url}/toy")) == plain(tmp_path / "plain")


def test_a_run_without_a_store_asks_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Store, url: str) -> None:
        raise AssertionError(url)

    monkeypatch.setattr(Store, "__init__", refuse)
    toy(tmp_path).run()
    assert not isinstance(toy(f"file://{tmp_path}").folder, StoredRun)
    assert set(states(toy(f"file://{tmp_path}")).values()) == {"up to date"}
    assert not (Path(os.environ[SCRATCH])).exists()
