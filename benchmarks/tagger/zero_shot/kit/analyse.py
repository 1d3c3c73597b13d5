"""Tables of what ``run.py`` wrote: means over seeds, and differences with intervals.

    python3 analyse.py OUT

A difference between two arms is that of their F1 on the same sentences. Its interval and its p
come from resampling sentences and seeds at once (2,000 times; both arms get the same draws, seeds
are paired); p is twice the share of draws on the wrong side of 0, with Holm's correction over the
table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

DRAWS = 2000
Row = dict[str, Any]


class Results:
    """The rows of ``results.jsonl`` with the counts of their sentences.

    Args:
        folder: What ``run.py`` wrote.
    """

    def __init__(self, folder: Path) -> None:
        text = (folder / "results.jsonl").read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.splitlines()]
        self._counts = (folder / "counts.bin").read_bytes()
        self._gold = {r["gold"]: self._read(r["at"], 1)[0] for r in lines if "gold" in r}
        self.rows = [r for r in lines if "arm" in r]
        self.chosen = [r for r in lines if "chosen" in r]

    def _read(self, place: Sequence[int], columns: int) -> np.ndarray:
        raw = zlib.decompress(self._counts[place[0] : place[0] + place[1]])
        return np.frombuffer(raw, np.uint8).reshape(columns, -1).astype(np.int64)

    def counts(self, row: Row, name: str) -> np.ndarray:
        """Return (3, sentences): correct, predicted and gold spans of a row's set."""
        correct, found = self._read(row["counts"][name], 2)
        return np.stack([correct, found, self._gold[name]])

    def arm(self, **wanted: Any) -> dict[int, Row]:
        """Return the rows with these values, by seed."""
        same = [r for r in self.rows if all(_value(r, k) == v for k, v in wanted.items())]
        return {r["seed"]: r for r in same if r["at"] == r["updates"]}


def _value(row: Row, key: str) -> Any:
    return row["data"][-1] if key == "last_data" else row[key]


def f1(counts: np.ndarray) -> np.ndarray:
    """Return F1 in percent of (3, …) counts."""
    return 200 * counts[0] / np.maximum(counts[1] + counts[2], 1)


def difference(
    results: Results, ours: Mapping[int, Row], theirs: Mapping[int, Row], names: Sequence[str]
) -> tuple[float, float, float, float]:
    """Return the mean difference over sets and paired seeds, its 95 % interval, and p."""
    seeds = sorted(set(ours) & set(theirs))
    pairs = {
        name: np.stack(
            [np.stack([results.counts(side[s], name) for s in seeds]) for side in (ours, theirs)]
        )
        for name in names
    }
    generator = np.random.default_rng(0)
    draws = np.zeros(DRAWS)
    for k in range(DRAWS):
        chosen = generator.integers(len(seeds), size=len(seeds))
        values = []
        for counts in pairs.values():  # (2, seeds, 3, sentences)
            weights = np.bincount(
                generator.integers(counts.shape[-1], size=counts.shape[-1]),
                minlength=counts.shape[-1],
            )
            scores = f1(np.moveaxis(counts[:, chosen] @ weights, -1, 0))
            values.append(float((scores[0] - scores[1]).mean()))
        draws[k] = statistics.mean(values)
    whole = [f1(np.moveaxis(c.sum(-1), -1, 0)) for c in pairs.values()]
    mean = statistics.mean(float((s[0] - s[1]).mean()) for s in whole)
    low, high = np.quantile(draws, [0.025, 0.975])
    wrong = min(float((draws <= 0).mean()), float((draws >= 0).mean()))
    return mean, float(low), float(high), min(1.0, 2 * max(wrong, 1 / DRAWS))


def holm(values: Sequence[float]) -> list[float]:
    """Return p values with Holm's correction."""
    order = sorted(range(len(values)), key=lambda k: values[k])
    out, top = [0.0] * len(values), 0.0
    for rank, k in enumerate(order):
        top = max(top, min(1.0, values[k] * (len(values) - rank)))
        out[k] = top
    return out


def spread(rows: Mapping[int, Row], name: str) -> str:
    """Return mean and deviation over seeds."""
    values = [r["f1"][name] for r in rows.values() if name in r["f1"]]
    if not values:
        return "–"
    deviation = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{deviation}"


def compare(results: Results, pairs: Sequence[tuple[str, Any, Any, Sequence[str]]]) -> None:
    """Print differences: name, rows of both sides by seed, sets."""
    found = [
        (name, difference(results, a, b, sets))
        for name, a, b, sets in pairs
        if set(a) & set(b)
        and all(s in r["counts"] for s in sets for r in (*a.values(), *b.values()))
    ]
    for (name, (mean, low, high, p)), corrected in zip(
        found, holm([d[3] for _, d in found]), strict=True
    ):
        print(f"| {name} | {mean:+.1f} | {low:+.1f} to {high:+.1f} | {p:.3f} | {corrected:.3f} |")


def sweep(results: Results, arm: str, dev: str, tests: Sequence[str]) -> None:
    """Print a sweep over fusion layers, and the layer that source dev chooses against none."""
    none = results.arm(arm=arm, fusion="none")
    layers = sorted({r["layer"] for r in results.rows if r["arm"] == arm and r["fusion"] != "none"})
    if not none or not layers:
        return
    print(f"\n## {arm}\n\n| | {' | '.join([dev, *tests])} | share of the last layer |")
    print("|---" * (len(tests) + 3) + "|")
    print(f"| none | {' | '.join(spread(none, n) for n in [dev, *tests])} | |")
    every = {k: results.arm(arm=arm, fusion="dlfa_aif", layer=k) for k in layers}
    for layer, rows in every.items():
        shares = [f["share"] for r in rows.values() for f in r["aif"].values()]
        cells = " | ".join(spread(rows, n) for n in [dev, *tests])
        print(f"| {layer} | {cells} | {statistics.mean(shares):.2f} |")
    best = max(every, key=lambda k: statistics.mean(r["f1"][dev] for r in every[k].values()))
    print(f"\nsource dev chooses layer {best}; against none:\n")
    print("| | difference | interval | p | Holm |\n|---|---|---|---|---|")
    compare(
        results,
        [(name, every[best], none, [name]) for name in tests]
        + [("mean", every[best], none, list(tests))],
    )


def arms(results: Results, lang: str) -> None:
    """Print the arms of a language, and ours against each of them."""
    name = f"test/{lang}"
    ours = results.arm(arm="projected", last_data=f"ours/{lang}")
    if not ours:
        return
    sides: dict[str, dict[int, Row]] = {
        "zero_shot": results.arm(arm="sweep", fusion="none"),
        "projected": ours,
        "projected_fused": results.arm(arm="projected_fused", last_data=f"ours/{lang}"),
    }
    for row in results.rows:
        if row["arm"].startswith("rival:") and row["data"][-1].endswith(f"/{lang}"):
            sides.setdefault(row["arm"], results.arm(arm=row["arm"], last_data=row["data"][-1]))
    print(f"\n## {name}\n\n| arm | F1 |\n|---|---|")
    for arm, rows in sides.items():
        print(f"| {arm} | {spread(rows, name)} |")
    print("\n| | difference | interval | p | Holm |\n|---|---|---|---|---|")
    compare(
        results,
        [
            (f"projected − {arm}", ours, rows, [name])
            for arm, rows in sides.items()
            if not arm.startswith("projected")
        ],
    )


def curve(results: Results, arm: str, tests: Sequence[str]) -> None:
    """Print F1 over updates, with fusion and without."""
    updates = sorted({r["updates"] for r in results.rows if r["arm"] == arm})
    if not updates:
        return
    print(f"\n## {arm}\n\n| updates | fusion | {' | '.join(tests)} |")
    print("|---" * (len(tests) + 2) + "|")
    for count in updates:
        for fusion in ("none", "dlfa_aif"):
            rows = results.arm(arm=arm, fusion=fusion, updates=count)
            print(f"| {count} | {fusion} | {' | '.join(spread(rows, n) for n in tests)} |")
    print("\n| | difference | interval | p | Holm |\n|---|---|---|---|---|")
    compare(
        results,
        [
            (
                f"{count} updates, fused − none, mean",
                results.arm(arm=arm, fusion="dlfa_aif", updates=count),
                results.arm(arm=arm, fusion="none", updates=count),
                list(tests),
            )
            for count in updates
        ],
    )


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    results = Results(parser.parse_args().out)
    conll = ["test/de", "test/es", "test/nl"]
    wikiann = ["wikiann/test/de", "wikiann/test/fr", "wikiann/test/nl"]
    for row in results.chosen:
        print(json.dumps(row))
    by_arm: dict[str, int] = defaultdict(int)
    for row in results.rows:
        by_arm[row["arm"]] += 1
    print(dict(by_arm))
    bare = results.arm(arm="bare")
    bare = {s: r for s, r in bare.items() if s < 100}
    if bare:
        print(f"\nbare: {', '.join(f'{n} {spread(bare, n)}' for n in conll)}")
    sweep(results, "sweep", "dev/en", conll)
    curve(results, "curve", conll)
    for lang in ("de", "es", "nl", "sw", "ha", "yo"):
        arms(results, lang)
    sweep(results, "sweep_wikiann", "wikiann/dev/en", wikiann)
    curve(results, "curve_wikiann", wikiann)


if __name__ == "__main__":
    main()
