"""What makes a zero-shot tagger transfer better: options of the tagger, one at a time.

    python benchmarks/tagger/what_helps.py fusion_sweep_conll --set data.root=../shared/data/ner

Every variant is trained with the seeds of the configuration, each as a run of its own below
``--runs-dir`` (what is complete is not made again), and compared with the last layer alone at the
configuration's own options, paired by seed. Prints F1 on source dev and on the mean of the target
languages' test sets, and differences with a paired t-test; nothing is chosen on the test sets here,
they are what is reported. ``--list`` shows the variants, ``--only`` picks some.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from stages.sweep_fusion.summary import Trial


@dataclass(frozen=True)
class Variant:
    """One way to train: a kind of fusion and options that differ from the configuration's."""

    name: str
    fusion: str = "none"
    options: tuple[str, ...] = ()


BASE = Variant("last layer alone")
VARIANTS = (
    BASE,
    Variant("embeddings and 2 layers frozen", options=("train.freeze_layers=2",)),
    Variant("embeddings and 3 layers frozen", options=("train.freeze_layers=3",)),
    Variant("layer decay 0.8", options=("train.layer_decay=0.8",)),
    Variant("dropout 0", options=("train.dropout=0",)),
    Variant("dropout 0.2", options=("train.dropout=0.2",)),
    Variant("head at 3 times the rate", options=("train.head_learning_rate=3e-3",)),
    Variant("head at a third of the rate", options=("train.head_learning_rate=3.3e-4",)),
    Variant("half the rate", options=("train.learning_rate=5e-4",)),
    Variant("all pieces labelled", options=("train.label_pieces=all",)),
    Variant("sum", "dlfa_sum"),
    Variant("concat", "concat"),
    Variant("scalar mix", "scalar_mix"),
    Variant("AIF", "dlfa_aif"),
    Variant("AIF from 0.9 last layer", "dlfa_aif", ("train.aif_last_share=0.9",)),
    Variant("AIF at ratio 1", "dlfa_aif", ("train.aif_ratio=1",)),
    Variant("AIF, head at 3 times the rate", "dlfa_aif", ("train.head_learning_rate=3e-3",)),
    Variant("AIF, 3 layers frozen", "dlfa_aif", ("train.freeze_layers=3",)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("config", nargs="?", default="fusion_sweep_conll")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="sets")
    parser.add_argument("--layer", type=int, default=-3, help="fusion layer, where there is one")
    parser.add_argument("--runs-dir", type=Path, default=Path("artifacts/runs"))
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="besides the last layer alone")
    parser.add_argument("--list", action="store_true", help="show the variants, and stop")
    arguments = parser.parse_args()
    if arguments.list:
        for variant in VARIANTS:
            print(f"{variant.name:34} {variant.fusion:12} {' '.join(variant.options)}")
        return
    if unknown := set(arguments.only or ()) - {v.name for v in VARIANTS}:
        parser.error(f"no variant {sorted(unknown)}; --list shows them")

    from rich.console import Console

    from pipeline.errors import XlnerError

    console = Console(stderr=True)
    chosen = [v for v in VARIANTS if v is BASE or not arguments.only or v.name in arguments.only]
    found: dict[Variant, list[Trial]] = {}
    try:
        for variant in chosen:
            console.print(f"[bold]{variant.name}[/bold]")
            found[variant] = trained(
                variant, arguments.config, arguments.sets, arguments.layer, arguments.runs_dir
            )
    except XlnerError as error:
        raise SystemExit(f"error: {error}") from None
    show(found)


def trained(
    variant: Variant, config: str, sets: Sequence[str], layer: int, runs: Path
) -> list[Trial]:
    """Train a variant with every seed, as far as that is not done."""
    from rich.console import Console

    from pipeline.progress import Progress
    from stages.sweep_fusion.summary import read_trial
    from xlner.api import Runner, load_config

    name = load_config(config, sets).name
    suffix = "".join(c if c.isalnum() else "-" for c in variant.name.lower())
    runner = Runner(
        load_config(
            config,
            [
                *sets,
                *variant.options,
                f"name={name}.{suffix}",
                f"sweep_fusion.fusions=[{variant.fusion}]",
                f"sweep_fusion.layers=[{layer}]",
            ],
        ),
        runs,
        Progress(Console(stderr=True)),
    )
    runner.run()
    artifacts = [runner.folder.artifact(t.ref) for t in runner.tasks() if t.unit != "all"]
    return [
        read_trial(a.folder)
        for a in artifacts
        if a is not None and a.folder.is_relative_to(runner.folder.path / "sweep_fusion")
    ]


def show(found: dict[Variant, list[Trial]]) -> None:
    """Print the table."""
    from scipy.stats import ttest_rel

    from stages.sweep_fusion.summary import MEAN, tests_of

    base = {t.seed: t for t in found[BASE]}
    sets = list(found[BASE][0].counts)
    dev = next(s for s in sets if s.startswith("dev/"))
    shown = [dev, *tests_of(sets), MEAN]
    print("| variant | " + " | ".join(shown) + " | difference of the mean |")
    print("|---" * (len(shown) + 2) + "|")
    for variant, trials in found.items():
        cells = []
        for name in shown:
            values = [100 * t.f1(name) for t in trials]
            cells.append(f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}")
        apart = "–"
        if variant is not BASE:
            ours = [t.f1(MEAN) for t in trials]
            theirs = [base[t.seed].f1(MEAN) for t in trials]
            gain = 100 * (statistics.mean(ours) - statistics.mean(theirs))
            apart = f"{gain:+.1f} (p = {ttest_rel(ours, theirs).pvalue:.2f})"
        print(f"| {variant.name} | " + " | ".join(cells) + f" | {apart} |")


if __name__ == "__main__":
    main()
