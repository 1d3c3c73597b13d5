"""Toy stages ``translate`` and ``align``: a translation turns the words round, links say so."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from rich.console import Console

from pipeline.artifacts import Artifact
from pipeline.config import RunConfig, StageConfig, parse_config
from pipeline.progress import Progress
from pipeline.registry import Registry
from pipeline.stage import Context, Output, RunStage, Stage, Task
from stages.evaluate import STAGE as EVALUATE
from stages.experiment import Experiment
from stages.external import STAGE as EXTERNAL
from stages.predict import STAGE as PREDICT
from stages.prepare import STAGE as PREPARE
from stages.project import STAGE as PROJECT
from stages.report import STAGE as REPORT
from stages.self_train import STAGE as SELF_TRAIN
from stages.synthesize import STAGE as SYNTHESIZE
from stages.train import STAGE as TRAIN
from stages.translate import STAGE as TRANSLATE
from stages.translate.config import TranslateConfig
from tests.stages.train import toys
from xlner.api import Runner


def failed(number: int) -> str | None:
    """Return why row ``number`` has no translation (``empty_translation``) or no links."""
    return {3: "empty_translation", 5: "unaligned"}.get(number)


class _Translate(RunStage):
    name = "translate"
    version = "1"
    config_type = TranslateConfig
    about = "a toy"
    reasons: ClassVar[Mapping[str, str]] = TRANSLATE.reasons

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        return TRANSLATE.tasks(config)

    def run(self, inputs: Mapping[str, Artifact], out: Output, context: Context) -> None:
        task = context.task
        rows = []
        for number, row in enumerate(inputs["source"].rows()):
            reason = failed(number) if failed(number) != "unaligned" else None
            rows.append(
                {
                    "id": row["id"],
                    "lang": task.lang,
                    "source_id": row["id"],
                    "source_lang": row["lang"],
                    "source_words": row["words"],
                    "source_spans": [] if "to_source" in task.unit else row["spans"],
                    "text": "",
                    "words": [] if reason else row["words"][::-1],
                    "score": None,
                    "rank": 0,
                    "marked": None,
                    "reason": reason,
                }
            )
        out.write_rows(rows)


class _Align(RunStage):
    name = "align"
    version = "1"
    config_type = StageConfig
    about = "a toy"
    reasons: ClassVar[Mapping[str, str]] = {"unaligned": "no link"}

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        return [
            Task("align", t.unit, "alignments", {"translations": t.ref}, {}, t.lang)
            for t in TRANSLATE.tasks(config)
        ]

    def run(self, inputs: Mapping[str, Artifact], out: Output, context: Context) -> None:
        rows = []
        for number, row in enumerate(inputs["translations"].rows()):
            last = len(row["words"]) - 1
            links = [
                {"source": i, "target": last - i, "prob": 1.0}
                for i in range(len(row["words"]))
                if failed(number) is None
            ]
            rows.append(
                {
                    "id": row["id"],
                    "lang": row["lang"],
                    "source_lang": row["source_lang"],
                    "links": links,
                    "aligner": "toy",
                    "reason": None if links else (row["reason"] or "unaligned"),
                }
            )
        out.write_rows(rows)


_STAGES: dict[str, Stage] = {
    "prepare": PREPARE,
    "external": EXTERNAL,
    "translate": _Translate(),
    "align": _Align(),
    "project": PROJECT,
    "synthesize": SYNTHESIZE,
    "train": TRAIN,
    "self_train": SELF_TRAIN,
    "predict": PREDICT,
    "evaluate": EVALUATE,
    "report": REPORT,
}
REGISTRY = Registry(_STAGES, lambda: Experiment)


def make_runner(folder: Path, encoder: Path, **changes: Any) -> Runner:
    """Return a silent runner over the toy corpus (see ``tests.stages.train.toys``)."""
    plain = toys.make_config(folder, encoder, **{k: changes.pop(k) for k in ("arms",)})
    raw = plain.model_dump(mode="json", exclude_defaults=True)
    raw["project"] = {"method": "span"}
    raw["evaluate"] = {"resamples": 100, "rounds": 100}
    for key, value in changes.items():
        raw[key] = {**raw.get(key, {}), **value} if isinstance(value, dict) else value
    config = parse_config(raw, model=REGISTRY.config_type())
    quiet = Progress(Console(file=io.StringIO()))
    return Runner(config, folder / "runs", quiet, REGISTRY)
