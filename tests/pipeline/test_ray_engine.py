"""The Ray engine: the local engine's bytes, from a cluster of two nodes on this machine."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.config import RayConfig, RunConfig, parse_config
from pipeline.engine.cluster import Cluster, cpus_per_worker
from pipeline.engine.ray import same_versions, wait_until_visible
from pipeline.errors import DataError, XlnerError
from pipeline.plan import Selection
from pipeline.registry import Registry
from pipeline.stage import Part, Task, Worker
from tests.pipeline.toy_stages import TOYS, Align, Prepare, Report
from tests.test_end_to_end import write_tiny_config
from tests.tiny.encoders import build_family
from tests.tiny.translators import build_marian
from xlner.api import Runner, load_config

pytestmark = pytest.mark.slow
ROWS = 60  # of the toy stages, in parts of 10
ROW_STAGES = ("translate", "align", "project")


@dataclass(frozen=True)
class Watched:
    """Builds a worker that notes where it is, and may fail in a way of its own."""

    factory: Callable[[], Worker]
    place: Path
    kill_once: int | None = None
    wrong_row: int | None = None
    broken: bool = False
    alone: bool = False

    def __call__(self) -> Worker:
        import ray

        if self.broken:
            raise DataError("dictionary.txt:7: not a word")
        node = ray.get_runtime_context().get_node_id()
        (self.place / f"loaded.{node}.{os.getpid()}").touch()
        return WatchedWorker(self, self.factory(), node)


class WatchedWorker:
    def __init__(self, made_by: Watched, worker: Worker, node: str) -> None:
        self.made_by, self.worker, self.node = made_by, worker, node

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        made_by = self.made_by
        (made_by.place / f"made.{self.node}.{part.index}").touch()
        made = self.worker(inputs, part)
        if part.index == made_by.kill_once and not (made_by.place / "killed").exists():
            (made_by.place / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if part.index == made_by.wrong_row:
            raise DataError("s23: the row is wrong")
        # The other worker shall have something to do as well, however slowly it starts.
        deadline = time.monotonic() + (0 if made_by.alone else 30)
        while len(list(made_by.place.glob("loaded.*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        return made


class WatchedAlign(Align):
    def __init__(self, place: Path, **how: Any) -> None:
        self.place, self.how = place, how
        place.mkdir(exist_ok=True)

    def worker(
        self, config: RunConfig, task: Task, side: Mapping[str, Path]
    ) -> Callable[[], Worker]:
        return Watched(super().worker(config, task, side), self.place, **self.how)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Two nodes of one processor each."""
    pytest.importorskip("ray", reason="Ray is not installed")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.cluster_utils import Cluster

    size = {"num_cpus": 1, "object_store_memory": 80 * 1024**2}
    made = Cluster(initialize_head=True, head_node_args={**size, "include_dashboard": False})
    made.add_node(**size)
    yield made.address
    ray.shutdown()  # the last test may have left its connection
    made.shutdown()


@pytest.fixture
def apart(cluster: str) -> str:
    """The address of the cluster, to which this program has no connection yet."""
    import ray

    ray.shutdown()
    return cluster


@pytest.fixture
def connected(cluster: str) -> None:
    """A connection that the engine finds: quicker than one for each test."""
    import ray

    if not ray.is_initialized():
        ray.init(address=cluster, log_to_driver=False, logging_level="error")


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the local engine makes of the toy stages."""
    folder = tmp_path_factory.mktemp("local")
    toy(folder, engine="local").run()
    return part_bytes(folder)


def toy(folder: Path, registry: Registry = TOYS, **changes: Any) -> Runner:
    raw = {
        "name": "toy",
        "languages": ["de"],
        "part_rows": 10,
        "prepare": {"rows": ROWS},
        "engine": "ray",
        "workers": 2,
        **changes,
    }
    return Runner(parse_config(raw, model=registry.config_type()), folder, registry=registry)


def watched(place: Path, **how: Any) -> Registry:
    stages = {"prepare": Prepare(), "align": WatchedAlign(place, **how), "report": Report()}
    return Registry(stages)


def part_bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.parquet")}


def test_two_nodes_share_the_parts_and_give_the_bytes_of_the_local_engine(
    apart: str, tmp_path: Path, wanted: dict[str, bytes]
) -> None:
    place = tmp_path / "seen"
    toy(tmp_path / "ray", watched(place), ray={"address": apart}).run()
    assert part_bytes(tmp_path / "ray") == wanted
    assert len([n for n in wanted if n.startswith("toy/align/")]) == 6
    # The model is loaded once per worker; both nodes had parts; each part was made once.
    assert len(list(place.glob("loaded.*"))) == 2
    made = [p.name.split(".")[1:] for p in place.glob("made.*")]
    assert len({node for node, _ in made}) == 2
    assert sorted(index for _, index in made) == [str(i) for i in range(6)]


def test_a_worker_killed_in_the_middle_does_not_change_the_result(
    apart: str, tmp_path: Path, wanted: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", apart)  # the other way to name it
    place = tmp_path / "seen"
    toy(tmp_path / "ray", watched(place, kill_once=2)).run()
    assert (place / "killed").exists()
    assert part_bytes(tmp_path / "ray") == wanted


def test_a_part_that_kills_every_worker_is_named_and_the_rest_kept(
    connected: None, tmp_path: Path, wanted: dict[str, bytes]
) -> None:
    with pytest.raises(XlnerError, match=r"3 Ray workers, .* were lost on .*part-00004.parquet"):
        toy(tmp_path, workers=1, align={"kill_at": 4}).run()
    partial = tmp_path / "toy/align/de.partial/out"
    kept = {p.name: p.read_bytes() for p in sorted(partial.iterdir())}
    assert list(kept) == [f"part-0000{i}.parquet" for i in range(4)]
    assert all(wanted[f"toy/align/de/{name}"] == data for name, data in kept.items())
    # The next run goes on from there, with either engine.
    toy(tmp_path, engine="local").run()
    assert part_bytes(tmp_path) == wanted


@pytest.mark.parametrize(
    ("how", "message"),
    [({"wrong_row": 2}, "s23: the row is wrong"), ({"broken": True}, "dictionary.txt:7")],
)
def test_the_error_of_a_worker_comes_as_it_is(
    connected: None, tmp_path: Path, how: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        toy(tmp_path, watched(tmp_path / "seen", alone=True, **how), workers=1).run()
    assert type(caught.value) is DataError
    assert "in __call__" in "".join(caught.value.__notes__)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cpus_per_worker": 3}, "needs 3 CPU; the nodes have: 1 CPU, 0 GPU; 1 CPU, 0 GPU"),
        ({"gpus_per_worker": 0.5}, "needs 0.9 CPU and 0.5 GPU; the nodes have: 1 CPU, 0 GPU"),
    ],
)
def test_a_worker_that_no_node_can_take_is_an_error_and_no_endless_wait(
    connected: None, tmp_path: Path, options: dict[str, float], message: str
) -> None:
    started = time.monotonic()
    with pytest.raises(XlnerError, match=message):
        toy(tmp_path, ray={"wait_seconds": 1, **options}).run()
    assert time.monotonic() - started < 15


def test_translate_align_and_project_give_the_bytes_of_the_local_engine(
    connected: None, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    build_marian(models / "translator", tags=(">>de<<", ">>es<<"), pair=None)
    build_family("bert", models).rename(models / "encoder")
    path = write_tiny_config(tmp_path, models)
    made = {}
    for engine in ("local", "ray"):
        settings = [
            "languages=[de]",
            "arms=[projected]",
            "data.train.limit=40",
            f"engine={engine}",
        ]
        runner = Runner(load_config(str(path), settings), tmp_path / engine)
        runner.run(Selection(last="project"))
        made[engine] = part_bytes(tmp_path / engine)
    for stage in ROW_STAGES:
        assert len([n for n in made["local"] if f"/{stage}/" in n]) == 3
    assert made["ray"] == made["local"]


@pytest.mark.parametrize("listening", [False, True])
def test_a_cluster_that_does_not_answer_is_named_in_time(
    apart: str, tmp_path: Path, listening: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        if not listening:
            other.close()
        started = time.monotonic()
        message = rf"the Ray cluster at {address} \(ray.address\) cannot be used: "
        with pytest.raises(XlnerError, match=message):
            toy(tmp_path, ray={"address": address, "wait_seconds": 2}).run()
        assert time.monotonic() - started < 20


def test_ray_client_addresses_are_refused(apart: str, tmp_path: Path) -> None:
    with pytest.raises(XlnerError, match=r"Ray Client \(ray://\) is not supported"):
        toy(tmp_path, ray={"address": "ray://127.0.0.1:10001"}).run()


def test_without_ray_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(XlnerError, match=r'pip install "xlner\[ray\]"'):
        toy(tmp_path).run()


def test_two_workers_on_two_processors_finish(
    apart: str, tmp_path: Path, wanted: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a cluster that is started for the run and ends with it."""
    import ray

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    stop = signal.getsignal(signal.SIGTERM)
    place = tmp_path / "seen"
    toy(tmp_path / "ray", watched(place)).run()
    assert len(list(place.glob("loaded.*"))) == 2
    assert part_bytes(tmp_path / "ray") == wanted
    assert not ray.is_initialized()
    assert signal.getsignal(signal.SIGTERM) is stop


@pytest.mark.parametrize(
    ("nodes", "workers", "share"),
    [
        ([2], 1, 1.0),
        ([2], 2, 0.9),
        ([16], 8, 1.0),
        ([16], 16, 0.9),
        ([1, 1], 2, 0.9),
        ([4], 6, 0.6),
    ],
)
def test_workers_never_reserve_all_processors(
    nodes: list[float], workers: int, share: float
) -> None:
    assert cpus_per_worker(nodes, workers) == share
    assert share * workers < sum(nodes)


def test_what_finds_a_place_is_told_alike_for_workers_and_trainings(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    options = RayConfig(cpus_per_worker=3, cpus_per_training=2, gpus_per_training=0.5)
    made = object.__new__(Cluster)  # connected to nothing: what there is comes from below
    made._options, made._address = options, "local"
    nodes = [{"CPU": 4.0, "GPU": 1.0}, {"CPU": 2.0}]
    monkeypatch.setattr("pipeline.engine.cluster._nodes", lambda: nodes)
    made.fit(2)
    assert made.share()["num_cpus"] == 3
    assert "ray.gpus_per_worker is 0: none is used" in caplog.text
    assert "1 of the 2 workers find a place on the Ray cluster (3 CPU each)" in caplog.text
    assert made.trainings() == 2
    share = made.training_share(4)
    assert (share["num_cpus"], share["num_gpus"]) == (2, 0.5)
    assert share["runtime_env"]["env_vars"]["OMP_NUM_THREADS"] == "4"
    nodes[0]["CPU"], nodes[1]["CPU"] = 1.0, 1.0
    told = "take a {}, which needs {}; the nodes have: 1 CPU, 1 GPU; 1 CPU, 0 GPU. Lower ray.cpus_"
    for what, needs, ask in (
        ("worker", "3 CPU", lambda: made.fit(1)),
        ("training", "2 CPU and 0.5 GPU", made.trainings),
    ):
        with pytest.raises(XlnerError) as error:
            ask()
        assert f"{told.format(what, needs)}per_{what} or ray.gpus_per_{what}" in str(error.value)


def test_a_node_with_other_libraries_is_refused() -> None:
    with pytest.raises(XlnerError, match="torch 0.4 instead of 2.13"):
        same_versions({"torch": "2.13"}, {"torch": "0.4"})


def test_a_part_that_was_written_elsewhere_is_missed(tmp_path: Path) -> None:
    with pytest.raises(XlnerError, match="node far wrote .*all nodes share"):
        wait_until_visible(tmp_path / "part-00000.parquet", "far", patience=0.2)


def test_the_options_never_enter_a_result() -> None:
    assert RayConfig().address is None
    plain = toy(Path("unused"), engine="local")
    other = toy(Path("unused"), ray={"address": "head:6379", "gpus_per_worker": 0.5})
    marks = [[s.fingerprint for s in runner.plan(runner.tasks())][:1] for runner in (plain, other)]
    assert marks[0] == marks[1]
