"""Runs evaluate and report on a run folder as the runner would, on their own."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from pipeline.artifacts import Artifact, RunFolder
from pipeline.config import RunConfig, config_model, parse_config
from pipeline.inputs import Inputs
from pipeline.output import Output
from pipeline.progress import Progress
from pipeline.stage import Context, Ref, RunStage, Task
from stages.experiment import Experiment
from stages.registry import STAGES
from tests.stages.inspect.fake_run import write_manifest


def make_config(**values: Any) -> RunConfig:
    """Return a configuration with the sections of evaluate and report only."""
    from stages.evaluate.config import EvaluateConfig
    from stages.report.config import ReportConfig

    sections = {"evaluate": EvaluateConfig, "report": ReportConfig}
    raw = {
        "name": "fake",
        "languages": ["de", "sw"],
        "seeds": [13, 14],
        "arms": ["zero_shot", "fused", "projected", "self_trained"],
        "data": {"train": {"path": "train.txt"}, "test": {"path": "{lang}.txt"}},
        "evaluate": {"resamples": 200, "rounds": 500},
    }
    return parse_config(raw | values, model=config_model(sections, Experiment))


def run_stage(stage: RunStage, config: RunConfig, run: Path) -> Artifact:
    """Run the one task of ``stage`` on the artifacts in ``run``."""
    (task,) = stage.tasks(config)
    folder = RunFolder(run)
    inputs = {name: _need(folder, ref) for name, ref in task.inputs.items()}
    context = make_context(config, task, run)
    out = folder.folder(task.ref)
    out.mkdir(parents=True)
    (run / "config.json").write_text(json.dumps(config.model_dump(mode="json")))
    stage.run(Inputs(inputs), Output(out, task.kind, config.part_rows), context)
    write_manifest(out, task.ref, "files", notes=context.notes, counts=context.counts)
    return Artifact(out)


def make_context(config: RunConfig, task: Task, run: Path) -> Context:
    progress = Progress(Console(file=io.StringIO()))
    return Context(
        config=config,
        task=task,
        seed=5,
        work_dir=run,
        progress=progress,
        shared_dir=run / ".shared",
        reasons=STAGES.reasons,
    )


def _need(folder: RunFolder, ref: Ref) -> Artifact:
    found = folder.artifact(ref)
    assert found is not None, f"the fake run lacks {ref}"
    return found


def evaluated(run: Path, **values: Any) -> Artifact:
    """Run evaluate."""
    from stages.evaluate import STAGE

    return run_stage(STAGE, make_config(**values), run)
