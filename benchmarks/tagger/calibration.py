"""Calibration error of a run's taggers before and after their temperature, per language.

    python -m benchmarks.tagger.calibration artifacts/runs/default --seed 13

The temperature is fitted on the run's source dev, as training does; test sentences only show it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from pipeline.artifacts import Artifact, RunFolder
from pipeline.schema import Span, spans_of
from stages.tagger.calibration import (
    calibration_error,
    fit_temperature,
    reliability,
    scored_entities,
    tempered,
)
from stages.tagger.tagger import Tagger


def sentences(artifact: Artifact) -> tuple[list[list[str]], list[list[Span]]]:
    rows = list(artifact.rows())
    return [r["words"] for r in rows], [spans_of(r) for r in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--seed", type=int, default=13)
    given = parser.parse_args()
    run = RunFolder(given.run)
    made = [a for a in run.artifacts() if a.manifest.stage == "prepare"]
    (dev,) = [a for a in made if a.manifest.unit.startswith("dev/")]
    tests = {a.manifest.lang: a for a in made if a.manifest.unit.startswith(("test/", "source_t"))}
    print("| tagger | temperature |", " | ".join(map(str, tests)), "|")
    for stage in ("train", "self_train"):
        for folder in sorted((run.path / stage).glob(f"*/seed-{given.seed}")):
            tagger = Tagger.from_pretrained(folder)
            tagger.temperature = 1.0

            def flat(words: list[list[str]], tagger: Tagger = tagger) -> tuple[np.ndarray, ...]:
                return tagger.flat(words)

            words, gold = sentences(dev)
            temperature = fit_temperature(*flat(words), gold, tagger.label_set)
            cells = []
            for artifact in tests.values():
                words, gold = sentences(artifact)
                probs, starts = flat(words)
                errors = [
                    calibration_error(
                        reliability(
                            *scored_entities(
                                tagger.label_set.decode(tempered(probs, t), starts), gold
                            )
                        )
                    )
                    for t in (1.0, temperature)
                ]
                cells.append(" → ".join(f"{100 * e:.1f}" for e in errors))
            print(f"| {folder.parent.name} | {temperature:.2f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
