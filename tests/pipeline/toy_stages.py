"""A three-stage pipeline that needs no model: numbers, doubled, summed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from pipeline import schema
from pipeline.artifacts import Artifact
from pipeline.config import RunConfig, StageConfig
from pipeline.progress import Progress
from pipeline.registry import Registry
from pipeline.stage import Context, Output, Part, Problem, Ref, RowStage, RunStage, Task, Worker


class PrepareConfig(StageConfig):
    rows: int = 25


class AlignConfig(StageConfig):
    neutral = frozenset({"batch_size"})
    deciding = frozenset({"least"})
    offset: int = 0
    batch_size: int = 8
    fail_at: int | None = None
    kill_at: int | None = None
    noted: bool = False
    least: int = 0


class EvaluateConfig(StageConfig):
    fail: bool = False


class Prepare(RunStage):
    name = "prepare"
    version = "1"
    config_type = PrepareConfig
    about = "makes sentences"
    reasons: ClassVar[Mapping[str, str]] = {"empty_sentence": "the sentence has no words"}

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        # A tuple, as stages have them: a manifest reads it back as a list.
        options = {"columns": ("word", "tag")}
        unit = f"train/{config.source}"
        return [Task("prepare", unit, "labelled", options=options, lang=config.source)]

    def run(self, inputs: Mapping[str, Artifact], out: Output, context: Context) -> None:
        rows = self.options(context.config).rows
        out.write_rows(
            schema.Sentence(f"s{i}", "en", [f"w{i}"], [schema.Span(0, 1, "PER")]).to_row()
            for i in range(rows)
        )
        context.drop("empty_sentence", 2)
        context.notes["scheme"] = "iob2"


class AlignWorker:
    def __init__(self, config: AlignConfig, collected: Path) -> None:
        self.config = config
        self.largest = int((collected / "largest").read_text())

    def __call__(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        if self.config.fail_at == part.index:
            raise ValueError(f"part {part.index} is bad")
        if self.config.kill_at == part.index:
            os.kill(os.getpid(), signal.SIGKILL)
        rows = []
        for row in inputs["sentences"].to_pylist():
            part.advance(1)
            number = int(row["id"][1:])
            link = {"source": number, "target": part.seed % 1000, "prob": self.largest}
            rows.append(
                {
                    "id": row["id"],
                    "lang": row["lang"],
                    "source_lang": "en",
                    "links": [link] if number % 5 else [],
                    "aligner": f"offset {self.config.offset}",
                    "reason": None if number % 5 else "unaligned",
                }
            )
        if self.config.noted:
            part.notes["unlinked"] = sum(not r["links"] for r in rows)
        return decided(schema.table("alignments", rows), self.config)


def decided(rows: pa.Table, config: AlignConfig) -> pa.Table:
    """Rows below the least number are dropped."""
    return schema.table(
        "alignments",
        [
            {**r, "reason": "unaligned" if not r["links"] else _reason(r, config)}
            for r in rows.to_pylist()
        ],
    )


def _reason(row: Mapping[str, Any], config: AlignConfig) -> str | None:
    return "low_score" if int(row["id"][1:]) < config.least else None


class Decider:
    def __init__(self, config: AlignConfig) -> None:
        self.config = config

    def __call__(self) -> Worker:
        return self.decide

    def decide(self, inputs: Mapping[str, pa.Table], part: Part) -> pa.Table:
        if part.index == 2 and (pid := os.environ.get("TOY_KILL")) is not None:
            os.kill(int(pid), signal.SIGKILL)
        return decided(inputs["stored"], self.config)


class Factory:
    def __init__(self, config: AlignConfig, collected: Path) -> None:
        self.config, self.collected = config, collected

    def __call__(self) -> Worker:
        return AlignWorker(self.config, self.collected)


class Align(RowStage):
    name = "align"
    version = "1"
    config_type = AlignConfig
    about = "makes links"

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        source = {"sentences": Ref("prepare", f"train/{config.source}")}
        options = {"directions": ("there", "back")}
        return [
            Task("align", lang, "alignments", source, options=options, lang=lang)
            for lang in config.languages
        ]

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> list[Problem]:  # type: ignore[override]
        if self.options(config).offset > 100:  # type: ignore[attr-defined]
            return [Problem("align.offset", "at most 100 is allowed")]
        return []

    def collect(
        self,
        config: RunConfig,
        task: Task,
        inputs: Mapping[str, Artifact],
        folder: Path,
        progress: Progress,
    ) -> None:
        largest = max(int(r["id"][1:]) for r in inputs["sentences"].rows())
        (folder / "largest").write_text(str(largest))

    def remark(self, counts: Mapping[str, int]) -> str | None:
        return f"{counts['unlinked']} without links" if counts else None

    def worker(
        self, config: RunConfig, task: Task, side: Mapping[str, Path]
    ) -> Callable[[], Worker]:
        return Factory(self.options(config), side["collected"])  # type: ignore[arg-type]

    def decider(self, config: RunConfig, task: Task) -> Callable[[], Worker]:
        return Decider(self.options(config))  # type: ignore[arg-type]


class Report(RunStage):
    name = "report"
    version = "1"
    config_type = EvaluateConfig
    about = "counts links"

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        inputs = {lang: Ref("align", lang) for lang in config.languages}
        return [Task("report", "all", "files", inputs)]

    def run(self, inputs: Mapping[str, Artifact], out: Output, context: Context) -> None:
        marks = context.work_dir / "tries"
        tries = int(marks.read_text()) + 1 if marks.exists() else 1
        marks.write_text(str(tries))
        (out.folder / "half").write_text("half")
        if self.options(context.config).fail and tries == 1:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        total = sum(len(r["links"]) for a in inputs.values() for r in a.rows())
        (out.folder / "total.txt").write_text(f"{total} after {tries}")

    def summary(self, config: RunConfig, artifact: Artifact) -> str:
        return (artifact.folder / "total.txt").read_text()


TOYS = Registry({"prepare": Prepare(), "align": Align(), "report": Report()})
