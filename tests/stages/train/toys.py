"""Toy stages ``project`` and ``synthesize``, and a registry of them and the stages under test."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from pipeline.artifacts import Artifact
from pipeline.config import RunConfig, StageConfig, parse_config
from pipeline.formats import write_conll
from pipeline.progress import Progress
from pipeline.registry import Registry
from pipeline.schema import PROJECTED, SYNTHETIC, Sentence
from pipeline.stage import Context, Output, RunStage, Stage, Task
from stages.experiment import Experiment
from stages.external import STAGE as EXTERNAL
from stages.predict import STAGE as PREDICT
from stages.prepare import STAGE as PREPARE
from stages.self_train import STAGE as SELF_TRAIN
from stages.train import STAGE as TRAIN
from tests.tiny.text import toy_rows
from xlner.api import Runner


class _Toy(RunStage):
    version = "1"
    config_type = StageConfig
    about = "a toy"

    def __init__(self, name: str, kind: Any) -> None:
        self.name = name  # type: ignore[misc]
        self._kind = kind

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        return [Task(self.name, lang, self._kind, lang=lang) for lang in config.languages]

    def run(self, inputs: Mapping[str, Artifact], out: Output, context: Context) -> None:
        lang = str(context.task.lang)
        empty: dict[str, Any] = {
            f.name: None for f in (PROJECTED if self._kind == "projected" else SYNTHETIC)
        }
        rows = []
        for number, (words, spans) in enumerate(toy_rows(40)):
            row = {**empty, "id": f"{self.name}-{number}", "lang": lang, "words": words}
            row |= {
                "kept": number % 5 != 4,
                "reason": "wrong_language" if number % 5 == 4 else None,
            }
            if self._kind == "projected":
                row |= {
                    "spans": [
                        {
                            "start": s.start,
                            "end": s.end,
                            "type": s.type,
                            "score": 0.5 + 0.4 * (number % 2),
                            "method": "toy",
                            "source": 0,
                            "kept": s.type == "PER" or number % 3 != 0,
                            "reason": None,
                        }
                        for s in spans
                    ],
                    "lost": [],
                    "source_words": words,
                    "source_spans": [],
                }
            else:
                row |= {"spans": [], "scores": [], "maker": "toy", "source_id": "s"}
            rows.append(row)
        out.write_rows(rows)


class _Predict(type(PREDICT)):  # type: ignore[misc]
    """Predictions are what these runs are for: the toy registry has no report that reads them."""

    goal = True


_STAGES: dict[str, Stage] = {
    "prepare": PREPARE,
    "external": EXTERNAL,
    "project": _Toy("project", "projected"),
    "synthesize": _Toy("synthesize", "synthetic"),
    "train": TRAIN,
    "self_train": SELF_TRAIN,
    "predict": _Predict(),
}
REGISTRY = Registry(_STAGES, lambda: Experiment)


def write_corpus(folder: Path) -> None:
    """Write toy source data and test sets for ``de`` and ``sw``."""
    for name, rows in {
        "train": toy_rows(60),
        "dev": toy_rows(20),
        "test.de": toy_rows(23),
        "test.sw": toy_rows(12),
    }.items():
        sentences = [Sentence(f"{name}-{i}", "en", w, s) for i, (w, s) in enumerate(rows)]
        write_conll(sentences, folder / f"{name}.conll")


def make_config(folder: Path, encoder: Path, **changes: Any) -> RunConfig:
    """Return a configuration over the toy corpus."""
    raw: dict[str, Any] = {
        "name": "toy",
        "languages": ["de", "sw"],
        "arms": ["zero_shot"],
        "part_rows": 10,
        "models": {"encoder": str(encoder)},
        "data": {
            "train": {"path": str(folder / "train.conll")},
            "dev": {"path": str(folder / "dev.conll")},
            "test": {"path": str(folder / "test.{lang}.conll")},
        },
        "train": {
            "learning_rate": 3e-3,
            "layer_decay": 1.0,
            "max_steps": 24,
            "batch_size": 16,
            "evaluations": 2,
            "fusion_layer": 1,
        },
    }
    for key, value in changes.items():
        raw[key] = {**raw[key], **value} if isinstance(raw.get(key), dict) else value
    return parse_config(raw, model=REGISTRY.config_type())


def make_runner(folder: Path, encoder: Path, **changes: Any) -> Runner:
    """Return a silent runner whose runs are in ``folder/runs``."""
    quiet = Progress(Console(file=io.StringIO()))
    return Runner(make_config(folder, encoder, **changes), folder / "runs", quiet, REGISTRY)
