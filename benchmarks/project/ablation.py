"""What each part of the candidate score adds: F1 without it, all weights fitted again.

    python -m benchmarks.project.ablation LINKS_DIR

Fits on the first halves, prints F1 of the halves that were not fitted on, per corpus from English
(mean over the kinds of links).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.project.corpora import CORPORA, DATA
from benchmarks.project.fit_weights import evaluate, fit_both, load

PARTS = (
    "links",
    "spelling",
    "length",
    "position",
    "punctuation",
    "habits",
    "length_habits",
    "type_habits",
    "dictionary",
    "renderings",
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("links", type=Path)
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    loaded = load(options.links, options.data)
    print(f"{'':<36}" + "".join(f"{n:>14}" for n in CORPORA) + f"{'mean':>8}")
    everything: list[float] = []

    def line(title: str, values: list[float]) -> None:
        shown = [*values, float(np.mean(values))]
        if everything:
            cells = "".join(f"{v - e:>+14.1f}" for v, e in zip(values, everything, strict=True))
            print(f"{title:<36}{cells}{shown[-1] - float(np.mean(everything)):>+8.2f}", flush=True)
        else:
            cells = "".join(f"{v:>14.1f}" for v in values)
            print(f"{title:<36}{cells}{shown[-1]:>8.2f}", flush=True)

    def measure(drop: tuple[str, ...]) -> tuple[list[float], list[float]]:
        weights, one, two = fit_both(loaded, drop=drop)

        def mean(examples: dict, chosen: dict[str, float]) -> list[float]:
            return [
                float(np.mean([evaluate(x, chosen)[1] for k, x in examples.items() if k[0] == n]))
                for n in CORPORA
            ]

        return mean(one, weights.first), mean(two, weights.second)

    first, second = measure(())
    line("everything", second)
    everything[:] = second
    line("first pass only (no statistics)", first)
    for part in PARTS:
        line(f"without {part}", measure((part,))[1])
    line("without all habits", measure(("habits", "length_habits", "type_habits"))[1])


if __name__ == "__main__":
    main()
