"""Shows what a run found: tables, the answer in words, and one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.artifacts import Artifact
from pipeline.config import RunConfig
from pipeline.inputs import Inputs
from pipeline.stage import Context, Output, Ref, RunStage, Task
from stages.evaluate.inputs import evaluation_inputs
from stages.experiment import experiment
from stages.report.config import ReportConfig

if TYPE_CHECKING:
    from rich.console import RenderableType


_SHOWN = ("seed", "source", "languages", "seeds", "arms", "data", "labels", "models")


class ReportStage(RunStage[ReportConfig]):
    """See the module."""

    name = "report"
    goal = True
    version = "6"
    about = "write the comparison as tables, and report.html to look at what was projected"

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        """Return the one task, if there is something to report on."""
        scored = evaluation_inputs(config)
        if not scored:
            return []
        inputs = {"evaluate": Ref("evaluate", "all")}
        known = experiment(config)
        synthetic = any("synthetic" in known.recipes[arm].data for arm in known.with_teachers())
        for lang, projected in scored.by_lang("projected").items():
            for stage in ("translate", "align", "project", *(["synthesize"] if synthetic else [])):
                ref = projected if stage == "project" else Ref(stage, lang)
                inputs[f"{stage}/{lang}"] = ref
        for lang, ref in scored.by_lang("parallel").items():
            inputs[f"parallel/{lang}"] = ref  # perhaps with gold labels, to tell which are wrong
        if (train := scored.maybe("train")) is not None:
            inputs["train"] = train
        # What the page shows of the configuration is all of it, so that any change makes it again.
        uses = (*_SHOWN, "sweep") if known.sweep else _SHOWN
        return [Task("report", "all", "files", inputs, uses=uses)]

    def run(self, inputs: Inputs[Artifact], out: Output, context: Context) -> None:
        """Write the report."""
        from stages.report.writing import write_report

        write_report(inputs, out.folder, context)

    def summary(self, config: RunConfig, artifact: Artifact) -> RenderableType | None:
        """Return the results table and the answer, for the end of a run."""
        from stages.evaluate.results import load_results
        from stages.report.tables import shown

        return shown(load_results(artifact.folder))


STAGE = ReportStage()
