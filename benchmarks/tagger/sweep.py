"""The fusion-layer sweep: every lower layer x seeds, scored on source dev and every target.

Results go to ``<out>/sweep.csv`` as they come, and a sweep that was stopped goes on; then
``summary.csv`` (mean and standard deviation per layer and language), ``sweep.png`` (the curve, with
last-layer-only as a band), the best layer by source dev and by each target, and a paired test of
the layer chosen on source dev against ``none``.

    python benchmarks/tagger/sweep.py --encoder artifacts/models/encoder \
        --train conll/en/train.txt --dev conll/en/dev.txt \
        --test de=conll/de/test.txt es=conll/es/test.txt nl=conll/nl/test.txt \
        --seeds 1 2 3 4 5 --max-steps 2000 --out sweep-conll
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import shutil
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

from common import label_set, read_sentences

FIELDS = ("fusion", "layer", "seed", "set", "precision", "recall", "f1", "steps", "seconds")


def main() -> None:
    """Train what is missing, then summarise."""
    args = _arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    table = args.out / "sweep.csv"
    if not args.summarise:
        _sweep(args, table)
    rows = _read(table)
    _summarise(rows, args.out)
    _plot(rows, args.out / "sweep.png")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=str(__doc__).splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--dev", type=Path, required=True)
    parser.add_argument("--test", nargs="+", default=[], metavar="LANG=FILE")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fusion", nargs="+", default=["none", "dlfa_aif"])
    parser.add_argument("--layers", type=int, nargs="+", help="default: every lower layer")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--max-steps", type=int, default=2000)
    parser.add_argument("--train-sentences", type=int, default=1_000_000)
    parser.add_argument("--test-sentences", type=int, default=1_000_000)
    parser.add_argument(
        "--set",
        nargs="*",
        default=[],
        metavar="KEY=VALUE",
        help="options of the section train: learning_rate=3e-5 batch_size=16 aif_ratio=1 …",
    )
    parser.add_argument("--summarise", action="store_true", help="train nothing")
    return parser.parse_args()


def _sweep(args: argparse.Namespace, table: Path) -> None:
    import time

    import yaml
    from rich.console import Console

    from pipeline.progress import Progress
    from stages.train.config import TrainConfig
    from stages.train.data import Example
    from stages.train.labels import span_f1
    from stages.train.layers import depth_of
    from stages.train.recipe import head_fields
    from stages.train.tagger import Tagger
    from stages.train.training import train_tagger

    train = read_sentences(args.train, args.train_sentences)
    dev = read_sentences(args.dev, args.test_sentences)
    tests = {"dev": dev}
    for item in args.test:
        lang, _, path = item.partition("=")
        tests[lang] = read_sentences(Path(path), args.test_sentences)
    labels = label_set(train)
    depth = depth_of(json.loads((Path(args.encoder) / "config.json").read_text()))
    overrides = {k: yaml.safe_load(v) for k, _, v in (item.partition("=") for item in args.set)}
    done = {(r["fusion"], r["layer"], r["seed"]) for r in _read(table)}
    jobs = [
        (fusion, layer, seed)
        for seed in args.seeds
        for fusion in args.fusion
        for layer in _layers(fusion, args.layers, depth)
    ]
    quiet = Progress(Console(file=io.StringIO()))
    for number, (fusion, layer, seed) in enumerate(jobs, 1):
        if (fusion, layer, seed) in done:
            continue
        options = TrainConfig(
            **{"max_steps": args.max_steps, "checkpoint_steps": 0, "dev_sentences": None}
            | overrides
            | {"fusion": fusion, "fusion_layer": layer if layer is not None else 0}
        )
        work = args.out / "work"
        shutil.rmtree(work, ignore_errors=True)
        start = time.perf_counter()
        result = train_tagger(
            options,
            (Example(s.words, s.spans, id=s.id) for s in train),
            [(s.words, s.spans) for s in dev],
            work / "model",
            work / "training",
            encoder=args.encoder,
            labels=labels.names,
            seed=seed,
            head=head_fields(options, fused=True),
            progress=quiet,
        )
        seconds = time.perf_counter() - start
        tagger = Tagger.from_pretrained(work / "model")
        scores = {}
        for name, sentences in tests.items():
            found = tagger.predict([s.words for s in sentences])
            scores[name] = span_f1(found, [s.spans for s in sentences])
        _append(table, fusion, layer, seed, scores, result.steps, seconds)
        shown = "  ".join(f"{n} {100 * s['f1']:.2f}" for n, s in scores.items())
        print(f"{number}/{len(jobs)} {fusion} layer {layer} seed {seed}: {shown}", flush=True)
        shutil.rmtree(work)


def _layers(fusion: str, chosen: list[int] | None, depth: int) -> list[int | None]:
    if fusion in ("none", "scalar_mix"):
        return [None]
    return list(chosen) if chosen else list(range(depth))


def _append(
    table: Path,
    fusion: str,
    layer: int | None,
    seed: int,
    scores: dict[str, dict[str, float]],
    steps: int,
    seconds: float,
) -> None:
    lines = io.StringIO()
    writer = csv.writer(lines)
    if not table.exists():
        writer.writerow(FIELDS)
    for name, s in scores.items():
        values = [f"{s[k]:.6f}" for k in ("precision", "recall", "f1")]
        shown = "" if layer is None else layer
        writer.writerow([fusion, shown, seed, name, *values, steps, f"{seconds:.1f}"])
    with table.open("a", encoding="utf-8", newline="") as file:
        file.write(lines.getvalue())  # all sets of a training at once: complete or absent


def _read(table: Path) -> list[dict[str, Any]]:
    if not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        return [
            {
                **row,
                "layer": int(row["layer"]) if row["layer"] else None,
                "seed": int(row["seed"]),
                "f1": 100 * float(row["f1"]),
            }
            for row in csv.DictReader(file)
        ]


def _by_layer(
    rows: list[dict[str, Any]], name: str
) -> dict[tuple[str, int | None], dict[int, float]]:
    found: dict[tuple[str, int | None], dict[int, float]] = defaultdict(dict)
    for row in rows:
        if row["set"] == name:
            found[row["fusion"], row["layer"]][row["seed"]] = row["f1"]
    return dict(found)


def _sets(rows: list[dict[str, Any]]) -> list[str]:
    names = list(dict.fromkeys(r["set"] for r in rows))
    return [*names, "mean of targets"] if len(names) > 2 else names


def _with_mean(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add the mean over target languages as a set of its own."""
    groups: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for row in rows:
        if row["set"] != "dev":
            groups[row["fusion"], row["layer"], row["seed"]].append(row["f1"])
    means = [
        {"fusion": f, "layer": n, "seed": s, "set": "mean of targets", "f1": statistics.mean(v)}
        for (f, n, s), v in groups.items()
    ]
    return rows + means


def _summarise(rows: list[dict[str, Any]], out: Path) -> None:
    from scipy.stats import ttest_rel

    extended = _with_mean(rows)
    sets = _sets(rows)
    with (out / "summary.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["fusion", "layer", "set", "seeds", "mean", "sd"])
        for name in sets:
            for (fusion, layer), scores in _by_layer(extended, name).items():
                values = list(scores.values())
                shown = "" if layer is None else layer
                mean, spread = f"{statistics.mean(values):.3f}", f"{_sd(values):.3f}"
                writer.writerow([fusion, shown, name, len(values), mean, spread])
    kinds = [k for k in dict.fromkeys(r["fusion"] for r in rows) if k != "none"]
    for kind in kinds:
        best = {
            name: max(
                (
                    (statistics.mean(s.values()), layer)
                    for (f, layer), s in _by_layer(extended, name).items()
                    if f == kind
                ),
                key=lambda pair: pair[0],
            )
            for name in sets
        }
        chosen = best["dev"][1]
        print(
            f"\n{kind}: best layer by source dev: {chosen}; by set: "
            + ", ".join(f"{n} {layer} ({f1:.2f})" for n, (f1, layer) in best.items())
        )
        print(
            f"{'set':18}{'none':>16}{f'layer {chosen}':>16}{'difference':>12}{'p (paired t)':>14}"
        )
        for name in sets:
            scores = _by_layer(extended, name)
            base, ours = scores.get(("none", None), {}), scores[kind, chosen]
            seeds = sorted(base.keys() & ours.keys())
            if not seeds:
                continue
            a, b = [base[s] for s in seeds], [ours[s] for s in seeds]
            p = ttest_rel(b, a).pvalue if len(seeds) > 1 else float("nan")
            print(
                f"{name:18}{statistics.mean(a):9.2f} ± {_sd(a):4.2f}{statistics.mean(b):9.2f} ± "
                f"{_sd(b):4.2f}{statistics.mean(b) - statistics.mean(a):+12.2f}{p:14.3f}"
            )


def _sd(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def _plot(rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    extended, sets = _with_mean(rows), _sets(rows)
    figure, axes = plt.subplots(1, len(sets), figsize=(3.4 * len(sets), 3.2), squeeze=False)
    for axis, name in zip(axes[0], sets, strict=True):
        scores = _by_layer(extended, name)
        kinds = dict.fromkeys(f for f, layer in scores if layer is not None)
        for kind in kinds:
            layers = sorted(n for f, n in scores if f == kind and n is not None)
            values = [list(scores[kind, n].values()) for n in layers]
            means, spreads = [statistics.mean(v) for v in values], [_sd(v) for v in values]
            axis.errorbar(layers, means, spreads, marker="o", capsize=2, label=kind)
        for number, kind in enumerate(k for k, layer in scores if layer is None):
            values = list(scores[kind, None].values())
            mean, spread = statistics.mean(values), _sd(values)
            colour = ("grey", "tab:olive")[number % 2]
            axis.axhline(mean, color=colour, linestyle="--", label=kind)
            axis.axhspan(mean - spread, mean + spread, color=colour, alpha=0.15)
        axis.set_title(name)
        axis.set_xlabel("fusion layer (0: embeddings)")
    axes[0][0].set_ylabel("span F1")
    axes[0][0].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    print(f"\nwrote {path}")


if __name__ == "__main__":
    main()
