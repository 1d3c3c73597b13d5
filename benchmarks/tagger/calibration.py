"""Calibration error of a run's taggers with other temperatures, per language.

    python -m benchmarks.tagger.calibration artifacts/runs/default --seed 13 --least 1 1.35

Prints the expected calibration error in points over the entities found: as the logits are, with the
temperature that training fitted on dev, and with that where it is at least as given. It reads the
probabilities of the run's predictions, and asks no tagger; of ``ensemble`` and ``translate_test``,
which have no temperature of their own, it says nothing.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pipeline.artifacts import Artifact, RunFolder
from pipeline.schema import labels_of, spans_of
from stages.tagger.calibration import (
    calibration_error,
    reliability,
    scored_entities,
    tempered,
)
from stages.tagger.labels import LabelSet, end_to_end
from stages.tagger.predictions import distributions_of


def errors(predicted: Artifact, gold: Artifact, had: float, wanted: list[float]) -> list[float]:
    """Return the error in points under each temperature of predictions that had another one."""
    found = predicted.read()
    known = {r["id"]: spans_of(r) for r in gold.rows()}
    labels = LabelSet(labels_of(found.schema))
    flat, starts = end_to_end(distributions_of(found), len(labels))
    theirs = [known[i] for i in found.column("id").to_pylist()]
    return [
        100
        * calibration_error(
            reliability(*scored_entities(labels.decode(tempered(flat, t / had), starts), theirs))
        )
        for t in wanted
    ]


def main() -> None:
    """Print a line per tagger, a column per language."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--least", type=float, nargs="+", default=[1.35])
    given = parser.parse_args()
    made = {
        (a.manifest.stage, a.manifest.unit): a
        for a in RunFolder(given.run).artifacts()
        if a.manifest.stage in ("prepare", "predict")
    }
    print("| tagger | fitted | set | none | fitted to dev |", *(f"≥ {x:g} |" for x in given.least))
    for stage in ("train", "self_train"):
        for folder in sorted((given.run / stage).glob(f"*/seed-{given.seed}")):
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            had = config["score_temperature"]
            fitted = config.get("fitted_temperature") or had
            wanted = [1.0, fitted, *(max(x, fitted) for x in given.least)]
            prefix = f"{folder.parent.name}/{folder.name}/"
            for (kind, unit), artifact in made.items():
                data = unit.removeprefix(prefix)
                if kind == "predict" and data != unit and not data.startswith("dev/"):
                    found = errors(artifact, made["prepare", data], had, wanted)
                    cells = " | ".join(f"{e:.1f}" for e in found)
                    print(f"| {folder.parent.name} | {fitted:.2f} | {data} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
