"""What run_pipeline says at the end."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from pipeline.artifacts import RunFolder
from pipeline.plan import Step
from xlner.commands.run import show_result


@pytest.mark.parametrize("stages", [("report",), ("project", "report")])
def test_labels_are_only_shown_where_something_was_projected(
    stages: tuple[str, ...], tmp_path: Path
) -> None:
    page = tmp_path / "report" / "all" / "report.html"
    page.parent.mkdir(parents=True)
    page.write_text("", encoding="utf-8")
    steps = [
        Step(cast(Any, SimpleNamespace(stage=name, ref=f"{name}/all")), "", {}, "run", "")
        for name in stages
    ]
    folder = SimpleNamespace(path=RunFolder(tmp_path).path, artifact=lambda ref: None)
    runner: Any = SimpleNamespace(summaries=lambda found: [], folder=folder)
    console = Console(file=StringIO(), width=200)
    show_result(runner, cast(Any, SimpleNamespace(steps=steps, done=[])), console)
    shown = cast(StringIO, console.file).getvalue()
    assert str(page) in shown
    assert ("inspect_labels" in shown) == ("project" in stages)
