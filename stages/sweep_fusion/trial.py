"""One training of a sweep: train, score on every set, keep the scores."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts import Artifact
from pipeline.schema import spans_of
from pipeline.stage import Context
from stages.evaluate.grading import GOLD, PREDICTED, TP, Graded, count_spans, f1_of
from stages.train.recipe import train_options
from stages.train.run import train_on, training_facts
from stages.train.tagger import Tagger
from stages.train.training import HISTORY

_log = logging.getLogger(__name__)

SCORES, COUNTS = "scores.json", "counts.npz"
SCORED = "scored/"


def run_trial(inputs: Mapping[str, Artifact], folder: Path, context: Context) -> None:
    """Train the tagger of ``context.task`` and write its scores into ``folder``.

    ``scores.json`` has precision, recall and F1 of every set; ``counts.npz`` an array
    ``(sentences, 3)`` of correct, predicted and gold spans per set, for paired tests;
    ``training.json`` what the training logged; ``model/`` the tagger, if it is to be kept.
    """
    config, facts = context.config, context.task.options
    fusion, layer, seed = str(facts["fusion"]), facts["layer"], int(facts["seed"])
    options = train_options(config).model_copy(
        update={"fusion": fusion, "fusion_layer": layer or 0}
    )
    model = (folder if facts["keep_model"] else context.work_dir) / "model"
    result = train_on(
        inputs,
        options,
        model,
        context,
        seed=seed,
        fused=fusion != "none",
        provenance=training_facts(
            config, list(config.languages), inputs, seed, f"{config.name}: {context.task.unit}"
        ),
        title=f"sweep {context.task.unit}",
    )
    # As trained: the scores of many trainings are compared, none of them is kept for use.
    tagger = Tagger.from_pretrained(model, dtype="auto")
    arrays = {
        name.removeprefix(SCORED): score(tagger, artifact)
        for name, artifact in inputs.items()
        if name.startswith(SCORED)
    }
    for name in [n for n, counts in arrays.items() if not counts[:, GOLD].any()]:
        _log.warning("sweep_fusion: %s has no labelled entity: there is nothing to score", name)
        del arrays[name]
    np.savez_compressed(folder / COUNTS, **arrays)  # type: ignore[arg-type]
    scores = {
        "fusion": fusion,
        "layer": layer,
        "seed": seed,
        "steps": result.steps,
        "best_step": result.best_step,
        "sets": {name: prf(array.sum(0)) for name, array in arrays.items()},
    }
    (folder / SCORES).write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    if not facts["keep_model"]:
        (folder / HISTORY).write_bytes((model / HISTORY).read_bytes())
    context.notes["f1"] = {n: round(s["f1"], 4) for n, s in scores["sets"].items()}


def score(tagger: Tagger, gold: Artifact) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return correct, predicted and gold spans of every sentence, (sentences, 3)."""
    rows = list(gold.rows())
    words = [row["words"] for row in rows]
    found = tagger.decode(tagger.distributions(words))
    graded = [
        Graded(row["id"], row["words"], spans_of(row), predicted)
        for row, predicted in zip(rows, found, strict=True)
    ]
    types = {s.type for g in graded for s in (*g.gold, *g.predicted)}
    return count_spans(graded, sorted(types)).sum(axis=1)


def prf(total: np.ndarray[Any, np.dtype[np.int64]]) -> dict[str, float]:
    """Return precision, recall and F1 of (correct, predicted, gold)."""
    correct = float(total[TP])
    return {
        "precision": correct / max(1, int(total[PREDICTED])),
        "recall": correct / max(1, int(total[GOLD])),
        "f1": float(f1_of(total)),
    }
