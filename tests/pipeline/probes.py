"""A pipeline of independent tasks that say where they ran, wait for each other, fail or die."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pipeline.artifacts import Artifact
from pipeline.config import RunConfig, StageConfig
from pipeline.registry import Registry
from pipeline.stage import Context, Output, Ref, RunStage, Task

WAIT = 20.0


class ProbeConfig(StageConfig):
    marks: str = ""
    kind: Literal["files", "model"] = "files"
    does: dict[str, str] = Field(default_factory=dict)


class CollectConfig(StageConfig):
    pass


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + WAIT
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} has not come")
        time.sleep(0.01)


class Probe(RunStage):
    """Does what the name of its task is mapped to."""

    name = "probe"
    version = "1"
    config_type = ProbeConfig
    about = "says where it ran"

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        options: Any = self.options(config)
        return [Task("probe", n, options.kind, options={"name": n}) for n in options.does]

    def run(self, inputs: Mapping[str, Artifact], out: Output, context: Context) -> None:
        options = self.options(context.config)
        marks, name = Path(options.marks), context.task.unit  # type: ignore[attr-defined]
        what, _, rest = options.does[name].partition(" ")  # type: ignore[attr-defined]
        tries = len(list(marks.glob(f"{name}.*")))
        (marks / f"{name}.{tries}").write_text(str(os.getpid()))
        (out.folder / "unfinished").touch()
        with context.progress.task(f"probe {name}", total=3) as bar:
            bar.advance(3)
            if what == "meet":  # another task that must be under way at the same time
                wait_for(marks / f"{rest}.0")
            elif what == "fail":
                wait_for(marks / f"{rest}.0")
                raise ValueError(f"{name} is bad")
            elif what == "die" and tries < int(rest):
                (out.folder / f".half.{os.getpid()}.tmp").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            elif what == "hang":  # as a native library that does not come back
                (out.folder / f".half.{os.getpid()}.tmp").touch()
                signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
                time.sleep(float(rest))
            elif what == "sleep":
                time.sleep(float(rest))
            elif what == "warn":
                logging.getLogger("stages.probe").warning("%s warns", name)
        seen = {k: os.environ.get(k) for k in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")}
        seen["pid"] = str(os.getpid())
        (out.folder / "unfinished").unlink()
        (out.folder / "seen.json").write_text(json.dumps(seen))


class Collect(RunStage):
    """Reads all of them."""

    name = "collect"
    version = "1"
    config_type = CollectConfig
    about = "reads what the probes wrote"

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        probes = PROBES["probe"].tasks(config)
        return [Task("collect", "all", "files", {t.unit: Ref("probe", t.unit) for t in probes})]

    def run(self, inputs: Mapping[str, Artifact], out: Output, context: Context) -> None:
        seen = {k: json.loads((a.folder / "seen.json").read_text()) for k, a in inputs.items()}
        (out.folder / "all.json").write_text(json.dumps(seen))


PROBES = Registry({"probe": Probe(), "collect": Collect()})
