"""A run of all stages on a few sentences of the sample, with models that are built in a second."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pipeline.artifacts import RunFolder
from pipeline.resources import shipped_root
from tests.tiny.encoders import build_family
from tests.tiny.translators import build_marian

STAGES = (
    "prepare",
    "translate",
    "align",
    "project",
    "synthesize",
    "train",
    "self_train",
    "predict",
    "evaluate",
    "report",
)
TELLS_TIMES = "report/all/report.html"
"""The one file that says when the run was made, and how long it took."""


def build_models(folder: Path) -> Path:
    build_marian(folder / "translator", tags=(">>de<<", ">>es<<"), pair=None)
    build_family("bert", folder).rename(folder / "encoder")
    return folder


def write_config(path: Path, models: Path, **changes: Any) -> Path:
    sample = shipped_root() / "artifacts" / "sample"
    keys: dict[str, Any] = {
        "languages": ["de"],
        "data": {
            "train": {"path": f"{sample}/en/train.conll", "limit": 24},
            "dev": {"path": f"{sample}/en/dev.conll", "limit": 8},
            "test": {"path": f"{sample}/{{lang}}/test.conll", "limit": 12},
        },
        "models": {"encoder": str(models / "encoder"), "translator": str(models / "translator")},
        # Random encoders align badly; every projected sentence is wanted here.
        "align": {"aligner": "simalign", "layer": 1},
        "synthesize": {"sentences": 24, "gate": {"language": None}},
        # A rate at which three updates of a random encoder leave some entities predicted.
        "train": {
            "max_steps": 3,
            "batch_size": 8,
            "evaluations": 3,
            "learning_rate": 5e-5,
            "layer_decay": 1.0,
        },
        "part_rows": 8,
        "arms": ["projected", "self_trained"],
        "jobs": 1,  # in the process that is killed; tests of several say so
    }
    path.write_text(json.dumps(keys | changes), encoding="utf-8")
    return path


def contents(run: Path) -> dict[str, str]:
    """Return the hash of every file of data, models and scores of a run, by its place."""
    found = {
        str(p.relative_to(run)): hashlib.sha256(p.read_bytes()).hexdigest()
        for artifact in RunFolder(run).artifacts()
        for p in sorted(artifact.folder.rglob("*"))
        if p.is_file() and p.name != "_manifest.json"
    }
    found.pop(TELLS_TIMES, None)
    return found


def files(folder: Path) -> set[str]:
    """Return the places of all files and folders, hidden ones too.

    Without the remembered hashes: what changed a moment ago is not remembered.
    """
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.name != ".hashes.json"}
