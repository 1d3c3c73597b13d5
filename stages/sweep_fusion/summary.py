"""Sums up a sweep: means and spreads, the best layers, the comparison with the last layer alone."""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.artifacts import Artifact, derive_seed
from pipeline.stage import Context
from stages.evaluate.grading import f1_of
from stages.evaluate.resampling import holm, p_value, randomised_differences
from stages.sweep_fusion.trial import COUNTS, SCORES

if TYPE_CHECKING:
    from numpy.typing import NDArray

BASELINE = "none"
MEAN = "mean"
"""The mean over the test sets of all target languages, as a set of its own."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One training with its scores.

    Attributes:
        fusion: Kind of fusion.
        layer: Fusion layer from 0; ``None`` where the kind has none.
        seed: Training seed.
        counts: Correct, predicted and gold spans, (sentences, 3), by set: ``test/de`` …
    """

    fusion: str
    layer: int | None
    seed: int
    counts: Mapping[str, NDArray[np.int64]]

    def f1(self, name: str) -> float:
        """Return F1 on a set, or the mean over the target languages' test sets."""
        if name == MEAN:
            return statistics.mean(self.f1(n) for n in tests_of(self.counts))
        return float(f1_of(self.counts[name].sum(0)))


@dataclass(frozen=True, slots=True)
class LayerScore:
    """Scores of one fusion layer on one set over the seeds; F1 and differences are fractions.

    ``difference`` and ``difference_sd`` are against the last layer alone, paired by seed.
    """

    fusion: str
    layer: int | None
    set: str
    seeds: int
    mean: float
    sd: float
    difference: float | None
    difference_sd: float | None


@dataclass(frozen=True, slots=True)
class BestLayer:
    """The layer with the highest mean F1 over the seeds, by one set."""

    fusion: str
    by: str
    layer: int | None
    f1: float


@dataclass(frozen=True, slots=True)
class Compared:
    """A fusion against the last layer alone on one set, the layer chosen by ``chosen_by``.

    ``p_seeds``: paired t-test over the seeds. ``p_sentences``: paired approximate randomisation
    over the sentences, each exchanged in all seeds at once; ``p_adjusted``: that, with Holm's
    correction for the number of test sets.
    """

    fusion: str
    layer: int | None
    chosen_by: str
    set: str
    seeds: int
    base_mean: float
    base_sd: float
    fused_mean: float
    fused_sd: float
    difference: float
    difference_sd: float
    p_seeds: float | None
    p_sentences: float
    p_adjusted: float | None


def tests_of(names: Iterable[str]) -> list[str]:
    """Return the test sets of the target languages among the names of sets."""
    return [n for n in names if n.startswith("test/")]


def summarise(inputs: Mapping[str, Artifact], folder: Path, context: Context) -> list[LayerScore]:
    """Write the tables of the sweep.

    ``sweep.csv``: every training and set. ``layers.csv``: :class:`LayerScore`. ``best.csv``:
    :class:`BestLayer`. ``comparison.csv``: :class:`Compared`. ``fusion_curve.csv``: what
    ``report.fusion_curve`` reads.

    Returns:
        What ``layers.csv`` has, to be drawn.
    """
    trials = [read_trial(artifact.folder) for artifact in inputs.values()]
    layers = layer_scores(trials)
    best = best_layers(layers)
    source_dev = f"dev/{context.config.source}"
    rounds = int(context.task.options["rounds"])
    compared = compare(trials, best, source_dev, rounds, context.config.seed)
    _write_trials(inputs, folder / "sweep.csv")
    _write(layers, LayerScore, folder / "layers.csv")
    _write(best, BestLayer, folder / "best.csv")
    _write(compared, Compared, folder / "comparison.csv")
    _write_curve(trials, source_dev, folder / "fusion_curve.csv")
    context.count("trainings", len(trials))
    context.notes["best_layer"] = {f"{b.fusion}/{b.by}": b.layer for b in best}
    context.notes["difference"] = {
        f"{c.fusion}/{c.set}": round(c.difference, 4) for c in compared if c.chosen_by == source_dev
    }
    return layers


def read_trial(folder: Path) -> Trial:
    """Read what :func:`stages.sweep_fusion.trial.run_trial` wrote."""
    facts = json.loads((folder / SCORES).read_text(encoding="utf-8"))
    with np.load(folder / COUNTS) as arrays:
        counts = {name: arrays[name] for name in facts["sets"]}
    return Trial(facts["fusion"], facts["layer"], facts["seed"], counts)


def layer_scores(trials: Sequence[Trial]) -> list[LayerScore]:
    """Return mean and spread of every fusion layer on every set."""
    found = []
    base = _group(trials).get((BASELINE, None), {})
    for name in _sets(trials):
        for (fusion, layer), by_seed in sorted(_group(trials).items(), key=_order):
            values = [t.f1(name) for t in by_seed.values()]
            shared = sorted(base.keys() & by_seed.keys()) if fusion != BASELINE else []
            apart = [by_seed[s].f1(name) - base[s].f1(name) for s in shared]
            found.append(
                LayerScore(
                    fusion,
                    layer,
                    name,
                    len(values),
                    statistics.mean(values),
                    _sd(values),
                    statistics.mean(apart) if apart else None,
                    _sd(apart) if apart else None,
                )
            )
    return found


def best_layers(layers: Sequence[LayerScore]) -> list[BestLayer]:
    """Return the best layer of each fusion by each set; of equals the lowest."""
    found: dict[tuple[str, str], BestLayer] = {}
    for score in layers:
        if score.fusion == BASELINE:
            continue
        key = (score.fusion, score.set)
        if key not in found or score.mean > found[key].f1:
            found[key] = BestLayer(score.fusion, score.set, score.layer, score.mean)
    return list(found.values())


def compare(
    trials: Sequence[Trial], best: Sequence[BestLayer], source_dev: str, rounds: int, seed: int
) -> list[Compared]:
    """Compare each fusion with the last layer alone on every set.

    The layer is the one that source dev chooses (zero-shot), and beside it the one that is best on
    the set itself: what a perfect choice would bring, an upper bound and no result.
    """
    groups = _group(trials)
    base = groups.get((BASELINE, None), {})
    found: list[Compared] = []
    for chosen in best:
        if chosen.by == source_dev:
            sets = _sets(trials)
        elif chosen.by == MEAN or chosen.by.startswith("test/"):
            sets = [chosen.by]
        else:
            continue
        ours = groups[chosen.fusion, chosen.layer]
        seeds = sorted(base.keys() & ours.keys())
        if not seeds:
            continue
        rows = [
            _compared(
                chosen, name, [base[s] for s in seeds], [ours[s] for s in seeds], rounds, seed
            )
            for name in sets
        ]
        found += _adjusted(rows) if chosen.by == source_dev else rows
    return found


def _compared(
    chosen: BestLayer,
    name: str,
    base: Sequence[Trial],
    ours: Sequence[Trial],
    rounds: int,
    seed: int,
) -> Compared:
    a, b = [t.f1(name) for t in base], [t.f1(name) for t in ours]
    apart = [y - x for x, y in zip(a, b, strict=True)]
    return Compared(
        chosen.fusion,
        chosen.layer,
        chosen.by,
        name,
        len(a),
        statistics.mean(a),
        _sd(a),
        statistics.mean(b),
        _sd(b),
        statistics.mean(apart),
        _sd(apart),
        _paired_t(a, b),
        _p_sentences(name, base, ours, rounds, seed),
        None,
    )


def _paired_t(a: Sequence[float], b: Sequence[float]) -> float | None:
    from scipy.stats import ttest_rel

    if len(a) < 2 or _sd([y - x for x, y in zip(a, b, strict=True)]) == 0:
        return None
    return float(ttest_rel(b, a).pvalue)


def _p_sentences(
    name: str, base: Sequence[Trial], ours: Sequence[Trial], rounds: int, seed: int
) -> float:
    names = tests_of(base[0].counts) if name == MEAN else [name]
    nulls, observed = [], []
    for each in names:
        first = np.stack([t.counts[each] for t in ours], axis=1)
        second = np.stack([t.counts[each] for t in base], axis=1)
        nulls.append(
            randomised_differences(first, second, rounds, derive_seed(seed, "sweep_fusion", each))
        )
        observed.append(np.mean([t.f1(each) for t in ours]) - np.mean([t.f1(each) for t in base]))
    return p_value(float(np.mean(observed)), np.mean(nulls, axis=0))


def _adjusted(rows: list[Compared]) -> list[Compared]:
    tests = [r for r in rows if r.set.startswith("test/")]
    adjusted = dict(zip((r.set for r in tests), holm([r.p_sentences for r in tests]), strict=True))
    return [
        Compared(**(asdict(r) | {"p_adjusted": adjusted[r.set]})) if r.set in adjusted else r
        for r in rows
    ]


def _group(trials: Sequence[Trial]) -> dict[tuple[str, int | None], dict[int, Trial]]:
    found: dict[tuple[str, int | None], dict[int, Trial]] = {}
    for trial in trials:
        found.setdefault((trial.fusion, trial.layer), {})[trial.seed] = trial
    return found


def _order(item: tuple[tuple[str, int | None], Any]) -> tuple[bool, str, int]:
    (fusion, layer), _ = item
    return fusion != BASELINE, fusion, -1 if layer is None else layer


def _sets(trials: Sequence[Trial]) -> list[str]:
    names = list(trials[0].counts)
    return [*names, MEAN] if len(tests_of(names)) > 1 else names


def _sd(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def _write(rows: Sequence[Any], kind: type, path: Path) -> None:
    names = [f.name for f in fields(kind)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(getattr(row, name)) for name in names] for row in rows)


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return f"{value:.6f}" if isinstance(value, float) else value


def _write_trials(inputs: Mapping[str, Artifact], path: Path) -> None:
    names = ("fusion", "layer", "seed", "set", "precision", "recall", "f1", "steps", "best_step")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for artifact in inputs.values():
            facts = json.loads((artifact.folder / SCORES).read_text(encoding="utf-8"))
            for name, scores in facts["sets"].items():
                row = facts | {"set": name} | scores
                writer.writerow([_cell(row[n]) for n in names])


def _write_curve(trials: Sequence[Trial], source_dev: str, path: Path) -> None:
    # The report draws one line per language: of one fusion, on source dev and the test sets.
    layered = [t for t in trials if t.layer is not None]
    first = [t for t in layered if t.fusion == layered[0].fusion]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["fusion", "layer", "lang", "seed", "f1"])
        for trial in sorted(first, key=lambda t: (t.layer or 0, t.seed)):
            for name in (source_dev, *tests_of(trial.counts)):
                lang = name.rpartition("/")[2]
                writer.writerow(
                    [trial.fusion, trial.layer, lang, trial.seed, _cell(trial.f1(name))]
                )
