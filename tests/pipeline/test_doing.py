"""A step is done by a function of configuration, step and folder, in whatever process."""

from __future__ import annotations

import io
import multiprocessing
from pathlib import Path
from typing import Any

from rich.console import Console

from pipeline.artifacts import RunFolder
from pipeline.config import parse_config
from pipeline.doing import Doer, engine_of
from pipeline.plan import Step
from pipeline.progress import Progress
from tests.pipeline.test_runner import make_runner, part_bytes
from tests.pipeline.toy_stages import TOYS


def _do(raw: dict[str, Any], step: Step, folder: Path) -> None:
    config = parse_config(raw, model=TOYS.config_type())
    progress = Progress(Console(file=io.StringIO()))
    Doer(TOYS, RunFolder(folder), engine_of(config), progress).do(config, step)


def test_steps_that_other_processes_do_come_out_as_in_one_run(tmp_path: Path) -> None:
    runner = make_runner(tmp_path)
    steps = runner.plan(runner.tasks())
    raw = runner.config.model_dump(mode="json")
    spawn = multiprocessing.get_context("spawn")

    def side_by_side(*names: str) -> None:
        mine = [s for s in steps if str(s.task.ref) in names]
        assert len(mine) == len(names)
        started = [spawn.Process(target=_do, args=(raw, s, runner.folder.path)) for s in mine]
        for process in started:
            process.start()
        for process in started:
            process.join()
        assert [p.exitcode for p in started] == [0] * len(started)

    side_by_side("prepare/train/en")
    side_by_side("align/de", "align/es")  # both are ready at the same time
    side_by_side("report/all")
    assert make_runner(tmp_path).run().done == []
    make_runner(tmp_path / "clean").run()
    assert part_bytes(tmp_path) == part_bytes(tmp_path / "clean")
    totals = [(p / "toy/report/all/total.txt").read_text() for p in (tmp_path, tmp_path / "clean")]
    assert totals[0] == totals[1]
